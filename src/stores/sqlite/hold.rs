//! Who may change a turn: its claimant, or any claimant with a living lease while nobody has it and its place in the
//! conversation has come.

use rusqlite::params;

use crate::contract::store::{AskResult, ClaimToken, Result, StoreError};
use crate::model::turn::TurnState;
use crate::model::{ChannelId, ContactId, Timestamp, TurnId};
use crate::stores::sqlite::rows::ask_columns;
use crate::stores::sqlite::tx::Tx;

/// How a turn stands towards a claimant.
pub(super) struct Hold {
    pub(super) seq: i64,
    pub(super) id: TurnId,
    pub(super) channel: i64,
    pub(super) channel_name: ChannelId,
    pub(super) contact: ContactId,
    pub(super) target: String,
    pub(super) version: u32,
    pub(super) received_at: Timestamp,
    /// Retries by an operator.
    pub(super) retries: i64,
    pub(super) ended: bool,
    /// Claimed by this claimant.
    pub(super) mine: bool,
    /// Claimed by somebody else whose lease lives.
    pub(super) others: bool,
    /// An earlier turn of the contact is open, or another one is being worked on.
    pub(super) blocked: bool,
    /// The claimant's lease has not been given up or taken over. (It may be overdue: as long as nobody took it, what it
    /// has claimed is still its own.)
    pub(super) leased: bool,
    /// The lease is not overdue: only then may it claim more.
    pub(super) lives: bool,
}

pub(super) fn hold(tx: &Tx<'_>, seq: i64, claim: ClaimToken) -> Result<Option<Hold>> {
    const SQL: &str = "
        SELECT t.id, t.channel, ch.name, t.contact, t.target, t.version, t.received_at, t.retries, t.state,
               t.state = 1 AND t.claim = ?2,
               t.state = 1 AND t.claim <> ?2 AND EXISTS (SELECT 1 FROM leases l WHERE l.token = t.claim AND l.until > ?3),
               EXISTS (SELECT 1 FROM turns e INDEXED BY turns_open
                       WHERE e.contact = t.contact AND e.state < 2 AND e.seq <> t.seq
                         AND (e.seq < t.seq OR (e.state = 1 AND EXISTS
                              (SELECT 1 FROM leases l WHERE l.token = e.claim AND l.until > ?3)))),
               (SELECT until FROM leases WHERE token = ?2)
        FROM turns t JOIN names ch ON ch.id = t.channel WHERE t.seq = ?1";
    tx.first(SQL, params![seq, claim.0, tx.now.0], |row| {
        let until: Option<i64> = row.get(12)?;
        Ok(Hold {
            seq,
            id: TurnId::from_bytes(row.get(0)?),
            channel: row.get(1)?,
            channel_name: ChannelId::new(row.get::<_, String>(2)?),
            contact: ContactId(row.get(3)?),
            target: row.get(4)?,
            version: row.get(5)?,
            received_at: Timestamp(row.get(6)?),
            retries: row.get(7)?,
            ended: TurnState::from_number(row.get(8)?).has_ended(),
            mine: row.get(9)?,
            others: row.get(10)?,
            blocked: row.get(11)?,
            leased: until.is_some(),
            lives: until.is_some_and(|until| until > tx.now.0),
        })
    })
}

/// The turn, if the claimant may change it now.
pub(super) fn owned(tx: &Tx<'_>, seq: i64, claim: ClaimToken) -> Result<Hold> {
    let hold = hold(tx, seq, claim)?.ok_or(StoreError::LeaseLost)?;
    let may = if hold.mine { hold.leased } else { !hold.ended && !hold.others && !hold.blocked && hold.lives };
    if may { Ok(hold) } else { Err(StoreError::LeaseLost) }
}

/// Records how a call ended. What failed before it was begun has no row yet: it gets one that no recovery counts.
pub(super) fn record_ask(tx: &Tx<'_>, hold: &Hold, result: &AskResult) -> Result<()> {
    let (state, answer, reason) = ask_columns(&result.state);
    let known = tx.run(
        "UPDATE asks SET state = ?3, answer = ?4, reason = ?5 WHERE turn = ?1 AND n = ?2",
        params![hold.seq, result.n, state, answer, reason],
    )?;
    if known == 0 {
        tx.run(
            "INSERT INTO asks (turn, n, contact, uid, digest, asked_at, state, answer, reason)
             VALUES (?1, ?2, ?3, '', zeroblob(16), ?4, ?5, ?6, ?7)",
            params![hold.seq, result.n, hold.contact.0, tx.now.0, state, answer, reason],
        )?;
    }
    Ok(())
}
