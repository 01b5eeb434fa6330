//! How callers, people and requests are named. Only this file reads and writes the strings.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::contract::store::OutboxRow;
use crate::model::hex::hex;
use crate::model::{ContactKey, EventKey, Sender, Target};

/// The person (and conversation) that a request is about: under one API key, so that equal names under two keys are two
/// people.
pub(super) fn sender(key: &str, user: &str, conversation: Option<&str>) -> Sender {
    Sender {
        tenant: Some(key.to_owned()),
        chat: conversation.map(str::to_owned),
        user: Some(user.to_owned()),
        ..Sender::default()
    }
}

/// Whether a contact belongs to an API key. Names of keys hold none of the characters that are escaped in a contact's key.
pub(super) fn belongs(contact: &ContactKey, key: &str) -> bool {
    contact
        .as_str()
        .strip_prefix("t:")
        .and_then(|rest| rest.strip_prefix(key))
        .is_some_and(|rest| rest.starts_with('|'))
}

/// The event key of a request: the caller's Idempotency-Key, within its API key, or within the user and conversation of its
/// session; or one that never repeats.
pub(super) fn event_key(key: &str, session: Option<(&str, Option<&str>)>, idempotency_key: Option<&str>) -> EventKey {
    let Some(given) = idempotency_key else {
        return EventKey::new(format!("r:{}", Uuid::now_v7().as_simple()));
    };
    match session {
        None => EventKey::new(format!("i:{key}:{given}")),
        Some((user, conversation)) => {
            // Hashed: names may hold anything, and no name may be made to look like another one's key.
            let mut hash = Sha256::new();
            for part in [Some(key), Some(user), conversation] {
                let part = part.unwrap_or_default();
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
            hash.update([u8::from(conversation.is_some())]);
            EventKey::new(format!("s:{}:{given}", hex(&hash.finalize()[..16])))
        }
    }
}

/// The key of something said first, within its API key.
pub(super) fn announcement_key(channel: &str, key: &str, dedupe_key: Option<&str>) -> String {
    match dedupe_key {
        Some(given) => format!("http:{channel}:{key}:{given}"),
        None => format!("http:{channel}:{key}|{}", Uuid::now_v7().as_simple()),
    }
}

/// Who a target is, in the caller's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The API key.
    pub(super) key: String,
    pub(super) user: Option<String>,
    pub(super) conversation: Option<String>,
}

/// Reads a target; `None` for one that is none of this channel's.
pub(super) fn named(target: &Target) -> Option<Named> {
    let part = |label: &str| {
        let parts = target.key.split('|').filter_map(|part| part.split_once(':'));
        // As `ContactKey` escapes them: the escape sign itself comes last.
        parts.into_iter().find(|(name, _)| *name == label).map(|(_, part)| part.replace("%7C", "|").replace("%25", "%"))
    };
    Some(Named { key: part("t")?, user: part("u"), conversation: part("c") })
}

/// What the callbacks of an API key are held back by when its receiver asks for a rest.
pub(super) fn callback_scope(key: &str) -> String {
    format!("callback:{key}")
}

/// The same for every attempt of a row, another one for every other row, of another store too: the time of saying is in the
/// payload.
pub(super) fn webhook_id(row: &OutboxRow) -> String {
    let parts = format!("{}\n{}\n{}", row.channel, row.seq, row.payload);
    format!("msg_{}", hex(&Sha256::digest(parts)[..16]))
}

/// What a receiver that wants no more is remembered under.
pub(super) fn stopped(channel: &str, key: &str, url: &str) -> String {
    format!("{channel}:{key}:{}", hex(&Sha256::digest(url)[..16]))
}

/// Who reads an answer asks for it, and a callback is found by its API key: the target only names the contact.
pub(super) fn target(contact: &ContactKey) -> Target {
    Target { key: Arc::from(contact.as_str()), ..Target::default() }
}

#[cfg(test)]
mod tests {
    use super::{Named, belongs, event_key, named, sender, target};
    use crate::model::{ContactKey, Scope, Target};

    #[test]
    fn a_key_owns_its_people_only() {
        let contact = ContactKey::new(Scope::UserInChat, &sender("shop", "alice", None));
        assert!(belongs(&contact, "shop"));
        for other in ["", "sho", "shop2", "alice"] {
            assert!(!belongs(&contact, other), "{other}");
        }
    }

    #[test]
    fn an_idempotency_key_counts_within_its_caller() {
        let keys = [
            event_key("shop", None, Some("1")),
            event_key("desk", None, Some("1")),
            event_key("shop", Some(("a", None)), Some("1")),
            event_key("shop", Some(("b", None)), Some("1")),
            event_key("shop", Some(("a", Some(""))), Some("1")),
            event_key("shop", Some(("a", Some("b"))), Some("1")),
            event_key("shop", Some(("ab", Some(""))), Some("1")),
            event_key("shop", None, None),
            event_key("shop", None, None),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().map(|key| key.as_str()).collect();
        assert_eq!(distinct.len(), keys.len());
        assert_eq!(keys[2], event_key("shop", Some(("a", None)), Some("1")));
    }

    #[test]
    fn a_target_says_who_it_is() {
        for user in ["alice", "a|u:bob", "100 %", "%7C|%25", "a:b", "小明"] {
            for conversation in [None, Some("c|1"), Some("")] {
                let contact = ContactKey::new(Scope::UserInChat, &sender("shop", user, conversation));
                let (user, conversation) = (Some(user.to_owned()), conversation.map(str::to_owned));
                let who = Named { key: "shop".into(), user, conversation };
                assert_eq!(named(&target(&contact)), Some(who));
            }
        }
        assert_eq!(named(&Target::of("c:1|u:2")), None);
    }
}
