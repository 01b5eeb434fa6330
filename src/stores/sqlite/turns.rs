//! Turns: found, begun, given back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, params};

use crate::contract::store::{
    AskResult, BeginAsk, Begun, ClaimToken, EqualAsks, FinishTurn, Finished, Result, StoreError, TurnWatch, Turns,
};
use crate::model::clock::millis;
use crate::model::turn::{Reason, Turn, TurnEvent, TurnView};
use crate::model::{ChannelId, Contact, EventKey, Timestamp, TurnId};
use crate::stores::sqlite::SqliteStore;
use crate::stores::sqlite::finish;
use crate::stores::sqlite::hold::{hold, owned, record_ask};
use crate::stores::sqlite::intake;
use crate::stores::sqlite::nudges::{self, Nudge};
use crate::stores::sqlite::rows::{self, limit_of, select_turn};
use crate::stores::sqlite::tx::{Tx, first};
use crate::stores::sqlite::work;

#[async_trait]
impl Turns for SqliteStore {
    async fn runnable(&self, after: i64, limit: usize) -> Result<Vec<Turn>> {
        const SQL: &str = select_turn!(
            "WHERE t.seq IN (SELECT seq FROM turns INDEXED BY turns_open WHERE state < 2 AND seq > ?1
                             AND (state = 0 OR NOT EXISTS (SELECT 1 FROM leases WHERE token = turns.claim AND until > ?3))
                             ORDER BY seq LIMIT ?2)
             ORDER BY t.seq"
        );
        loop {
            let now = self.clock.now();
            let (turns, bad) = self
                .readers
                .read(move |conn| {
                    rows::all(conn, SQL, params![after, limit_of(limit), now.0], |row| {
                        let mut turn = rows::turn(row, now)?;
                        rows::fill(conn, &mut turn, now)?;
                        Ok(turn)
                    })
                })
                .await?;
            if bad.is_empty() {
                return Ok(turns);
            }
            // A row that cannot be read must not hold up the others, nor come again.
            self.poison(bad).await?;
        }
    }

    async fn foreign(&self, limit: usize) -> Result<Vec<Turn>> {
        if !self.exclusive {
            return Ok(Vec::new());
        }
        let seen = self.seen_turns.load(Ordering::Acquire);
        let (turns, now_seen) = self
            .writer
            .write(move |tx| {
                let (seqs, now_seen) = nudges::nudged(tx, seen, Nudge::Turn, limit)?;
                let mut turns = Vec::with_capacity(seqs.len());
                for seq in seqs {
                    turns.extend(open_turn(tx.conn, seq, tx.now)?);
                }
                Ok((turns, now_seen))
            })
            .await?;
        self.seen_turns.store(now_seen, Ordering::Release);
        Ok(turns)
    }

    async fn turn(&self, seq: i64) -> Result<Option<(Turn, Arc<Contact>)>> {
        let now = self.clock.now();
        self.readers
            .read(move |conn| match open_turn(conn, seq, now)? {
                Some(turn) => with_contact(conn, turn).map(Some),
                None => Ok(None),
            })
            .await
    }

    async fn begin_ask(&self, begin: BeginAsk) -> Result<Begun> {
        self.writer.write(move |tx| begin_ask(tx, &begin)).await
    }

    async fn finish_ask(&self, seq: i64, claim: ClaimToken, result: AskResult) -> Result<()> {
        self.writer
            .write(move |tx| {
                let hold = owned(tx, seq, claim)?;
                if !hold.mine {
                    tx.run("UPDATE turns SET state = 1, claim = ?2, begun = 1 WHERE seq = ?1", params![seq, claim.0])?;
                }
                record_ask(tx, &hold, &result)
            })
            .await
    }

    async fn equal_asks(&self, seq: i64, n: u16, uid: &str, digest: [u8; 16], within: Duration) -> Result<EqualAsks> {
        const SQL: &str = "
            SELECT coalesce(sum(a.state = 3), 0), coalesce(sum(a.doubts + (a.state < 2)), 0)
            FROM asks a
            WHERE a.turn IN (SELECT j.turn FROM journal j INDEXED BY journal_contact
                             WHERE j.contact = (SELECT contact FROM turns WHERE seq = ?1) AND j.kind < 2 AND j.kind = 0)
              AND a.asked_at >= ?5 AND a.uid = ?3 AND a.digest = ?4 AND NOT (a.turn = ?1 AND a.n = ?2)";
        let (uid, since) = (uid.to_owned(), self.clock.now().minus(within).0);
        self.readers
            .read(move |conn| {
                let found = first(conn, SQL, params![seq, n, uid, digest, since], |row| {
                    Ok(EqualAsks { answered: row.get(0)?, doubtful: row.get(1)? })
                })?;
                Ok(found.unwrap_or_default())
            })
            .await
    }

    async fn finish_turn(&self, end: FinishTurn) -> Result<Finished> {
        let prepared = finish::Prepared::new(end)?;
        self.writer.write(move |tx| prepared.commit(tx)).await
    }

    async fn release_turn(
        &self,
        seq: i64,
        claim: ClaimToken,
        ask: Option<AskResult>,
        delay: Duration,
        spent: Option<Duration>,
    ) -> Result<()> {
        self.writer
            .write(move |tx| {
                let hold = owned(tx, seq, claim)?;
                if let Some(ask) = &ask {
                    record_ask(tx, &hold, ask)?;
                }
                tx.run(
                    "UPDATE turns SET state = 0, claim = NULL, due_at = ?2, attempts = attempts + ?3, spent = spent + ?4,
                                      begun = begun OR ?5
                     WHERE seq = ?1",
                    params![
                        seq,
                        tx.now.plus(delay).0,
                        spent.is_some(),
                        millis(spent.unwrap_or_default()),
                        ask.is_some()
                    ],
                )?;
                Ok(())
            })
            .await
    }

    async fn put_event(&self, seq: i64, event: &TurnEvent) -> Result<()> {
        let event = event.clone();
        self.writer.write(move |tx| intake::put_event(tx, seq, &event)).await
    }

    async fn view(&self, id: TurnId) -> Result<Option<Arc<TurnView>>> {
        self.readers.read(move |conn| rows::view(conn, id)).await
    }

    async fn turn_of(&self, channel: &ChannelId, key: &EventKey) -> Result<Option<(TurnId, Option<String>)>> {
        const SQL: &str = "SELECT t.id, j.note FROM journal j JOIN turns t ON t.seq = j.turn
                           WHERE j.channel = (SELECT id FROM names WHERE name = ?1) AND j.key = ?2";
        let (channel, key) = (channel.clone(), key.clone());
        let read = move |conn: &_| {
            first(conn, SQL, params![channel.as_str(), key.as_str()], |row| {
                Ok((TurnId::from_bytes(row.get(0)?), row.get(1)?))
            })
        };
        self.readers.read(read).await
    }

    fn watch(&self, id: TurnId) -> TurnWatch {
        self.registry.watch(id, Arc::clone(&self.readers))
    }
}

impl SqliteStore {
    /// Sets rows aside that cannot be read back.
    async fn poison(&self, bad: Vec<(i64, String)>) -> Result<()> {
        for (seq, error) in &bad {
            tracing::error!(seq, error, "a stored turn cannot be read; it is set aside as dead");
        }
        self.writer
            .write(move |tx| bad.iter().try_for_each(|(seq, error)| work::bury_turn(tx, *seq, Reason::Poisoned, error)))
            .await
    }
}

fn open_turn(conn: &Connection, seq: i64, now: Timestamp) -> Result<Option<Turn>> {
    const SQL: &str = select_turn!("WHERE t.seq = ?1 AND t.state < 2");
    let Some(mut turn) = first(conn, SQL, [seq], |row| rows::turn(row, now))? else { return Ok(None) };
    rows::fill(conn, &mut turn, now)?;
    Ok(Some(turn))
}

fn with_contact(conn: &Connection, turn: Turn) -> Result<(Turn, Arc<Contact>)> {
    let contact = rows::contact_by_id(conn, turn.contact.0)?;
    let contact = contact.ok_or_else(|| StoreError::Corrupt(format!("turn {} has no contact", turn.id)))?;
    Ok((turn, contact))
}

fn begin_ask(tx: &Tx<'_>, begin: &BeginAsk) -> Result<Begun> {
    let Some(hold) = hold(tx, begin.seq, begin.claim)? else { return Ok(Begun::Gone) };
    if hold.ended || hold.others {
        return Ok(Begun::Gone);
    }
    if !hold.lives {
        return Err(StoreError::LeaseLost);
    }
    if hold.blocked && !hold.mine {
        return Ok(Begun::NotYet);
    }
    let contact = rows::contact_by_id(tx.conn, hold.contact.0)?;
    let contact = contact.ok_or_else(|| StoreError::Corrupt(format!("turn {} has no contact", hold.id)))?;
    let known = contact.generation == begin.generation && contact.mode == begin.mode && contact.uid() == begin.uid;
    if hold.version != begin.version || !known {
        return match open_turn(tx.conn, begin.seq, tx.now)? {
            Some(turn) => Ok(Begun::Changed { turn: Box::new(turn), contact }),
            None => Ok(Begun::Gone),
        };
    }
    if !hold.mine {
        let claim = "UPDATE turns SET state = 1, claim = ?2, begun = 1 WHERE seq = ?1";
        tx.run(claim, params![begin.seq, begin.claim.0])?;
    }
    // An earlier attempt that was left open or ambiguous may have been processed after all.
    tx.run(
        "INSERT INTO asks (turn, n, contact, uid, digest, asked_at, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)
         ON CONFLICT (turn, n) DO UPDATE SET uid = excluded.uid, digest = excluded.digest, asked_at = excluded.asked_at,
             doubts = doubts + (state < 2), state = 0, answer = NULL, reason = NULL",
        params![begin.seq, begin.n, hold.contact.0, begin.uid, begin.digest, tx.now.0],
    )?;
    Ok(Begun::Yes)
}
