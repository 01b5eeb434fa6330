//! How callers, people and requests are named. Only this file reads and writes the strings.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use uuid::Uuid;

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

/// Answers are read, not sent: the target only names the contact.
pub(super) fn target(contact: &ContactKey) -> Target {
    Target { key: Arc::from(contact.as_str()), ..Target::default() }
}

#[cfg(test)]
mod tests {
    use super::{belongs, event_key, sender};
    use crate::model::{ContactKey, Scope};

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
}
