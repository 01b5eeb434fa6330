//! A chat, or an address in it, that goes on elsewhere, with everything that belongs to it.

use std::sync::Arc;

use rusqlite::params;

use crate::contract::store::Result;
use crate::model::outbound::Target;
use crate::model::{Contact, ContactKey};
use crate::stores::sqlite::gone;
use crate::stores::sqlite::rows;
use crate::stores::sqlite::tx::Tx;

/// The chat `from` of a channel goes on as `to`: contacts, open turns, rows and what is not rendered yet follow. Answers with
/// the contacts as they now stand. A second time there is nothing left to move.
pub(super) fn migrate(tx: &Tx<'_>, channel: i64, from: &str, to: &Target) -> Result<Vec<Arc<Contact>>> {
    let target = rows::to_json(to)?;
    // There is news from both.
    gone::forget(tx, channel, from)?;
    gone::forget(tx, channel, &to.key)?;
    const CONTACTS: &str = "SELECT id, key FROM contacts WHERE channel = ?1 AND target_key = ?2";
    let (contacts, _) = rows::all(tx.conn, CONTACTS, params![channel, from], |row| {
        Ok((row.get::<_, i64>(0)?, ContactKey::from_stored(&row.get::<_, String>(1)?)))
    })?;
    let mut left = Vec::new();
    for (id, key) in &contacts {
        tx.run("UPDATE contacts SET target_key = ?2, target = ?3 WHERE id = ?1", params![id, &*to.key, target])?;
        if let Some(moved) = key.moved(from, &to.key) {
            left.extend(rename(tx, channel, *id, key, &moved)?);
        }
    }
    // By the turn's own target: a contact may have been seen elsewhere since.
    tx.run(
        "UPDATE turns INDEXED BY turns_open SET target = ?3
         WHERE state < 2 AND channel = ?1 AND target ->> '$.key' = ?2",
        params![channel, from, target],
    )?;
    tx.run(
        "UPDATE unrendered SET target = ?3 WHERE channel = ?1 AND target ->> '$.key' = ?2",
        params![channel, from, target],
    )?;
    tx.run(
        "UPDATE outbox INDEXED BY outbox_open SET target_key = ?3, target = ?4
         WHERE channel = ?1 AND target_key = ?2 AND state < 2",
        params![channel, from, &*to.key, target],
    )?;
    all(tx, contacts.into_iter().map(|(id, _)| id).chain(left))
}

/// One address of a chat (a topic, say) is refused, and `to` is where its part goes on, in the same chat: whatever has that
/// address follows, and what has another one stays. Answers with the contacts as they now stand.
pub(super) fn readdress(tx: &Tx<'_>, channel: i64, seq: i64, to: &Target) -> Result<Vec<Arc<Contact>>> {
    let target = rows::to_json(to)?;
    const REFUSED: &str = "SELECT target ->> '$.address' FROM outbox WHERE seq = ?1";
    let refused: Option<String> = tx.first(REFUSED, [seq], |row| Ok(row.get::<_, Option<String>>(0)?))?.flatten();
    const CONTACTS: &str =
        "SELECT id FROM contacts WHERE channel = ?1 AND target_key = ?2 AND target ->> '$.address' IS ?3";
    let (contacts, _) =
        rows::all(tx.conn, CONTACTS, params![channel, &*to.key, refused], |row| Ok(row.get::<_, i64>(0)?))?;
    const MOVES: [&str; 4] = [
        "UPDATE contacts SET target = ?4 WHERE channel = ?1 AND target_key = ?2 AND target ->> '$.address' IS ?3",
        "UPDATE turns INDEXED BY turns_open SET target = ?4
         WHERE state < 2 AND channel = ?1 AND target ->> '$.key' = ?2 AND target ->> '$.address' IS ?3",
        "UPDATE unrendered SET target = ?4
         WHERE channel = ?1 AND target ->> '$.key' = ?2 AND target ->> '$.address' IS ?3",
        "UPDATE outbox INDEXED BY outbox_open SET target = ?4
         WHERE channel = ?1 AND target_key = ?2 AND state < 2 AND target ->> '$.address' IS ?3",
    ];
    for sql in MOVES {
        tx.run(sql, params![channel, &*to.key, refused, target])?;
    }
    all(tx, contacts)
}

fn all(tx: &Tx<'_>, contacts: impl IntoIterator<Item = i64>) -> Result<Vec<Arc<Contact>>> {
    let mut moved = Vec::new();
    for id in contacts {
        moved.extend(rows::contact_by_id(tx.conn, id)?);
    }
    Ok(moved)
}

/// Gives a contact its key in the new chat. One that the new chat has made already keeps it if anything was said there; else
/// it was only seen (the bot's own arrival in the new chat may be told before the move), and changes places with the one
/// that comes.
fn rename(tx: &Tx<'_>, channel: i64, id: i64, key: &ContactKey, moved: &ContactKey) -> Result<Option<i64>> {
    const RENAME: &str = "UPDATE OR IGNORE contacts SET key = ?2 WHERE id = ?1";
    if tx.run(RENAME, params![id, moved.as_str()])? > 0 {
        return Ok(None);
    }
    const SILENT: &str = "SELECT c.id FROM contacts c WHERE c.channel = ?1 AND c.key = ?2 AND c.id <> ?3
        AND NOT EXISTS (SELECT 1 FROM journal j JOIN asks a ON a.turn = j.turn WHERE j.contact = c.id AND j.kind < 2)
        AND NOT EXISTS (SELECT 1 FROM journal j WHERE j.contact = c.id AND j.kind < 2
                        AND j.body ->> '$.kind' IN ('message', 'edit', 'command', 'interaction'))";
    let silent = tx.first(SILENT, params![channel, moved.as_str(), id], |row| Ok(row.get::<_, i64>(0)?))?;
    if let Some(other) = silent {
        // No two may have one key, not even in between.
        tx.run(RENAME, params![other, format!("moving|{}", key.as_str())])?;
        tx.run(RENAME, params![id, moved.as_str()])?;
        tx.run(RENAME, params![other, key.as_str()])?;
    }
    Ok(silent)
}
