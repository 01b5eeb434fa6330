//! Who is talking: the contact, its key, its scope.
//!
//! A contact is also the conversation: asks of one contact run one at a time, in arrival order (see ADR 0002).

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outbound::Target;
use crate::model::texts::Lang;

/// The store's number of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContactId(pub i64);

/// Who shares one conversation with the chatbot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One conversation per person, wherever they write.
    #[default]
    User,
    /// One conversation per chat, shared by everybody in it.
    Chat,
    /// One conversation per thread or topic.
    Thread,
    /// One conversation per person in each chat.
    UserInChat,
}

/// The parts of an address that a platform gives with an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// Whose users these are, where one channel serves several parties (the name of an HTTP API key).
    pub tenant: Option<String>,
    pub chat: Option<String>,
    pub thread: Option<String>,
    pub user: Option<String>,
    /// The server that the chat is in (Discord's guild). It tells who is let in, and is no part of a conversation.
    pub guild: Option<String>,
    /// The person's roles in that server; as `guild`.
    pub roles: Vec<String>,
    /// The platform's display name of the person.
    pub nickname: Option<String>,
    /// The chat's own name. It takes the nickname's place where a chat or a thread is one conversation.
    pub title: Option<String>,
    /// The language that the platform reports, if any.
    pub lang: Option<Lang>,
}

impl Sender {
    /// What CaiGunn is told as the nickname: the name of whoever shares the conversation.
    pub fn called(&self, scope: Scope) -> Option<&str> {
        let title = self.title.as_deref().filter(|_| matches!(scope, Scope::Chat | Scope::Thread));
        title.or(self.nickname.as_deref())
    }
}

/// A contact's key within its channel: the parts that the scope takes from the [`Sender`], written injectively.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContactKey(Arc<str>);

impl ContactKey {
    pub fn new(scope: Scope, sender: &Sender) -> Self {
        let mut key = String::with_capacity(32);
        for (label, part) in parts(scope, sender) {
            push_part(&mut key, label, part);
        }
        Self(key.into())
    }

    /// The key after the chat `from` went on as the chat `to`; `None` if the key does not name that chat.
    pub fn moved(&self, from: &str, to: &str) -> Option<Self> {
        let (mut old, mut new) = (String::new(), String::new());
        push_part(&mut old, 'c', from);
        push_part(&mut new, 'c', to);
        let mut found = false;
        let parts: Vec<&str> = self
            .0
            .split('|')
            .map(|part| {
                if part == old {
                    found = true;
                    new.as_str()
                } else {
                    part
                }
            })
            .collect();
        found.then(|| Self(parts.join("|").into()))
    }

    pub fn from_stored(key: &str) -> Self {
        Self(key.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn push_part(key: &mut String, label: char, part: &str) {
    if !key.is_empty() {
        key.push('|');
    }
    key.push(label);
    key.push(':');
    // Only the separator and the escape sign need escaping for the key to be injective.
    for c in part.chars() {
        match c {
            '%' => key.push_str("%25"),
            '|' => key.push_str("%7C"),
            c => key.push(c),
        }
    }
}

impl fmt::Display for ContactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The labelled parts that make up a contact under a scope, in a fixed order: `t`enant, `c`hat, t`h`read, `u`ser.
pub(crate) fn parts(scope: Scope, sender: &Sender) -> impl Iterator<Item = (char, &str)> {
    let chat = !matches!(scope, Scope::User);
    let thread = matches!(scope, Scope::Thread);
    // Who is in no chat shares one with nobody: left to the tenant alone, all of them would be one contact and read each other.
    let user = matches!(scope, Scope::User | Scope::UserInChat) || sender.chat.is_none();
    [
        ('t', sender.tenant.as_deref()),
        ('c', sender.chat.as_deref().filter(|_| chat)),
        ('h', sender.thread.as_deref().filter(|_| thread)),
        ('u', sender.user.as_deref().filter(|_| user)),
    ]
    .into_iter()
    .filter_map(|(label, part)| part.map(|part| (label, part)))
}

/// Who answers a contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Bot,
    /// A person has taken over: messages are recorded and not asked.
    Human,
    /// Nobody answers.
    Muted,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bot => "bot",
            Self::Human => "human",
            Self::Muted => "muted",
        }
    }

    /// Reads what `as_str` wrote; anything else is [`Mode::Bot`].
    pub fn from_stored(text: &str) -> Self {
        match text {
            "human" => Self::Human,
            "muted" => Self::Muted,
            _ => Self::Bot,
        }
    }
}

/// A person (or a chat, by the channel's scope) on one channel, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    pub id: ContactId,
    pub key: ContactKey,
    /// The uid of the first generation, as made when the contact was first seen; it does not change with the template.
    pub base_uid: Arc<str>,
    /// How often the contact has started over (`/reset`).
    pub generation: u32,
    pub nickname: Option<Arc<str>>,
    /// The language the contact chose (`/lang`), else the one that the platform reported.
    pub lang: Option<Lang>,
    pub mode: Mode,
    /// The last address at which the contact could be reached.
    pub target: Target,
    /// The notice the contact was last given and has not been answered since: a second one of the same kind stays unsaid.
    pub noticed: Option<Arc<str>>,
}

#[cfg(test)]
mod tests {
    use super::{ContactKey, Scope, Sender};

    fn sender(tenant: Option<&str>, chat: Option<&str>, user: Option<&str>) -> Sender {
        let own = |part: Option<&str>| part.map(str::to_owned);
        Sender { tenant: own(tenant), chat: own(chat), user: own(user), ..Sender::default() }
    }

    #[test]
    fn the_scope_chooses_the_parts() {
        let who = Sender { thread: Some("7".into()), ..sender(None, Some("-100"), Some("42")) };
        let key = |scope| ContactKey::new(scope, &who).to_string();
        assert_eq!(key(Scope::User), "u:42");
        assert_eq!(key(Scope::Chat), "c:-100");
        assert_eq!(key(Scope::Thread), "c:-100|h:7");
        assert_eq!(key(Scope::UserInChat), "c:-100|u:42");
    }

    #[test]
    fn people_outside_any_chat_share_nothing() {
        for scope in [Scope::User, Scope::Chat, Scope::Thread, Scope::UserInChat] {
            let key = |user| ContactKey::new(scope, &sender(Some("t"), None, Some(user)));
            assert_eq!(key("1").to_string(), "t:t|u:1");
            assert_ne!(key("1"), key("2"));
        }
    }

    #[test]
    fn a_shared_conversation_is_called_after_its_chat() {
        let named = |title: Option<&str>| Sender {
            nickname: Some("Ann".into()),
            title: title.map(str::to_owned),
            ..Sender::default()
        };
        for scope in [Scope::Chat, Scope::Thread] {
            assert_eq!(named(Some("Family")).called(scope), Some("Family"));
            assert_eq!(named(None).called(scope), Some("Ann"), "a chat of one person has no title");
        }
        for scope in [Scope::User, Scope::UserInChat] {
            assert_eq!(named(Some("Family")).called(scope), Some("Ann"));
        }
    }

    #[test]
    fn a_chat_that_moves_takes_its_contacts_along() {
        let key = |chat: &str| ContactKey::new(Scope::UserInChat, &sender(Some("t"), Some(chat), Some("42")));
        assert_eq!(key("-1").moved("-1", "-100|1"), Some(key("-100|1")));
        assert_eq!(key("-1").moved("42", "-100"), None, "the user is not the chat");
    }

    #[test]
    fn separators_in_a_part_cannot_forge_another_contact() {
        let forged = ContactKey::new(Scope::UserInChat, &sender(Some("a|c:x"), None, Some("u")));
        let real = ContactKey::new(Scope::UserInChat, &sender(Some("a"), Some("x"), Some("u")));
        assert_ne!(forged, real);
        let percent = ContactKey::new(Scope::User, &sender(None, None, Some("a%7Cb")));
        let bar = ContactKey::new(Scope::User, &sender(None, None, Some("a|b")));
        assert_ne!(percent, bar);
    }
}
