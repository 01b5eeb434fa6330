//! What a test does to the gateway, and reads of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Platform;
use super::gateway::{NO_CODE, invalid};
use super::sessions::Order;
use super::state::{Heartbeat, Login};

impl Platform {
    /// From now on HELLO asks for a heartbeat as often as this.
    pub(crate) fn beats(&self, interval: Duration) {
        self.lock().sockets.heartbeat_interval = interval;
    }

    /// The number of the last event that a living session was told, or will be told once it listens.
    pub(crate) fn told(&self) -> u64 {
        let inner = self.lock();
        let living = inner.sockets.sessions.values().filter(|session| !session.over);
        living.map(|session| session.log.len() as u64).max().unwrap_or(0)
    }

    /// Gives every connection something to do, after what it still has to say.
    fn order(&self, order: impl Fn() -> Order) {
        let mut inner = self.lock();
        for link in inner.sockets.links.values_mut() {
            link.orders.push_back(order());
        }
        inner.touch();
    }

    /// Every connection ends without a close frame. Sessions can be resumed.
    pub(crate) fn drops_connections(&self) {
        self.order(|| Order::Drop);
    }

    /// Every connection is closed with a code.
    pub(crate) fn closes(&self, code: u16) {
        if matches!(code, 4007 | 4009) {
            self.forgets_sessions();
        }
        self.order(|| Order::Close(code));
    }

    /// Every connection is closed with a frame that has no code. Sessions can be resumed.
    pub(crate) fn closes_without_code(&self) {
        self.order(|| Order::Close(NO_CODE));
    }

    /// Every client is asked to connect again, and to resume: op 7.
    pub(crate) fn reconnects(&self) {
        self.order(|| Order::Say(json!({ "op": 7, "s": null, "t": null, "d": null })));
    }

    /// Every client is told that its session is invalid: op 9.
    pub(crate) fn invalidates(&self, resumable: bool) {
        if !resumable {
            self.forgets_sessions();
        }
        self.order(|| Order::Say(invalid(resumable)));
    }

    /// Every client is asked for a heartbeat at once: op 1.
    pub(crate) fn asks_for_heartbeat(&self) {
        self.order(|| Order::Say(json!({ "op": 1, "s": null, "t": null, "d": null })));
    }

    /// Every client is told what makes no sense: opcodes that there are not, events without a name.
    pub(crate) fn babbles(&self) {
        for nonsense in [json!([]), json!({ "op": 99, "d": {} }), json!({ "op": "0" }), json!({ "op": 0, "s": 1 })] {
            self.order(|| Order::Say(nonsense.clone()));
        }
    }

    /// No session that there was can be resumed; an open connection of one hears nothing more.
    pub(crate) fn forgets_sessions(&self) {
        for session in self.lock().sockets.sessions.values_mut() {
            session.over = true;
        }
    }

    /// From now on every connection ends as soon as it has its session and what it was to be told.
    pub(crate) fn hangs_up(&self, hangs_up: bool) {
        self.lock().sockets.hangs_up = hangs_up;
        if hangs_up {
            self.drops_connections();
        }
    }

    /// Heartbeats are not acknowledged any more: the connection is a zombie.
    pub(crate) fn withholds_acks(&self, withholds: bool) {
        self.lock().sockets.withholds_acks = withholds;
    }

    /// Nobody gets through to the gateway; open connections stay.
    pub(crate) fn gateway_is_down(&self, down: bool) {
        self.lock().sockets.down = down;
    }

    /// From now on clients are sent elsewhere.
    pub(crate) fn gateway_is_at(&self, url: &str) {
        self.lock().gateway_url = url.to_owned();
    }

    /// How many sessions may still be started today.
    pub(crate) fn leaves_starts(&self, left: u64) {
        self.lock().sockets.starts_left = left;
    }

    /// What `GET /gateway/bot` recommends.
    pub(crate) fn recommends_shards(&self, shards: u64, max_concurrency: u64) {
        let mut inner = self.lock();
        inner.sockets.shards = shards;
        inner.sockets.max_concurrency = max_concurrency;
    }

    /// Who asks for message content is closed with 4014, though the application's flags say that it is granted.
    pub(crate) fn refuses_message_content(&self) {
        self.lock().sockets.refuses_content = true;
    }

    /// Two IDENTIFYs of one bucket within five seconds are refused, as Discord does.
    pub(crate) fn spaces_starts(&self) {
        self.lock().sockets.spaced = true;
    }

    /// GUILD_CREATE comes without a field from now on.
    pub(crate) fn leaves_out(&self, field: &'static str) {
        self.lock().sockets.missing_field = Some(field);
    }

    /// IDENTIFYs and RESUMEs, in order.
    pub(crate) fn logins(&self) -> Vec<Login> {
        self.lock().sockets.logins.clone()
    }

    pub(crate) fn identifies(&self) -> usize {
        self.lock().sockets.logins.iter().filter(|login| !login.resume).count()
    }

    /// How many sessions were resumed.
    pub(crate) fn resumes(&self) -> usize {
        let inner = self.lock();
        inner.sockets.logins.iter().filter(|login| login.resume && login.outcome == "resumed").count()
    }

    pub(crate) fn heartbeats(&self) -> Vec<Heartbeat> {
        self.lock().sockets.heartbeats.clone()
    }

    /// When somebody connected, let in or not.
    pub(crate) fn connections(&self) -> Vec<Instant> {
        self.lock().sockets.connections.clone()
    }

    /// How many connections are open and have a session.
    pub(crate) fn connected(&self) -> usize {
        self.lock().sockets.links.values().filter(|link| link.session.is_some()).count()
    }

    /// Presences, requests for members and the like, by opcode.
    pub(crate) fn gateway_calls(&self) -> Vec<(u64, Value)> {
        self.lock().sockets.other.clone()
    }
}
