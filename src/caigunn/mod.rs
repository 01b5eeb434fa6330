//! The typed client of the CaiGunn API; knows nothing of the bridge.
//!
//! [`HttpClient`] is the pool, shared by all. An [`Account`] owns one access token and renews it, once for all its
//! bots. A [`Bot`] is one chatbot's key: it asks and reads the history. Every failure is an [`Error`] that carries its
//! [`RetryClass`].
//!
//! In flow order: `bot` (arguments → call) → `call` (the ask, and once more after a 401) → `ask` (one request with one
//! token) → `headers`, `body` and `http` (onto the wire and back) → `wire` (what the answers look like) or `error`.
//! The token: `inner` holds it for all calls, `refresh` renews it, `account` is the outside of both.

mod account;
mod ask;
mod body;
mod bot;
mod call;
mod error;
mod headers;
mod http;
mod inner;
mod refresh;
mod time;
mod wire;

pub use account::Account;
pub use bot::{Bot, ImagePart, MessagesFilter, Page, UidsFilter};
pub use error::{DETAIL_CHARS, Error, ErrorKind, RETRY_AFTER_CAP, RetryClass};
pub use http::{ClientOptions, HttpClient};
pub use inner::{AccountState, KeepError, KeptToken, TokenKeep, TokenVersion};
pub use time::server_time;
pub use wire::{Answer, HistoryEntry, UidEntry};
