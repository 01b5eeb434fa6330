//! One shard's connection to the gateway (<https://docs.discord.com/developers/events/gateway>), in a loop of our own, for the
//! reasons in `docs/adr/0006`.
//!
//! In flow order: [`Gateway::run`] from one connection to the next · [`starts`] the budget of new sessions · `way` and `socket`
//! how a connection is made · `frames` what is said on it · `connection` one from the login to its end · `heart` its heartbeats ·
//! `closing` what its end means · `course` what outlasts it · [`links`] the channel's state, made of all of them.

mod closing;
mod connection;
mod course;
mod frames;
mod heart;
pub mod links;
mod socket;
pub mod starts;
mod way;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use self::closing::{End, Lost, Next, closed};
use self::connection::Connection;
use self::course::Course;
use self::frames::Said;
use self::heart::{Heart, Pace};
pub use self::links::Links;
use self::socket::{Came, Socket};
pub use self::starts::Starts;
use self::way::Way;
use crate::channels::discord::api::{Api, CallError};
use crate::channels::discord::config::DiscordConfig;
use crate::model::ChannelId;

/// Where a session can be taken up again: after the event `seq`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: Arc<str>,
    /// Where it wants to be taken up again.
    pub url: Arc<str>,
    pub seq: u64,
}

/// Without the id, which whoever has the token could take the session over with.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("url", &self.url).field("seq", &self.seq).finish_non_exhaustive()
    }
}

/// An event, in the gateway's order; READY and RESUMED are among them. After a RESUME Discord says again what was missed, and
/// may say more than that.
pub struct Dispatch {
    pub name: Box<str>,
    /// Its `d`, as it came.
    pub data: Box<RawValue>,
    /// Where to go on after this event: what to store once it has been dealt with.
    pub session: Session,
}

/// Without what it says.
impl std::fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatch").field("name", &self.name).field("seq", &self.session.seq).finish_non_exhaustive()
    }
}

/// Which of the connections that a bot's servers are divided among.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub number: u16,
    pub of: u16,
}

/// Why there is no further connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As it was told, or because nobody takes the events any more. The session can be taken up again.
    Stopped,
    /// Discord refuses the token; how.
    BadToken(String),
    /// Discord refuses the intents (4013, 4014): most often a privileged one that is off in the portal.
    Intents,
    /// Discord refuses the number of shards, or wants more of them (4010, 4011).
    Sharding,
    /// Discord does not speak this version any more, or the like; what it said.
    Protocol(String),
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// From the first packet to the open WebSocket.
    pub connect: Duration,
    /// From there to HELLO.
    pub hello: Duration,
    /// From RESUME to RESUMED, and between the events that are said again before it.
    pub resumed: Duration,
    /// From IDENTIFY to READY. Longer, as in an outage Discord answers heartbeats first and gives a session when it can
    /// (<https://docs.discord.com/developers/events/gateway#sending-heartbeats>), and each attempt counts against the day's.
    pub ready: Duration,
    /// For how long nobody may take an event, before the connection is given up.
    pub full: Duration,
    /// Between two IDENTIFYs of a bucket: 5 s, and a little for the network.
    pub apart: Duration,
    /// How often Discord is asked again while no session may be started.
    pub recheck: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            hello: Duration::from_secs(20),
            resumed: Duration::from_secs(60),
            ready: Duration::from_secs(180),
            full: Duration::from_secs(30),
            apart: Duration::from_millis(5_500),
            recheck: Duration::from_secs(300),
        }
    }
}

/// One shard's connection, kept up through everything that is not final.
pub struct Gateway<'a> {
    config: &'a DiscordConfig,
    api: &'a Api,
    channel: &'a ChannelId,
    shard: Shard,
    intents: u64,
    starts: &'a Starts,
    links: &'a Links,
    timing: Timing,
    way: Way,
}

impl<'a> Gateway<'a> {
    /// `intents`: the bits of an IDENTIFY (<https://docs.discord.com/developers/events/gateway#list-of-intents>).
    pub fn new(
        config: &'a DiscordConfig,
        api: &'a Api,
        channel: &'a ChannelId,
        shard: Shard,
        intents: u64,
        starts: &'a Starts,
        links: &'a Links,
    ) -> Self {
        let way = Way::new(config.proxy.as_ref());
        Self { config, api, channel, shard, intents, starts, links, timing: starts.timing, way }
    }

    /// Hands every event over to `out`, in order, until `stop` or something final. Takes `session` up again if Discord still
    /// has it. Reports to the [`Links`] that it was given; what is final is for the caller to report.
    pub async fn run(&self, session: Option<Session>, out: &mpsc::Sender<Dispatch>, stop: &CancellationToken) -> Ended {
        self.links.starts(self.shard.number);
        let ended = self.connections(Course::new(session), out, stop).await;
        self.links.ends(self.shard.number);
        tracing::info!(channel = %self.channel, shard = self.shard.number, "disconnected from Discord's gateway");
        ended
    }

    async fn connections(&self, mut course: Course, out: &mpsc::Sender<Dispatch>, stop: &CancellationToken) -> Ended {
        loop {
            // Nothing is fetched that there is no room for: a connection that cannot hand over READY would cost a start.
            let room = tokio::select! {
                () = stop.cancelled() => return Ended::Stopped,
                room = out.reserve() => room.map(drop),
            };
            if room.is_err() {
                return Ended::Stopped;
            }
            let opened = tokio::select! {
                () = stop.cancelled() => return Ended::Stopped,
                opened = Box::pin(self.open(&mut course)) => opened,
            };
            let end = match opened {
                Ok(connection) => Box::pin(connection.serve(out, stop)).await,
                Err(end) => end,
            };
            let lost = match end {
                End::Final(ended) => return ended,
                End::Lost(lost) => lost,
            };
            let pause = self.lost(&mut course, &lost);
            tokio::select! {
                () = stop.cancelled() => return Ended::Stopped,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Makes a connection and logs in on it.
    async fn open<'c>(&'c self, course: &'c mut Course) -> Result<Connection<'c>, End> {
        let (url, turn) = match (&course.session, course.own_url()) {
            (Some(_), Some(url)) => (url, None),
            (Some(_), None) => (self.starts.url(self.api).await.map_err(refused)?, None),
            (None, _) => {
                let waits = |why: &str| {
                    tracing::warn!(channel = %self.channel, shard = self.shard.number, why, "no session can be begun yet");
                    self.links.down(self.shard.number, why);
                };
                let turn = self.starts.turn(self.api, self.shard.number, waits).await.map_err(refused)?;
                (turn.url.clone(), Some(turn))
            }
        };
        let hello = self.hello(&url).await;
        course.reached(hello.is_ok());
        let (socket, interval) = hello?;
        self.links.interval(interval);
        let heart = Heart::new(interval, fastrand::f64(), Instant::now());
        let mut connection =
            Connection { gateway: self, socket, url: url.into(), heart, pace: Pace::default(), course };
        connection.log_in(turn).await.map_err(Lost::resume)?;
        Ok(connection)
    }

    /// Connects, and waits for HELLO, which comes first.
    async fn hello(&self, url: &str) -> Result<(Socket, Duration), End> {
        let by = Instant::now() + self.timing.connect;
        let late = |_| Lost::resume("the gateway cannot be reached in time");
        let mut socket = timeout_at(by, Socket::open(url, &self.way)).await.map_err(late)?.map_err(Lost::resume)?;
        let by = Instant::now() + self.timing.hello;
        loop {
            let late = |_| Lost::resume("the gateway does not say HELLO");
            match timeout_at(by, socket.next()).await.map_err(late)? {
                Came::Text(text) => match frames::read(&text) {
                    Said::Hello { interval } => return Ok((socket, interval)),
                    _ => self.odd(),
                },
                Came::Closed(code) => return Err(closed(code)),
                Came::Ended(why) => return Err(Lost::resume(why).into()),
                Came::Nothing => {}
                Came::Odd => self.odd(),
            }
        }
    }

    /// A connection was lost; answers the pause before the next.
    fn lost(&self, course: &mut Course, lost: &Lost) -> Duration {
        if lost.next == Next::Begin {
            course.session = None;
        }
        let pause = course.ended(Instant::now(), fastrand::f64()).max(lost.pause);
        let (channel, shard, why) = (self.channel, self.shard.number, lost.why.as_str());
        let resumes = course.session.is_some();
        if lost.routine {
            tracing::info!(%channel, shard, why, resumes, ?pause, "connecting to Discord's gateway again");
        } else {
            tracing::warn!(%channel, shard, why, resumes, ?pause, "the connection to Discord's gateway is lost");
        }
        self.links.down(shard, why);
        pause
    }

    /// Something came that says nothing to us. What, is nobody's business.
    fn odd(&self) {
        let channel = self.channel.as_str().to_owned();
        metrics::counter!("bridge_gateway_odd_frames_total", "channel" => channel).increment(1);
    }

    fn token(&self) -> &str {
        self.config.token.expose()
    }
}

/// What a failed call says about the connection it was to prepare.
fn refused(error: CallError) -> End {
    if error.is_unauthorized() {
        return End::Final(Ended::BadToken(error.to_string()));
    }
    let pause = match &error {
        CallError::Limited { retry_after, .. } => *retry_after,
        _ => Duration::ZERO,
    };
    let why = format!("Discord does not say where its gateway is: {error}");
    Lost { pause, ..Lost::resume(why) }.into()
}
