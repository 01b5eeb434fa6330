//! From a request to an event. Pure.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::channels::http::ids;
use crate::http::Problem;
use crate::model::hex::hex;
use crate::model::inbound::{InboundEvent, MediaKind, MediaPlace, MediaRef};
use crate::model::{ContactKey, EventKey, Incoming, Lang, MediaId, Message, Sender};

/// A message as the caller wrote it, whatever the form of the body.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// None: the session's.
    pub(super) user: Option<String>,
    pub(super) text: String,
    pub(super) nickname: Option<String>,
    pub(super) conversation: Option<String>,
    pub(super) lang: Option<String>,
    pub(super) images: Vec<Picture>,
}

#[derive(Debug)]
pub(super) struct Picture {
    pub(super) name: Option<String>,
    pub(super) source: Source,
}

/// The picture itself, or where it is.
#[derive(Debug)]
pub(super) enum Source {
    Bytes(bytes::Bytes),
    Url(String),
}

/// The longest user, conversation and nickname, in characters, as a schema counts them.
const MAX_NAME: usize = 256;

pub(super) struct Bounds {
    pub(super) max_text: usize,
    pub(super) max_images: usize,
}

impl Request {
    fn user(&self) -> &str {
        self.user.as_deref().unwrap_or_default()
    }

    /// Checks what the form of the body does not.
    pub(super) fn check(&self, bounds: &Bounds) -> Result<(), Problem> {
        let Some(user) = &self.user else { return Err(Problem::invalid("`user` is missing")) };
        name("user", user)?;
        self.conversation.as_deref().map_or(Ok(()), |conversation| name("conversation", conversation))?;
        self.nickname.as_deref().map_or(Ok(()), nickname)?;
        let length = self.text.chars().count();
        if length > bounds.max_text {
            return Err(Problem::invalid(format!("`text` has {length} characters; the limit is {}", bounds.max_text)));
        }
        if self.images.len() > bounds.max_images {
            return Err(Problem::invalid(format!(
                "`images` has {} entries; the limit is {}",
                self.images.len(),
                bounds.max_images
            )));
        }
        if self.text.trim().is_empty() && self.images.is_empty() {
            return Err(Problem::invalid("there is neither `text` nor an image"));
        }
        Ok(())
    }

    /// Over what was read, not over the bytes of the body: the same message in another form is the same message.
    pub(super) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        let optional = [self.nickname.as_deref(), self.conversation.as_deref(), self.lang.as_deref()];
        add(self.user().as_bytes());
        add(self.text.as_bytes());
        for part in optional {
            add(&[u8::from(part.is_some())]);
            add(part.unwrap_or_default().as_bytes());
        }
        for image in &self.images {
            match &image.source {
                Source::Bytes(bytes) => {
                    add(b"data");
                    add(bytes);
                }
                Source::Url(url) => {
                    add(b"url");
                    add(url.as_bytes());
                }
            }
        }
        let digest: [u8; 32] = hash.finalize().into();
        hex(&digest[..16])
    }

    pub(super) fn sender(&self, key: &str) -> Sender {
        let nickname =
            self.nickname.as_deref().map(str::trim).filter(|nickname| !nickname.is_empty()).map(str::to_owned);
        let lang = self.lang.as_deref().and_then(Lang::from_tag);
        Sender { nickname, lang, ..ids::sender(key, self.user(), self.conversation.as_deref()) }
    }
}

/// Checks a name that becomes part of a contact's key.
pub(super) fn name(field: &str, value: &str) -> Result<(), Problem> {
    if value.trim().is_empty() {
        return Err(Problem::invalid(format!("`{field}` is empty")));
    }
    if value.chars().count() > MAX_NAME {
        return Err(Problem::invalid(format!("`{field}` is longer than {MAX_NAME} characters")));
    }
    if value.chars().any(char::is_control) {
        return Err(Problem::invalid(format!("`{field}` holds a control character")));
    }
    Ok(())
}

/// Checks what a person is called.
pub(super) fn nickname(nickname: &str) -> Result<(), Problem> {
    if nickname.chars().count() > MAX_NAME {
        return Err(Problem::invalid(format!("`nickname` is longer than {MAX_NAME} characters")));
    }
    Ok(())
}

/// A message with what was sent of its pictures already in the store.
pub(super) fn message(
    request: Request,
    sender: Sender,
    contact: &ContactKey,
    key: EventKey,
    stored: Vec<Option<MediaId>>,
    note: Option<String>,
) -> Incoming {
    let media = request
        .images
        .into_iter()
        .zip(stored)
        .map(|(image, id)| {
            let (place, bytes) = match (image.source, id) {
                (Source::Bytes(bytes), Some(id)) => (MediaPlace::Stored(id), Some(bytes.len() as u64)),
                (Source::Bytes(_), None) => (MediaPlace::Absent, None),
                (Source::Url(url), _) => (MediaPlace::Remote(url), None),
            };
            MediaRef { kind: MediaKind::Image, place, bytes, name: image.name }
        })
        .collect();
    let message = Message { text: request.text, media, ..Message::default() };
    event(InboundEvent::Message(message), sender, contact, key, note)
}

pub(super) fn event(
    event: InboundEvent,
    sender: Sender,
    contact: &ContactKey,
    key: EventKey,
    note: Option<String>,
) -> Incoming {
    Incoming {
        key,
        group: None,
        not_before: Duration::ZERO,
        sender,
        target: ids::target(contact),
        addressed: true,
        event,
        note,
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Picture, Request, Source};

    fn request(user: &str, text: &str) -> Request {
        Request { user: Some(user.into()), text: text.into(), ..Request::default() }
    }

    #[test]
    fn the_fingerprint_covers_every_field() {
        let with = |change: fn(&mut Request)| {
            let mut request = request("alice", "hi");
            change(&mut request);
            request.fingerprint()
        };
        let all = [
            with(|_| ()),
            with(|request| request.user = Some("bob".into())),
            with(|request| request.text = "ho".into()),
            with(|request| request.nickname = Some(String::new())),
            with(|request| request.conversation = Some("c".into())),
            with(|request| request.lang = Some("c".into())),
            with(|request| request.images.push(Picture { name: None, source: Source::Bytes("x".into()) })),
            with(|request| request.images.push(Picture { name: None, source: Source::Url("x".into()) })),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(all[0], with(|_| ()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let bounds = Bounds { max_text: 3, max_images: 0 };
        let detail = |request: &Request| request.check(&bounds).unwrap_err().detail.unwrap();
        assert_eq!(detail(&request("", "hi")), "`user` is empty");
        assert_eq!(detail(&request("a\nb", "hi")), "`user` holds a control character");
        assert_eq!(detail(&request("a", "小明你好")), "`text` has 4 characters; the limit is 3");
        assert_eq!(detail(&request("a", " ")), "there is neither `text` nor an image");
        let mut many = request("a", "hi");
        many.images.push(Picture { name: None, source: Source::Bytes("x".into()) });
        assert_eq!(detail(&many), "`images` has 1 entries; the limit is 0");
        assert!(request("a", "小明你").check(&bounds).is_ok());
    }
}
