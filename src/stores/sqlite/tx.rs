//! What a change works with: the open transaction, and what it tells this process after the commit.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, Params, Row};

use crate::contract::store::Result;
use crate::model::turn::TurnView;
use crate::model::{ChannelId, ContactId, Timestamp, TurnId};

/// Told to this process once the change is on disk.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    Opened(TurnId),
    Ended(Arc<TurnView>),
    /// The contact's journal has grown up to this number.
    Said(ContactId, i64),
    /// So many turns and calls have ended because their target is gone.
    Gone {
        channel: ChannelId,
        turns: usize,
        calls: usize,
    },
}

/// What a change works with: the open transaction.
pub(super) struct Tx<'a> {
    pub(super) conn: &'a Connection,
    pub(super) now: Timestamp,
    /// Whether this is the daemon; what others change is left as a nudge for it.
    pub(super) exclusive: bool,
    pub(super) names: &'a mut HashMap<String, i64>,
    pub(super) effects: &'a mut Vec<Effect>,
}

impl Tx<'_> {
    pub(super) fn run(&self, sql: &str, params: impl Params) -> Result<usize> {
        Ok(self.conn.prepare_cached(sql)?.execute(params)?)
    }

    /// Inserts a row and answers its number.
    pub(super) fn insert(&self, sql: &str, params: impl Params) -> Result<i64> {
        Ok(self.conn.prepare_cached(sql)?.insert(params)?)
    }

    pub(super) fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        first(self.conn, sql, params, read)
    }

    pub(super) fn exists(&self, sql: &str, params: impl Params) -> Result<bool> {
        Ok(self.conn.prepare_cached(sql)?.exists(params)?)
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// The number of a channel's or bot's name.
    pub(super) fn name(&mut self, name: &str) -> Result<i64> {
        if let Some(id) = self.names.get(name) {
            return Ok(*id);
        }
        let known = self.first("SELECT id FROM names WHERE name = ?1", [name], |row| Ok(row.get(0)?))?;
        let id = match known {
            Some(id) => id,
            None => self.insert("INSERT INTO names (name) VALUES (?1)", [name])?,
        };
        self.names.insert(name.to_owned(), id);
        Ok(id)
    }
}

pub(super) fn first<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    match rows.next()? {
        Some(row) => read(row).map(Some),
        None => Ok(None),
    }
}
