//! Contacts: found, seen again, moved.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::params;

use crate::contract::store::{Contacts, NewEvent, Result, StoreError};
use crate::model::{ChannelId, Contact, ContactId, ContactKey, Mode, uid};
use crate::stores::sqlite::SqliteStore;
use crate::stores::sqlite::gone;
use crate::stores::sqlite::rows::{self, contact_columns};
use crate::stores::sqlite::tx::{Tx, first};

const BY_KEY: &str = concat!("SELECT ", contact_columns!(), " FROM contacts c WHERE c.channel = ?1 AND c.key = ?2");

pub(super) fn find(tx: &Tx<'_>, channel: i64, key: &ContactKey) -> Result<Option<Contact>> {
    tx.first(BY_KEY, params![channel, key.as_str()], rows::contact)
}

/// The contact as the event shows it: created, or with what has changed. `target` is the event's, as stored.
pub(super) fn see(
    tx: &Tx<'_>,
    channel: i64,
    known: Option<Contact>,
    event: &NewEvent,
    target: &str,
) -> Result<Contact> {
    let (sender, to) = (&event.incoming.sender, &event.incoming.target);
    gone::heard_from(tx, channel, &event.incoming)?;
    let Some(mut contact) = known else { return create(tx, channel, event, target) };
    let renamed = sender.nickname.is_some() && sender.nickname.as_deref() != contact.nickname.as_deref();
    let speaks = contact.lang.is_none() && sender.lang.is_some();
    if !renamed && !speaks && contact.target == *to {
        return Ok(contact);
    }
    if renamed {
        contact.nickname = sender.nickname.as_deref().map(Into::into);
    }
    if speaks {
        contact.lang = sender.lang;
    }
    contact.target = to.clone();
    tx.run(
        "UPDATE contacts SET nickname = ?2, lang = ?3, target_key = ?4, target = ?5, seen_at = ?6 WHERE id = ?1",
        params![contact.id.0, contact.nickname, contact.lang.map(|lang| lang.tag()), &*to.key, target, tx.now.0],
    )?;
    Ok(contact)
}

fn create(tx: &Tx<'_>, channel: i64, event: &NewEvent, target: &str) -> Result<Contact> {
    let (sender, to) = (&event.incoming.sender, &event.incoming.target);
    let taken = tx.exists("SELECT 1 FROM contacts WHERE base_uid = ?1", [&*event.uid])?;
    let base_uid =
        if taken { uid::instead(event.channel.as_str(), event.contact.as_str()) } else { Arc::clone(&event.uid) };
    let nickname: Option<Arc<str>> = sender.nickname.as_deref().map(Into::into);
    let id = tx.insert(
        "INSERT INTO contacts (channel, key, base_uid, nickname, lang, target_key, target, seen_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            channel,
            event.contact.as_str(),
            base_uid,
            nickname,
            sender.lang.map(|lang| lang.tag()),
            &*to.key,
            target,
            tx.now.0
        ],
    )?;
    Ok(Contact {
        id: ContactId(id),
        key: event.contact.clone(),
        base_uid,
        generation: 0,
        nickname,
        lang: sender.lang,
        mode: Mode::default(),
        target: to.clone(),
        noticed: None,
    })
}

#[async_trait]
impl Contacts for SqliteStore {
    async fn contact(&self, id: ContactId) -> Result<Option<Arc<Contact>>> {
        self.readers.read(move |conn| rows::contact_by_id(conn, id.0)).await
    }

    async fn contact_by_key(&self, channel: &ChannelId, key: &ContactKey) -> Result<Option<Arc<Contact>>> {
        const SQL: &str = concat!(
            "SELECT ",
            contact_columns!(),
            " FROM contacts c WHERE c.channel = (SELECT id FROM names WHERE name = ?1) AND c.key = ?2"
        );
        let (channel, key) = (channel.clone(), key.clone());
        let read = move |conn: &_| first(conn, SQL, params![channel.as_str(), key.as_str()], rows::contact);
        Ok(self.readers.read(read).await?.map(Arc::new))
    }

    async fn contact_by_uid(&self, uid: &str) -> Result<Option<(ChannelId, Arc<Contact>)>> {
        const SQL: &str = concat!(
            "SELECT ",
            contact_columns!(),
            ", ch.name AS channel_name FROM contacts c JOIN names ch ON ch.id = c.channel WHERE c.base_uid = ?1"
        );
        let uid = uid.to_owned();
        let read = move |conn: &_| {
            let of_base = |base: &str| {
                first(conn, SQL, params![base], |row| Ok((row.get::<_, String>("channel_name")?, rows::contact(row)?)))
            };
            if let Some(found) = of_base(&uid)? {
                return Ok(Some(found));
            }
            let Some(base) = uid::base(&uid) else { return Ok(None) };
            Ok(of_base(base)?.filter(|(_, contact)| *contact.uid() == *uid))
        };
        let found = self.readers.read(read).await?;
        Ok(found.map(|(channel, contact)| (ChannelId::new(channel), Arc::new(contact))))
    }

    async fn set_mode(&self, id: ContactId, mode: Mode) -> Result<Arc<Contact>> {
        self.writer
            .write(move |tx| {
                tx.run("UPDATE contacts SET mode = ?2 WHERE id = ?1", params![id.0, mode.as_str()])?;
                rows::contact_by_id(tx.conn, id.0)?.ok_or(StoreError::NotFound("such contact"))
            })
            .await
    }
}
