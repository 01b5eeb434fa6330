//! The pager platform, made up for the tests: a real server on a port of its own, strict in what it takes, that keeps a log
//! of what it was asked in the order in which it happened, and fails as it is told.

mod limits;
mod wire;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post, put};
use caigunn_bridge::http::{ServerLimits, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(super) const TOKEN: &str = "pager-token-0123456789";

/// What goes wrong with a call of `/send`.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// 429 against `chat` or `bot`.
    RateLimited { scope: &'static str, ms: u64 },
    /// A status with an error's name; not sent.
    Refuse(u16, &'static str),
    /// The chat goes on elsewhere.
    Moved(&'static str),
    /// A TCP reset; not sent.
    Reset,
    /// Sent, then a TCP reset instead of the answer.
    SentThenReset,
    /// Not answered until the client goes; not sent.
    Hang,
    /// Sent, and not answered until the client goes.
    SentThenHang,
    /// Sent after so many milliseconds.
    Slow(u64),
    /// Sent, and the chat is to be left alone for so many milliseconds.
    Rest(u64),
}

struct Scripted {
    fault: Fault,
    chat: Option<String>,
    text: Option<String>,
    /// 0: for ever.
    times: u32,
}

/// One message that a chat has got.
#[derive(Clone, Debug)]
pub(super) struct Delivered {
    pub(super) chat: String,
    pub(super) text: String,
    pub(super) stars: bool,
    pub(super) reply_to: Option<String>,
    /// Came through a reply token.
    pub(super) by_reply: bool,
}

/// One call of `/send`, whatever came of it.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) chat: String,
    pub(super) at: Instant,
}

#[derive(Default)]
struct Inner {
    token: String,
    down: bool,
    /// Polls are held for ever.
    mute: bool,
    /// Somebody else polls.
    rival: bool,
    updates: Vec<Value>,
    acknowledged: u64,
    delivered: Vec<Delivered>,
    attempts: Vec<Attempt>,
    script: Vec<Scripted>,
    /// Chats by reply token; `None` = it does not work any more.
    replies: HashMap<String, Option<String>>,
    nonces: HashMap<String, String>,
    dedupes: bool,
    files: HashMap<String, Bytes>,
    /// So many links to come expire before they are used.
    expiring: u32,
    downloads: Vec<String>,
    typing: Vec<(String, Instant)>,
    /// How often the list of commands was set, and how many more times that fails.
    commands: u32,
    commands_fail: u32,
    messages: u64,
    /// Chats that a call is open for.
    open: HashSet<String>,
    overlaps: u64,
    limits: limits::Limits,
}

struct Shared {
    inner: Mutex<Inner>,
    changed: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

/// The running platform. Dropped, it stops.
pub(super) struct Platform {
    shared: Arc<Shared>,
    url: String,
    _stop: DropGuard,
}

impl Platform {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Inner { token: TOKEN.to_owned(), ..Inner::default() };
        let shared = Arc::new(Shared { inner: Mutex::new(inner), changed: Notify::new() });
        let app = Router::new()
            .route("/me", get(wire::me))
            .route("/updates", get(wire::updates))
            .route("/send", post(wire::send))
            .route("/typing", post(wire::typing))
            .route("/commands", put(wire::commands))
            .route("/files/{file}", get(wire::link))
            .route("/download/{link}", get(wire::download))
            .with_state(Arc::clone(&shared));
        let stop = CancellationToken::new();
        let limits = ServerLimits { grace: Duration::from_millis(50), ..ServerLimits::default() };
        tokio::spawn(serve(listener, app, limits, stop.clone()));
        Self { shared, url, _stop: stop.drop_guard() }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared.lock()
    }

    /// Something happens: the fields of an update beside its number. The person is called as the user is.
    pub(super) fn happens(&self, user: &str, mut update: Value) {
        let mut inner = self.lock();
        let fields = update.as_object_mut().unwrap();
        fields.insert("id".into(), (inner.updates.len() + 1).into());
        fields.entry("from").or_insert(json!({ "id": user, "name": user }));
        fields.entry("chat").or_insert(user.into());
        inner.updates.push(update);
        drop(inner);
        self.shared.changed.notify_waiters();
    }

    /// A message of a user in their own chat, which has the user's name. Answers the platform's name of it.
    pub(super) fn says(&self, user: &str, text: &str) -> String {
        self.says_with(user, json!({ "text": text }))
    }

    /// The same with more fields.
    pub(super) fn says_with(&self, user: &str, mut fields: Value) -> String {
        let message = {
            let mut inner = self.lock();
            inner.messages += 1;
            format!("m{}", inner.messages)
        };
        fields["type"] = "message".into();
        fields["message"] = message.clone().into();
        self.happens(user, fields);
        message
    }

    /// Everything that happened happens again, under new numbers, as after a restore from a backup.
    pub(super) fn repeats_itself(&self) {
        let again: Vec<Value> = self.lock().updates.clone();
        for update in again {
            self.happens("", update);
        }
    }

    /// The next calls of `/send` to a chat (all for `None`) fail, `times` of them; 0 = for ever.
    pub(super) fn fails(&self, fault: Fault, chat: Option<&str>, times: u32) {
        self.fails_on(fault, chat, None, times);
    }

    /// The same for texts that contain a part.
    pub(super) fn fails_on(&self, fault: Fault, chat: Option<&str>, text: Option<&str>, times: u32) {
        let own = |part: Option<&str>| part.map(str::to_owned);
        self.lock().script.push(Scripted { fault, chat: own(chat), text: own(text), times });
    }

    pub(super) fn heals(&self) {
        self.lock().script.clear();
    }

    /// From now on the token is another one.
    pub(super) fn set_token(&self, token: &str) {
        self.lock().token = token.to_owned();
        self.shared.changed.notify_waiters();
    }

    /// Answers 503 to everything.
    pub(super) fn set_down(&self, down: bool) {
        self.lock().down = down;
        self.shared.changed.notify_waiters();
    }

    /// Answers no poll any more, however long it was to be held.
    pub(super) fn set_mute(&self, mute: bool) {
        self.lock().mute = mute;
        self.shared.changed.notify_waiters();
    }

    /// Somebody else polls for the bot.
    pub(super) fn set_rival(&self, rival: bool) {
        self.lock().rival = rival;
        self.shared.changed.notify_waiters();
    }

    /// Knows a repeated send by its nonce.
    pub(super) fn dedupes(&self) {
        self.lock().dedupes = true;
    }

    /// A token under which a chat can be answered, or that does not work (any more).
    pub(super) fn reply_token(&self, token: &str, chat: Option<&str>) {
        self.lock().replies.insert(token.to_owned(), chat.map(str::to_owned));
    }

    pub(super) fn keeps_file(&self, name: &str, bytes: impl Into<Bytes>) {
        self.lock().files.insert(name.to_owned(), bytes.into());
    }

    pub(super) fn links_expire(&self, times: u32) {
        self.lock().expiring = times;
    }

    /// The files for which links were asked, in order.
    pub(super) fn downloads(&self) -> Vec<String> {
        self.lock().downloads.clone()
    }

    /// Updates up to this number will not be sent again.
    pub(super) fn acknowledged(&self) -> u64 {
        self.lock().acknowledged
    }

    /// The number of the last update.
    pub(super) fn happened(&self) -> u64 {
        self.lock().updates.len() as u64
    }

    pub(super) fn delivered(&self) -> Vec<Delivered> {
        self.lock().delivered.clone()
    }

    /// What a chat has got, in order.
    pub(super) fn texts(&self, chat: &str) -> Vec<String> {
        self.lock().delivered.iter().filter(|got| got.chat == chat).map(|got| got.text.clone()).collect()
    }

    pub(super) fn attempts(&self, chat: &str) -> Vec<Attempt> {
        self.lock().attempts.iter().filter(|call| call.chat == chat).cloned().collect()
    }

    /// How often a call came for a chat for which another one was open.
    pub(super) fn overlaps(&self) -> u64 {
        self.lock().overlaps
    }

    /// From now on calls are counted against these rates (as in the pager's configuration), strictly.
    pub(super) fn limit(&self, rates: &str) {
        self.lock().limits.set(rates);
    }

    /// Calls that came too early.
    pub(super) fn violations(&self) -> Vec<String> {
        self.lock().limits.violations().to_vec()
    }

    /// How often the list of commands was set.
    pub(super) fn commands(&self) -> u32 {
        self.lock().commands
    }

    /// The list of commands cannot be set this many times.
    pub(super) fn fail_commands(&self, times: u32) {
        self.lock().commands_fail = times;
    }

    /// When "typing" was signalled to a chat.
    pub(super) fn typing(&self, chat: &str) -> Vec<Instant> {
        self.lock().typing.iter().filter(|(to, _)| to == chat).map(|(_, at)| *at).collect()
    }
}
