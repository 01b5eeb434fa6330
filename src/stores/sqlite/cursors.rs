//! How far each source was heard.

use rusqlite::Connection;

use crate::contract::store::Result;
use crate::stores::sqlite::tx::{Tx, first};

pub(super) fn keep(tx: &Tx<'_>, cursors: &[(String, String)]) -> Result<()> {
    for (source, cursor) in cursors {
        tx.run("INSERT OR REPLACE INTO cursors (source, cursor) VALUES (?1, ?2)", [source, cursor])?;
    }
    Ok(())
}

pub(super) fn of(conn: &Connection, source: &str) -> Result<Option<String>> {
    first(conn, "SELECT cursor FROM cursors WHERE source = ?1", [source], |row| Ok(row.get(0)?))
}

/// The sources of a prefix with their cursors. Sources are kept in the order of their bytes: those of a prefix stand
/// together, from the first that is not below it.
pub(super) fn beginning(conn: &Connection, prefix: &str) -> Result<Vec<(String, String)>> {
    let mut statement = conn.prepare_cached("SELECT source, cursor FROM cursors WHERE source >= ?1 ORDER BY source")?;
    let mut rows = statement.query([prefix])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let source: String = row.get(0)?;
        if !source.starts_with(prefix) {
            break;
        }
        found.push((source, row.get(1)?));
    }
    Ok(found)
}

pub(super) fn forget(tx: &Tx<'_>, sources: &[String]) -> Result<()> {
    for source in sources {
        tx.run("DELETE FROM cursors WHERE source = ?1", [source])?;
    }
    Ok(())
}
