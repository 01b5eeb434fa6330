//! The outbox: rows queued, claimed, and what is spoken first.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use rusqlite::params;

use crate::contract::store::{ClaimToken, Outbox, OutboxRow, Result, SendFinished, SendResult, StoreError, Unrendered};
use crate::model::capabilities::Delivery;
use crate::model::outbound::{Announcement, Lane, Rendered, Target};
use crate::model::{ChannelId, ContactId};
use crate::stores::sqlite::SqliteStore;
use crate::stores::sqlite::finish::{Place, insert_row, record_action};
use crate::stores::sqlite::gone;
use crate::stores::sqlite::nudges::{self, Nudge};
use crate::stores::sqlite::rows::limit_of;
use crate::stores::sqlite::rows::{self, json, select_outbox, to_json};
use crate::stores::sqlite::sends::{self, Claimed, claim_row};
use crate::stores::sqlite::tx::Tx;
use crate::stores::sqlite::work;

#[async_trait]
impl Outbox for SqliteStore {
    async fn enqueue(&self, announcement: Announcement, delivery: Delivery) -> Result<bool> {
        let bodies: Vec<String> = announcement.actions.iter().map(to_json).collect::<Result<_>>()?;
        let target = to_json(&announcement.target)?;
        self.writer.write(move |tx| enqueue(tx, &announcement, &bodies, &target, delivery)).await
    }

    async fn unrendered(&self, after: i64, limit: usize) -> Result<Vec<Unrendered>> {
        const SQL: &str = "SELECT u.action, ch.name, u.target, u.lane, j.body FROM unrendered u
                           JOIN names ch ON ch.id = u.channel JOIN journal j ON j.n = u.action
                           WHERE u.action > ?1 ORDER BY u.action LIMIT ?2";
        let read = move |conn: &_| {
            rows::all(conn, SQL, [after, limit_of(limit)], |row| {
                Ok(Unrendered {
                    action: row.get(0)?,
                    channel: ChannelId::new(row.get::<_, String>(1)?),
                    target: json(&row.get::<_, String>(2)?)?,
                    lane: Lane::from_number(row.get(3)?),
                    what: json(&row.get::<_, String>(4)?)?,
                })
            })
        };
        let (spoken, bad) = self.readers.read(read).await?;
        if !bad.is_empty() {
            for (action, error) in &bad {
                tracing::error!(action, error, "a stored announcement cannot be read; it is dropped");
            }
            let forget = move |tx: &mut Tx<'_>| {
                bad.iter().try_for_each(|(action, _)| {
                    tx.run("DELETE FROM unrendered WHERE action = ?1", [action]).map(|_| ())
                })
            };
            self.writer.write(forget).await?;
        }
        Ok(spoken)
    }

    async fn rendered(&self, action: i64, calls: Vec<Rendered>) -> Result<Vec<OutboxRow>> {
        self.writer.write(move |tx| rendered(tx, action, &calls)).await
    }

    async fn sendable(&self, after: i64, limit: usize) -> Result<Vec<OutboxRow>> {
        const SQL: &str = select_outbox!(
            "WHERE o.seq IN (SELECT seq FROM outbox INDEXED BY outbox_open WHERE state < 2 AND seq > ?1
                             AND (state = 0 OR NOT EXISTS (SELECT 1 FROM leases WHERE token = outbox.claim AND until > ?3))
                             ORDER BY seq LIMIT ?2)
             ORDER BY o.seq"
        );
        loop {
            let now = self.clock.now();
            let read = move |conn: &_| {
                rows::all(conn, SQL, params![after, limit_of(limit), now.0], |row| rows::outbox(row, now))
            };
            let (found, bad) = self.readers.read(read).await?;
            if bad.is_empty() {
                return Ok(found);
            }
            for (seq, error) in &bad {
                tracing::error!(seq, error, "a stored call cannot be read; it is set aside as dead");
            }
            self.writer
                .write(move |tx| bad.iter().try_for_each(|(seq, error)| work::bury_row(tx, *seq, "poisoned", error)))
                .await?;
        }
    }

    async fn foreign_rows(&self, limit: usize) -> Result<Vec<OutboxRow>> {
        if !self.exclusive {
            return Ok(Vec::new());
        }
        let seen = self.seen_rows.load(Ordering::Acquire);
        let (found, now_seen) = self
            .writer
            .write(move |tx| {
                const SQL: &str = select_outbox!("WHERE o.seq = ?1 AND o.state < 2");
                let (seqs, now_seen) = nudges::nudged(tx, seen, Nudge::Row, limit)?;
                let mut found = Vec::with_capacity(seqs.len());
                for seq in seqs {
                    found.extend(tx.first(SQL, [seq], |row| rows::outbox(row, tx.now))?);
                }
                Ok((found, now_seen))
            })
            .await?;
        self.seen_rows.store(now_seen, Ordering::Release);
        Ok(found)
    }

    async fn claim_send(&self, seq: i64, claim: ClaimToken) -> Result<bool> {
        self.writer
            .write(move |tx| match claim_row(tx, seq, claim)? {
                Claimed::Yes => Ok(true),
                Claimed::No => Ok(false),
                Claimed::LeaseLost => Err(StoreError::LeaseLost),
            })
            .await
    }

    async fn finish_send(
        &self,
        seq: i64,
        claim: ClaimToken,
        result: SendResult,
        next: Option<i64>,
    ) -> Result<SendFinished> {
        self.writer.write(move |tx| sends::finish(tx, seq, claim, &result, next)).await
    }
}

fn enqueue(
    tx: &mut Tx<'_>,
    announcement: &Announcement,
    bodies: &[String],
    target: &str,
    delivery: Delivery,
) -> Result<bool> {
    let channel = tx.name(announcement.channel.as_str())?;
    let known = "SELECT 1 FROM announced WHERE channel = ?1 AND key = ?2";
    if tx.exists(known, params![channel, announcement.dedupe_key])? {
        return Ok(false);
    }
    let contact = only_contact(tx, channel, &announcement.target)?;
    let gone = match delivery {
        Delivery::Push | Delivery::Both => gone::why(tx, channel, &announcement.target.key)?,
        Delivery::Pull => None,
    };
    let mut last = None;
    for (action, body) in announcement.actions.iter().zip(bodies) {
        let n = record_action(tx, channel, contact, None, action, body)?;
        last = Some(n);
        if let Some(error) = &gone {
            gone::refuse_spoken(tx, channel, n, (&announcement.target, target), announcement.lane, error)?;
        } else if delivery != Delivery::Pull {
            tx.run(
                "INSERT INTO unrendered (action, channel, target, lane) VALUES (?1, ?2, ?3, ?4)",
                params![n, channel, target, announcement.lane.as_number()],
            )?;
        }
    }
    tx.run(
        "INSERT INTO announced (channel, key, at, action) VALUES (?1, ?2, ?3, ?4)",
        params![channel, announcement.dedupe_key, tx.now.0, last],
    )?;
    Ok(true)
}

/// The contact whose address a target is, if it is one contact's alone.
fn only_contact(tx: &Tx<'_>, channel: i64, target: &Target) -> Result<Option<ContactId>> {
    const SQL: &str = "SELECT min(id), count(*) FROM contacts WHERE channel = ?1 AND target_key = ?2";
    let found = tx
        .first(SQL, params![channel, &*target.key], |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, i64>(1)?)))?;
    Ok(match found {
        Some((Some(id), 1)) => Some(ContactId(id)),
        _ => None,
    })
}

fn rendered(tx: &Tx<'_>, action: i64, calls: &[Rendered]) -> Result<Vec<OutboxRow>> {
    const WAITING: &str =
        "SELECT u.channel, ch.name, u.target, u.lane FROM unrendered u JOIN names ch ON ch.id = u.channel
                           WHERE u.action = ?1";
    const OPEN: &str = select_outbox!(
        "WHERE o.seq IN (SELECT seq FROM outbox INDEXED BY outbox_open WHERE state < 2 AND action = ?1) ORDER BY o.seq"
    );
    let waiting = tx.first(WAITING, [action], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, Lane::from_number(row.get(3)?)))
    })?;
    let Some((channel, name, target_json, lane)) = waiting else {
        // Rendered before: what of it is still to be sent.
        let (open, _) = rows::all(tx.conn, OPEN, [action], |row| rows::outbox(row, tx.now))?;
        return Ok(open);
    };
    let target: Target = json(&target_json)?;
    let channel_name = ChannelId::new(name);
    let place =
        Place { channel, channel_name: &channel_name, turn: None, target: &target, target_json: &target_json, lane };
    tx.run("DELETE FROM unrendered WHERE action = ?1", [action])?;
    (0_u16..).zip(calls).map(|(part, call)| insert_row(tx, &place, action, (part, calls.len()), call, None)).collect()
}
