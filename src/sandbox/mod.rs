//! A server that speaks the conversation part of the CaiGunn API: for demos, tests, load, and work without an account.
//!
//! It shares no code with the client in `src/caigunn`, so that it is a real check of it. It is strict in
//! methods, headers, form parts and formats; where the API's documents leave something open it takes every reading.
//!
//! | what is wrong | answer |
//! | --- | --- |
//! | access token missing, unknown or expired; refresh refused | 401 |
//! | api key missing | 401 |
//! | api key unknown or revoked | 403 |
//! | uid, body, form part, query value or image not as documented | 400 |
//! | path, method | 404, 405 |
//!
//! An accepted `talk` or `vision` is processed to its end even when the client has gone, as a real server would: what
//! a killed client never read is in `messages`. Times: an entry carries the moment its answer was ready.

mod answer;
mod asks;
mod control;
mod fault;
mod handle;
mod history;
mod log;
mod options;
mod picture;
mod reads;
mod run;
mod state;
mod times;
mod tokens;
mod wire;

pub use fault::{Fault, Scripted};
pub use handle::{Sandbox, SandboxHandle};
pub use history::{Entry, EntryKind};
pub use log::{Call, LogEntry, LogOutcome};
pub use options::{SandboxBot, SandboxOptions, SettingsPatch};
