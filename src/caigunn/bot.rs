//! A chatbot: ask it, look into its history.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use reqwest::{Method, Url};
use serde::Serialize;

use super::account::Account;
use super::ask::Call;
use super::body::{Multipart, Payload};
use super::error::Error;
use super::headers::{plain_header, secret_header};
use super::wire::{self, Answer, HistoryEntry, UidEntry};
use crate::model::Secret;

/// An image to ask about.
#[derive(Debug, Clone)]
pub struct ImagePart {
    pub bytes: Bytes,
    /// With the ending of its format: `.png .jpg .jpeg .gif .tiff .tif`.
    pub file_name: String,
    /// `image/png` …
    pub content_type: String,
}

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    pub offset: u64,
    pub limit: u64,
}

impl Default for Page {
    fn default() -> Self {
        Self { offset: 0, limit: 30 }
    }
}

/// Bounds of [`Bot::messages`]; the server's zone and whether they are inclusive are not documented.
#[derive(Debug, Clone, Default)]
pub struct MessagesFilter {
    pub start_at: Option<String>,
    pub end_at: Option<String>,
    pub nickname: Option<String>,
}

/// Bounds of [`Bot::uids`] on `last_sent_at`, inclusive.
#[derive(Debug, Clone, Default)]
pub struct UidsFilter {
    pub start_at: Option<String>,
    pub end_at: Option<String>,
}

/// One chatbot of an account, known by its API key. Cheap to clone.
#[derive(Clone)]
pub struct Bot {
    account: Arc<Account>,
    key: HeaderValue,
    urls: Arc<Urls>,
}

struct Urls {
    talk: Url,
    vision: Url,
    messages: Url,
    uids: Url,
}

#[derive(Serialize)]
struct Talk<'a> {
    text: &'a str,
}

impl std::fmt::Debug for Bot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bot").field("account", &self.account).finish_non_exhaustive()
    }
}

impl Bot {
    /// # Errors
    /// [`InvalidInput`](super::ErrorKind::InvalidInput) when the key is empty or cannot stand in a header: told here, at
    /// the start, so that no message has to fail for it.
    pub fn new(account: Arc<Account>, api_key: Secret) -> Result<Self, Error> {
        let key = secret_header("bot", "API key", &api_key)?;
        let urls = Urls {
            talk: account.endpoint("chatbot/talk"),
            vision: account.endpoint("chatbot/vision"),
            messages: account.endpoint("chatbot/messages"),
            uids: account.endpoint("chatbot/uids"),
        };
        Ok(Self { account, key, urls: Arc::new(urls) })
    }

    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Asks with a text. An answer without words is an `Answer` with an empty text.
    ///
    /// # Errors
    /// With every [`RetryClass`](super::RetryClass); on `Ambiguous` the bot may have heard it.
    pub async fn talk(&self, uid: &str, nickname: Option<&str>, text: &str) -> Result<Answer, Error> {
        const NAME: &str = "talk";
        let json = serde_json::to_vec(&Talk { text }).unwrap_or_default();
        self.ask(NAME, self.urls.talk.clone(), uid, nickname, Payload::json(json)).await
    }

    /// Asks with an image and a text, which may be empty. The image is sent from the memory it lies in.
    ///
    /// # Errors
    /// As [`talk`](Self::talk).
    pub async fn vision(
        &self,
        uid: &str,
        nickname: Option<&str>,
        text: &str,
        image: ImagePart,
    ) -> Result<Answer, Error> {
        let ImagePart { bytes, file_name, content_type } = image;
        let payload = Multipart::new().text("text", text).file("image", &file_name, &content_type, bytes).build();
        self.ask("vision", self.urls.vision.clone(), uid, nickname, payload).await
    }

    /// What was said in one conversation. Which side `receive` and `send` are, and the order, are not documented.
    ///
    /// # Errors
    /// May be repeated unless `Final`.
    pub async fn messages(&self, uid: &str, page: Page, filter: MessagesFilter) -> Result<Vec<HistoryEntry>, Error> {
        const NAME: &str = "messages";
        let mut url = self.urls.messages.clone();
        let MessagesFilter { start_at, end_at, nickname } = &filter;
        list(&mut url, page, &[("start_at", start_at), ("end_at", end_at), ("nickname", nickname)]);
        let body = self.get(NAME, url, Some(plain_header(NAME, "uid", uid)?)).await?;
        wire::messages(&body).map_err(|what| self.account.inner.unreadable(NAME, what))
    }

    /// Who has talked with the bot.
    ///
    /// # Errors
    /// May be repeated unless `Final`.
    pub async fn uids(&self, page: Page, filter: UidsFilter) -> Result<Vec<UidEntry>, Error> {
        const NAME: &str = "uids";
        let mut url = self.urls.uids.clone();
        list(&mut url, page, &[("start_at", &filter.start_at), ("end_at", &filter.end_at)]);
        let body = self.get(NAME, url, None).await?;
        wire::uids(&body).map_err(|what| self.account.inner.unreadable(NAME, what))
    }

    async fn ask(
        &self,
        name: &'static str,
        mut url: Url,
        uid: &str,
        nickname: Option<&str>,
        payload: Payload,
    ) -> Result<Answer, Error> {
        if let Some(nickname) = nickname.filter(|nickname| !nickname.is_empty()) {
            append(&mut url, "nickname", nickname);
        }
        let uid = Some(plain_header(name, "uid", uid)?);
        let call = Call { name, method: Method::POST, url, key: Some(&self.key), uid, payload: Some(payload) };
        let body = self.account.call(&call).await?;
        wire::answer(&body).map_err(|what| self.account.inner.unreadable(name, what))
    }

    async fn get(&self, name: &'static str, url: Url, uid: Option<HeaderValue>) -> Result<Bytes, Error> {
        let call = Call { name, method: Method::GET, url, key: Some(&self.key), uid, payload: None };
        self.account.call(&call).await
    }
}

fn list(url: &mut Url, page: Page, filter: &[(&str, &Option<String>)]) {
    append(url, "offset", &page.offset.to_string());
    append(url, "limit", &page.limit.to_string());
    for (name, value) in filter {
        if let Some(value) = value {
            append(url, name, value);
        }
    }
}

/// Adds a pair to the query. A space goes as `%20`, which every server reads alike, not as the `+` of forms (a `+` of the
/// value is `%2B`, so each `+` left is a space).
fn append(url: &mut Url, name: &str, value: &str) {
    url.query_pairs_mut().append_pair(name, value);
    if let Some(query) = url.query().filter(|query| query.contains('+')) {
        let query = query.replace('+', "%20");
        url.set_query(Some(&query));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nickname_survives_the_query() {
        for nickname in ["王小明", "🦀 crab", "a&b=c+d#e?f%20", "\"quoted\" <x>", "é/\\:;\u{0}\n"] {
            let mut url = Url::parse("http://x/talk").unwrap();
            append(&mut url, "nickname", nickname);
            append(&mut url, "limit", "1");
            assert!(!url.as_str().contains([' ', '+', '#']), "{url}");
            let pairs: Vec<_> = url.query_pairs().collect();
            assert_eq!(pairs[0].1, nickname);
            assert_eq!(pairs[1].1, "1");
        }
    }
}
