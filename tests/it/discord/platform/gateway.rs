//! One connection of the gateway: what comes in, and what that does to it.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};
use tokio_util::sync::CancellationToken;

use super::sessions::{Link, Order, Session, intents};
use super::state::{Heartbeat, Inner, Login, Shared};

/// More is closed with 4002 (<https://discord.com/developers/docs/events/gateway#sending-events>).
const MOST_BYTES: usize = 4096;
/// So many in a minute (<https://discord.com/developers/docs/events/gateway#rate-limiting>).
const MOST_EVENTS: usize = 120;
/// Smaller payloads come as text even to a client that takes compressed ones.
const WORTH_COMPRESSING: usize = 1024;

/// Close codes (<https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes>).
mod closing {
    pub(super) const UNKNOWN_OPCODE: u16 = 4001;
    pub(super) const DECODE_ERROR: u16 = 4002;
    pub(super) const NOT_AUTHENTICATED: u16 = 4003;
    pub(super) const AUTHENTICATION_FAILED: u16 = 4004;
    pub(super) const ALREADY_AUTHENTICATED: u16 = 4005;
    pub(super) const INVALID_SEQ: u16 = 4007;
    pub(super) const RATE_LIMITED: u16 = 4008;
    pub(super) const INVALID_SHARD: u16 = 4010;
    pub(super) const INVALID_INTENTS: u16 = 4013;
    pub(super) const DISALLOWED_INTENTS: u16 = 4014;
}

/// A close frame may say nothing.
pub(super) const NO_CODE: u16 = 0;

pub(super) async fn accept_all(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted.unwrap().0,
        };
        let (shared, stop) = (Arc::clone(&shared), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(stream, &shared) => {}
            }
        });
    }
}

async fn connection(stream: TcpStream, shared: &Shared) {
    let (number, changed) = {
        let mut inner = shared.lock();
        inner.sockets.connections.push(Instant::now());
        if inner.sockets.down {
            return;
        }
        let number = inner.sockets.connections.len() as u64;
        inner.sockets.links.insert(number, Link::default());
        (number, inner.changed.subscribe())
    };
    let mut query = String::new();
    #[expect(clippy::result_large_err, reason = "the library's signature")]
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        query = request.uri().query().unwrap_or_default().to_owned();
        Ok(response)
    };
    if let Ok(socket) = accept_hdr_async(stream, look).await {
        shared.lock().check_query(&query);
        let mut wire = Wire { number, socket, shared, changed, said: 0, came: VecDeque::new() };
        wire.serve().await;
    }
    let mut inner = shared.lock();
    let session = inner.sockets.links.remove(&number).and_then(|link| link.session);
    if let Some(session) = session.and_then(|id| inner.sockets.sessions.get_mut(&id))
        && session.connection == Some(number)
    {
        session.connection = None;
    }
}

/// An open connection.
struct Wire<'a> {
    number: u64,
    socket: WebSocketStream<TcpStream>,
    shared: &'a Shared,
    changed: tokio::sync::watch::Receiver<u64>,
    /// So much of the session's log has been said.
    said: usize,
    came: VecDeque<Instant>,
}

/// What follows from a message.
enum Next {
    On,
    Close(u16),
    Say(Value),
    /// A session is resumed after so many of its events.
    From(usize),
}

impl Wire<'_> {
    async fn serve(&mut self) {
        let interval = self.shared.lock().sockets.heartbeat_interval.as_millis();
        let hello = json!({ "op": 10, "s": null, "t": null, "d": {
            "heartbeat_interval": u64::try_from(interval).unwrap(), "_trace": ["[\"gateway-of-the-tests\"]"],
        } });
        if !self.say(&hello).await {
            return;
        }
        loop {
            if !self.catch_up().await {
                return;
            }
            let came = tokio::select! {
                came = self.socket.next() => came,
                _ = self.changed.changed() => continue,
            };
            let next = match came {
                Some(Ok(Message::Text(text))) => self.shared.lock().came(self.number, &mut self.came, &text),
                Some(Ok(Message::Close(frame))) => {
                    self.shared.lock().left(self.number, frame.as_ref());
                    // The answer to it goes out with the next turn of the socket.
                    let _ = self.socket.flush().await;
                    return;
                }
                Some(Ok(Message::Binary(_))) => Next::Close(closing::DECODE_ERROR),
                Some(Ok(_)) => Next::On,
                Some(Err(_)) | None => return,
            };
            match next {
                Next::On => {}
                Next::Close(code) => return self.close(code).await,
                Next::From(said) => self.said = said,
                Next::Say(value) => {
                    if !self.say(&value).await {
                        return;
                    }
                }
            }
        }
    }

    /// Does what it is ordered to and says what is new; false: the connection has ended.
    async fn catch_up(&mut self) -> bool {
        loop {
            let (order, event) = {
                let mut inner = self.shared.lock();
                let sockets = &mut inner.sockets;
                let Some(link) = sockets.links.get_mut(&self.number) else { return false };
                let session = link.session.as_ref().and_then(|id| sockets.sessions.get(id));
                if session.is_some_and(|session| session.connection != Some(self.number)) {
                    // It was resumed elsewhere.
                    return false;
                }
                let event = session.and_then(|session| session.log.get(self.said)).cloned();
                // What has happened is said before what the test does to the connection afterwards.
                if event.is_some() { (None, event) } else { (link.orders.pop_front(), None) }
            };
            if let Some(event) = event {
                self.said += 1;
                if !self.say(&event).await {
                    return false;
                }
                continue;
            }
            match order {
                None => return true,
                Some(Order::Drop) => return false,
                Some(Order::Close(code)) => {
                    self.close(code).await;
                    return false;
                }
                Some(Order::Say(value)) => {
                    if !self.say(&value).await {
                        return false;
                    }
                }
            }
        }
    }

    async fn say(&mut self, value: &Value) -> bool {
        let text = value.to_string();
        let compress = {
            let inner = self.shared.lock();
            let session = inner.sockets.links.get(&self.number).and_then(|link| link.session.as_ref());
            session.and_then(|id| inner.sockets.sessions.get(id)).is_some_and(|session| session.compress)
        };
        let message = if compress && text.len() >= WORTH_COMPRESSING {
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
            zlib.write_all(text.as_bytes()).unwrap();
            Message::Binary(zlib.finish().unwrap().into())
        } else {
            Message::Text(text.into())
        };
        self.socket.send(message).await.is_ok()
    }

    async fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "as the tests say".into() };
        let _ = self.socket.close(Some(frame).filter(|_| code != NO_CODE)).await;
        // The other side answers the close, and ends.
        let rest = async { while let Some(Ok(_)) = self.socket.next().await {} };
        let _ = tokio::time::timeout(Duration::from_secs(2), rest).await;
    }
}

impl Inner {
    /// The gateway takes it with the prefix of the API, too: so serenity sends it.
    fn is_token(&self, given: &Value) -> bool {
        given.as_str().is_some_and(|given| given.strip_prefix("Bot ").unwrap_or(given) == self.token)
    }

    fn check_query(&mut self, query: &str) {
        let mut version = None;
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match (name, value) {
                ("v", _) => version = Some(value.to_owned()),
                ("encoding", "json") => {}
                _ => self.violation(format!("the gateway was asked for `{name}={value}`")),
            }
        }
        if version.as_deref() != Some("10") {
            self.violation(format!("the gateway was asked for version {version:?}"));
        }
    }

    /// The client says goodbye: with 1000 or 1001 its session is over, with anything else it can be resumed.
    fn left(&mut self, connection: u64, frame: Option<&CloseFrame>) {
        let code = frame.map_or(1005, |frame| frame.code.into());
        let id = self.sockets.links.get(&connection).and_then(|link| link.session.clone());
        if let Some(session) = id.and_then(|id| self.sockets.sessions.get_mut(&id)) {
            session.over |= matches!(code, 1000 | 1001);
        }
    }

    fn came(&mut self, connection: u64, recent: &mut VecDeque<Instant>, text: &str) -> Next {
        let now = Instant::now();
        recent.retain(|at| now.duration_since(*at) < Duration::from_secs(60));
        recent.push_back(now);
        if recent.len() > MOST_EVENTS {
            self.violation("more than 120 messages to the gateway in a minute");
            return Next::Close(closing::RATE_LIMITED);
        }
        if text.len() > MOST_BYTES {
            self.violation(format!("a message of {} bytes to the gateway", text.len()));
            return Next::Close(closing::DECODE_ERROR);
        }
        let Ok(message) = serde_json::from_str::<Value>(text) else { return Next::Close(closing::DECODE_ERROR) };
        let data = message["d"].clone();
        let known = self.sockets.links.get(&connection).is_some_and(|link| link.session.is_some());
        match message["op"].as_u64() {
            Some(1) => self.heartbeat(connection, &data),
            Some(2 | 6) if known => {
                self.violation("a second IDENTIFY or RESUME on one connection");
                Next::Close(closing::ALREADY_AUTHENTICATED)
            }
            Some(2) => self.identify(connection, &data),
            Some(6) => self.resume(connection, &data),
            Some(3 | 4 | 8 | 31) if !known => Next::Close(closing::NOT_AUTHENTICATED),
            Some(op @ (3 | 4 | 8 | 31)) => {
                self.sockets.other.push((op, data));
                Next::On
            }
            _ => {
                self.violation(format!("an unknown opcode: {}", message["op"]));
                Next::Close(closing::UNKNOWN_OPCODE)
            }
        }
    }

    fn heartbeat(&mut self, connection: u64, data: &Value) -> Next {
        let id = self.sockets.links[&connection].session.clone();
        let last = id.and_then(|id| self.sockets.sessions.get(&id)).map_or(0, |session| session.log.len() as u64);
        let seq = data.as_u64();
        if seq.is_some_and(|seq| seq > last) {
            self.violation(format!("a heartbeat of {seq:?}, but {last} was the last"));
        }
        let acknowledged = !self.sockets.withholds_acks;
        self.sockets.heartbeats.push(Heartbeat { connection, seq, acknowledged, at: Instant::now() });
        if acknowledged { Next::Say(json!({ "op": 11, "s": null, "t": null, "d": null })) } else { Next::On }
    }

    fn identify(&mut self, connection: u64, data: &Value) -> Next {
        let pair = |name: &str| (data[name][0].as_u64().unwrap_or(0), data[name][1].as_u64().unwrap_or(1));
        let shard = pair("shard");
        let asked = data["intents"].as_u64();
        let session = format!("{:032x}", self.next_id());
        let login = Login {
            resume: false,
            session: session.clone(),
            shard,
            intents: asked.unwrap_or(0),
            outcome: String::new(),
            at: Instant::now(),
        };
        let (login, sockets) = (login, &self.sockets);
        let closed = if !self.is_token(&data["token"]) {
            Some(closing::AUTHENTICATION_FAILED)
        } else if data["properties"]["os"].as_str().is_none() {
            Some(closing::DECODE_ERROR)
        } else if shard.0 >= shard.1 {
            Some(closing::INVALID_SHARD)
        } else if asked.is_none_or(|asked| asked & !intents::ALL != 0) {
            Some(closing::INVALID_INTENTS)
        } else if asked.is_some_and(|asked| asked & self.forbidden_intents() != 0) {
            Some(closing::DISALLOWED_INTENTS)
        } else {
            None
        };
        if let Some(code) = closed {
            self.sockets.logins.push(Login { outcome: code.to_string(), ..login });
            return Next::Close(code);
        }
        let bucket = shard.0 % sockets.max_concurrency;
        let soon = sockets.starts.get(&bucket).is_some_and(|last| last.elapsed() < Duration::from_secs(5));
        let refused = (sockets.spaced && soon) || sockets.starts_left == 0;
        if refused {
            self.violation("an IDENTIFY beyond the limit of session starts");
            self.sockets.logins.push(Login { outcome: "invalid".to_owned(), ..login });
            return Next::Say(invalid(false));
        }
        self.sockets.starts_left -= 1;
        self.sockets.starts.insert(bucket, Instant::now());
        self.sockets.logins.push(Login { outcome: "ready".to_owned(), ..login });
        let begun = Session {
            shard,
            intents: asked.unwrap(),
            compress: data["compress"] == true,
            log: Vec::new(),
            over: false,
            connection: Some(connection),
        };
        self.begin_session(&session, begun);
        self.has_session(connection, session);
        Next::From(0)
    }

    fn has_session(&mut self, connection: u64, session: String) {
        let hangs_up = self.sockets.hangs_up;
        let link = self.sockets.links.get_mut(&connection).unwrap();
        link.session = Some(session);
        link.orders.extend(hangs_up.then_some(Order::Drop));
    }

    fn forbidden_intents(&self) -> u64 {
        let privileged = intents::GUILD_MEMBERS | intents::GUILD_PRESENCES;
        let reads = self.message_content && !self.sockets.refuses_content;
        privileged | if reads { 0 } else { intents::MESSAGE_CONTENT }
    }

    fn resume(&mut self, connection: u64, data: &Value) -> Next {
        let id = data["session_id"].as_str().unwrap_or_default().to_owned();
        let seq = usize::try_from(data["seq"].as_u64().unwrap_or(0)).unwrap();
        let is_token = self.is_token(&data["token"]);
        let found = self.sockets.sessions.get_mut(&id).filter(|session| !session.over);
        let (shard, heard) = found.as_ref().map_or(((0, 1), 0), |session| (session.shard, session.intents));
        let mut login = Login {
            resume: true,
            session: id.clone(),
            shard,
            intents: heard,
            outcome: String::new(),
            at: Instant::now(),
        };
        let next = match found {
            _ if !is_token => Next::Close(closing::AUTHENTICATION_FAILED),
            None => Next::Say(invalid(false)),
            Some(session) if seq > session.log.len() => Next::Close(closing::INVALID_SEQ),
            Some(session) => {
                session.connection = Some(connection);
                session.say("RESUMED", &json!({ "_trace": ["[\"gateway-of-the-tests\"]"] }));
                Next::From(seq)
            }
        };
        login.outcome = match &next {
            Next::Close(code) => code.to_string(),
            Next::Say(_) | Next::On => "invalid".to_owned(),
            Next::From(_) => "resumed".to_owned(),
        };
        if matches!(next, Next::From(_)) {
            self.has_session(connection, id);
        }
        // A connection that had the session before ends.
        self.touch();
        self.sockets.logins.push(login);
        next
    }
}

pub(super) fn invalid(resumable: bool) -> Value {
    json!({ "op": 9, "s": null, "t": null, "d": resumable })
}
