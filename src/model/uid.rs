//! From a contact to the `uid` that CaiGunn sees.
//!
//! CaiGunn documents neither the alphabet nor the length of a uid, so the bridge stays within `[A-Za-z0-9._-]` and 64
//! characters. What does not fit, or could be mistaken for something else, is hashed.

use std::fmt::Write as _;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::model::contact::{Contact, Scope, Sender, parts};
use crate::model::hex::hex;
use crate::model::secret::Secret;

/// The longest uid the bridge makes, in characters.
pub const MAX_UID: usize = 64;

/// Room for `.g<generation>` after the base uid.
const MAX_BASE: usize = MAX_UID - 8;

/// Every hashed uid starts with this, and no readable one does.
const HASHED: &str = "h-";

const DEFAULT_TEMPLATE: &str = "{channel}-{user}";

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Channel,
    Bot,
    /// A part of the sender by its label in [`parts`].
    Part(char),
}

/// A parsed `uid_template`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UidTemplate(Vec<Piece>);

impl Default for UidTemplate {
    fn default() -> Self {
        Self(vec![Piece::Channel, Piece::Literal("-".into()), Piece::Part('u')])
    }
}

impl UidTemplate {
    /// The template when the configuration names none.
    pub const DEFAULT: &str = DEFAULT_TEMPLATE;

    /// Parses a template. The error says what is wrong, for a person.
    pub fn parse(template: &str) -> Result<Self, String> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut rest = template;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('{') {
                let Some((name, tail)) = after.split_once('}') else {
                    return Err("a `{` has no `}`".into());
                };
                let piece = match name {
                    "channel" => Piece::Channel,
                    "bot" => Piece::Bot,
                    "tenant" => Piece::Part('t'),
                    "chat" => Piece::Part('c'),
                    "thread" => Piece::Part('h'),
                    "user" => Piece::Part('u'),
                    other => {
                        return Err(format!(
                            "`{{{other}}}` is not a placeholder; there are {{channel}}, {{bot}}, {{tenant}}, {{chat}}, {{thread}} and {{user}}"
                        ));
                    }
                };
                let apart = match pieces.last() {
                    None => true,
                    // Text before the first placeholder separates nothing.
                    Some(Piece::Literal(_)) if pieces.len() == 1 => true,
                    Some(Piece::Literal(text)) => text.contains('-'),
                    Some(_) => false,
                };
                if !apart {
                    return Err("two placeholders need a `-` between them, or two people could share one uid".into());
                }
                pieces.push(piece);
                rest = tail;
            } else {
                let end = rest.find('{').unwrap_or(rest.len());
                let (literal, tail) = rest.split_at(end);
                if let Some(bad) = literal.chars().find(|c| !allowed(*c)) {
                    return Err(format!("`{bad}` is not allowed in a uid; use letters, digits, `.`, `_` and `-`"));
                }
                pieces.push(Piece::Literal(literal.to_owned()));
                rest = tail;
            }
        }
        if !pieces.contains(&Piece::Channel) {
            return Err("`{channel}` is missing: without it people on two channels could share one uid".into());
        }
        Ok(Self(pieces))
    }

    /// The uid of a contact's first generation. Injective over channel and the parts that `scope` takes from `sender`: a
    /// part that the template does not name is appended, and whatever is not plain letters, digits, `.` or `_` is hashed.
    pub fn render(&self, channel: &str, bot: &str, scope: Scope, sender: &Sender, key: Option<&Secret>) -> Arc<str> {
        let wanted: Vec<(char, &str)> = parts(scope, sender).collect();
        if let Some(key) = key {
            return hashed(channel, &wanted, Some(key)).into();
        }
        let part = |label: char| wanted.iter().find(|(l, _)| *l == label).map(|(_, part)| *part);
        let mut uid = String::with_capacity(32);
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => uid.push_str(text),
                Piece::Channel => uid.push_str(channel),
                Piece::Bot => uid.push_str(bot),
                Piece::Part(label) => uid.push_str(part(*label).unwrap_or_default()),
            }
        }
        for (label, part) in &wanted {
            if !self.0.contains(&Piece::Part(*label)) {
                // The label tells an appended chat from an appended tenant; a plain part holds no `-`.
                let _ = write!(uid, "-{label}-{part}");
            }
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
        let readable = wanted.iter().all(|(_, part)| !part.is_empty() && part.chars().all(plain))
            && bot.chars().all(plain)
            && uid.len() <= MAX_BASE
            && !uid.starts_with(HASHED);
        if readable { uid.into() } else { hashed(channel, &wanted, None).into() }
    }
}

impl Contact {
    /// The uid that CaiGunn sees in the contact's present generation.
    pub fn uid(&self) -> Arc<str> {
        of_generation(&self.base_uid, self.generation)
    }
}

/// The uid of a later generation (`/reset`). `.g` plus a number cannot come from a readable base of another contact,
/// because generations are only appended after a `-`-free marker that [`render`](UidTemplate::render) never ends with.
fn of_generation(base: &Arc<str>, generation: u32) -> Arc<str> {
    if generation == 0 { Arc::clone(base) } else { format!("{base}-.g{generation}").into() }
}

/// The base of a later generation's uid.
pub(crate) fn base(uid: &str) -> Option<&str> {
    uid.rsplit_once("-.g").map(|(base, _)| base)
}

/// The uid of a contact whose rendered one belongs to another contact already, which only a changed template can cause.
pub(crate) fn instead(channel: &str, contact: &str) -> Arc<str> {
    // The label occurs nowhere else, so no hash of a sender's parts has the same input.
    hashed(channel, &[('k', contact)], None).into()
}

fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// `h-` and 40 hexadecimal digits over the length-prefixed parts: keyed when the operator set a key.
fn hashed(channel: &str, parts: &[(char, &str)], key: Option<&Secret>) -> String {
    let mut input = Vec::with_capacity(64);
    let mut add = |label: char, part: &str| {
        input.extend_from_slice(label.encode_utf8(&mut [0; 4]).as_bytes());
        input.extend_from_slice(&(part.len() as u64).to_be_bytes());
        input.extend_from_slice(part.as_bytes());
    };
    add('n', channel);
    for (label, part) in parts {
        add(*label, part);
    }
    let digest: [u8; 32] = match key.map(|key| Hmac::<Sha256>::new_from_slice(key.expose().as_bytes())) {
        Some(Ok(mut mac)) => {
            mac.update(&input);
            mac.finalize().into_bytes().into()
        }
        // HMAC takes a key of any length, so the error arm is the unkeyed one.
        Some(Err(_)) | None => Sha256::digest(&input).into(),
    };
    format!("{HASHED}{}", hex(&digest[..20]))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::{MAX_UID, UidTemplate, allowed, of_generation};
    use crate::model::contact::{ContactKey, Scope, Sender};
    use crate::model::secret::Secret;

    fn sender(tenant: Option<&str>, chat: Option<&str>, user: &str) -> Sender {
        let own = |part: Option<&str>| part.map(str::to_owned);
        Sender { tenant: own(tenant), chat: own(chat), user: Some(user.into()), ..Sender::default() }
    }

    fn uid(template: &str, who: &Sender) -> String {
        let template = UidTemplate::parse(template).unwrap();
        template.render("web", "main", Scope::UserInChat, who, None).to_string()
    }

    #[test]
    fn plain_names_stay_readable() {
        assert_eq!(uid(UidTemplate::DEFAULT, &sender(None, None, "42")), "web-42");
        assert_eq!(uid("{channel}-{tenant}-{user}", &sender(Some("shop"), None, "42")), "web-shop-42");
        assert_eq!(uid(UidTemplate::DEFAULT, &sender(Some("shop"), Some("c1"), "42")), "web-42-t-shop-c-c1");
    }

    #[test]
    fn what_does_not_fit_is_hashed() {
        for user in ["a-b", "小明", "", "a b", &"x".repeat(60)] {
            let uid = uid(UidTemplate::DEFAULT, &sender(None, None, user));
            assert!(uid.starts_with("h-") && uid.len() == 42, "{user}: {uid}");
        }
    }

    #[test]
    fn a_key_hides_every_uid_and_changes_it() {
        let template = UidTemplate::default();
        let who = sender(None, None, "42");
        let with = |key: &str| template.render("web", "main", Scope::User, &who, Some(&Secret::new(key)));
        assert!(with("one").starts_with("h-"));
        assert_ne!(with("one"), with("two"));
        assert_eq!(with("one"), with("one"));
    }

    #[test]
    fn a_bad_template_says_why() {
        for (template, why) in [
            ("{channel}{user}", "need a `-`"),
            ("{channel}_{user}", "need a `-`"),
            ("{user}", "`{channel}` is missing"),
            ("{channel}-{name}", "not a placeholder"),
            ("{channel", "no `}`"),
            ("{channel}-é-{user}", "not allowed"),
        ] {
            let error = UidTemplate::parse(template).unwrap_err();
            assert!(error.contains(why), "{template}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_two_contacts_share_a_uid(
            people in proptest::collection::vec(
                (proptest::option::of("[ab.|%小-]{0,3}"), proptest::option::of("[ab.-]{0,3}"), "[abg.1-]{0,4}", 0u32..3), 2..20),
            template in prop_oneof![
                Just("{channel}-{user}"), Just("{channel}-{tenant}-{user}"), Just("x.{channel}-c-{chat}"),
                Just("{channel}-{chat}-{user}"), Just("{channel}")]
        ) {
            let template = UidTemplate::parse(template).unwrap();
            let mut seen: HashMap<String, (ContactKey, u32)> = HashMap::new();
            for (tenant, chat, user, generation) in people {
                let who = sender(tenant.as_deref(), chat.as_deref(), &user);
                let key = ContactKey::new(Scope::UserInChat, &who);
                let uid = of_generation(&template.render("web", "main", Scope::UserInChat, &who, None), generation).to_string();
                prop_assert!(uid.len() <= MAX_UID && uid.chars().all(allowed), "{}", uid);
                let owner = seen.entry(uid.clone()).or_insert_with(|| (key.clone(), generation));
                prop_assert_eq!(&*owner, &(key, generation), "{}", uid);
            }
        }
    }
}
