//! How callers, people and requests are named. Only this file reads and writes the strings.

use std::sync::Arc;

use uuid::Uuid;

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

/// The event key of a request: the caller's Idempotency-Key, within its API key; or one that never repeats.
pub(super) fn event_key(key: &str, idempotency_key: Option<&str>) -> EventKey {
    match idempotency_key {
        Some(given) => EventKey::new(format!("i:{key}:{given}")),
        None => EventKey::new(format!("r:{}", Uuid::now_v7().as_simple())),
    }
}

/// Answers are read, not sent: the target only names the contact.
pub(super) fn target(contact: &ContactKey) -> Target {
    Target { key: Arc::from(contact.as_str()), ..Target::default() }
}

#[cfg(test)]
mod tests {
    use super::{belongs, sender};
    use crate::model::{ContactKey, Scope};

    #[test]
    fn a_key_owns_its_people_only() {
        let contact = ContactKey::new(Scope::UserInChat, &sender("shop", "alice", None));
        assert!(belongs(&contact, "shop"));
        for other in ["", "sho", "shop2", "alice"] {
            assert!(!belongs(&contact, other), "{other}");
        }
    }
}
