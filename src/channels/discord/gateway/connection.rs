//! One connection, from the login to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::closing::{End, Lost, closed};
use super::course::Course;
use super::frames::{self, Ready, Said};
use super::heart::{Heart, Pace};
use super::socket::{Came, Socket};
use super::starts::Turn;
use super::{Dispatch, Ended, Gateway, Session};

/// A connection that has said HELLO.
pub(super) struct Connection<'a> {
    pub(super) gateway: &'a Gateway<'a>,
    pub(super) socket: Socket,
    /// Where it leads.
    pub(super) url: Arc<str>,
    pub(super) heart: Heart,
    pub(super) pace: Pace,
    pub(super) course: &'a mut Course,
}

/// A dispatch that there was no room for.
struct Waiting {
    dispatch: Dispatch,
    until: Instant,
}

impl Connection<'_> {
    /// Takes the session up again, or begins one.
    pub(super) async fn log_in(&mut self, turn: Option<Turn<'_>>) -> Result<(), String> {
        let gateway = self.gateway;
        self.pace.takes(Instant::now());
        match (turn, &self.course.session) {
            (None, Some(session)) => {
                self.course.resumed = true;
                self.socket.send(frames::resume(gateway.token(), &session.id, session.seq)).await
            }
            (turn, _) => {
                // Counted before it leaves: whether it arrived cannot be known if that fails.
                if let Some(turn) = turn {
                    turn.taken();
                }
                self.socket.send(frames::identify(gateway.token(), gateway.intents, gateway.shard)).await
            }
        }
    }

    /// Hands over what comes, until the end.
    pub(super) async fn serve(mut self, out: &mpsc::Sender<Dispatch>, stop: &CancellationToken) -> End {
        let end = tokio::select! {
            end = self.until_end(out, stop) => end,
            // A message that does not leave must not hold a stop up.
            () = overdue(stop) => End::Final(Ended::Stopped),
        };
        self.socket.close().await;
        end
    }

    async fn until_end(&mut self, out: &mpsc::Sender<Dispatch>, stop: &CancellationToken) -> End {
        let timing = self.gateway.timing;
        let patience = if self.course.resumed { timing.resumed } else { timing.ready };
        let mut logged_in_by = Instant::now() + patience;
        let mut waiting: Option<Waiting> = None;
        loop {
            // While one waits, the socket is not read: TCP slows Discord down, which keeps what follows. Heartbeats go on.
            let full = waiting.is_some();
            let timed = full || self.course.logged_in.is_none();
            let until = waiting.as_ref().map_or(logged_in_by, |waiting| waiting.until);
            let came = tokio::select! {
                () = stop.cancelled() => return End::Final(Ended::Stopped),
                () = sleep_until(self.heart.due()) => {
                    if !self.heart.beats(full, Instant::now()) {
                        return Lost::resume("Discord does not answer heartbeats any more").into();
                    }
                    // The interval leaves room for it.
                    self.pace.takes(Instant::now());
                    match self.heartbeat().await {
                        Ok(()) => continue,
                        Err(why) => return Lost::resume(why).into(),
                    }
                }
                room = out.reserve(), if full => {
                    let Ok(room) = room else { return End::Final(Ended::Stopped) };
                    if let Some(Waiting { dispatch, .. }) = waiting.take() {
                        self.course.session = Some(dispatch.session.clone());
                        room.send(dispatch);
                    }
                    continue;
                }
                () = sleep_until(until), if timed => {
                    let why = if full { BEHIND } else { "Discord does not answer the login" };
                    return Lost::resume(why).into();
                }
                came = self.socket.next(), if !full => came,
            };
            let dispatch = match self.came(came).await {
                Ok(Some(dispatch)) => dispatch,
                Ok(None) => continue,
                Err(end) => return end,
            };
            logged_in_by = Instant::now() + patience;
            let session = dispatch.session.clone();
            match out.try_send(dispatch) {
                // Only now: what is not handed over is to be said again.
                Ok(()) => self.course.session = Some(session),
                Err(TrySendError::Full(dispatch)) => {
                    self.heart.blind();
                    waiting = Some(Waiting { dispatch, until: Instant::now() + timing.full });
                }
                Err(TrySendError::Closed(_)) => return End::Final(Ended::Stopped),
            }
        }
    }

    /// What follows from what came.
    async fn came(&mut self, came: Came) -> Result<Option<Dispatch>, End> {
        let text = match came {
            Came::Text(text) => text,
            Came::Closed(code) => return Err(closed(code)),
            Came::Ended(why) => return Err(Lost::resume(why).into()),
            Came::Nothing => return Ok(None),
            Came::Odd => return Ok(self.odd()),
        };
        match frames::read(&text) {
            Said::Dispatch { name, seq, data } => {
                self.course.heard = true;
                let session = match &*name {
                    "READY" => Some(self.begun(data.get()).ok_or_else(|| Lost::begin("READY names no session"))?),
                    _ => self.course.session.clone(),
                };
                // Before READY there is nothing to tell of.
                let Some(mut session) = session else { return Ok(self.odd()) };
                session.seq = session.seq.max(seq.unwrap_or(0));
                if matches!(&*name, "READY" | "RESUMED") {
                    self.logged_in(&name);
                }
                return Ok(Some(Dispatch { name: name.into(), data: data.to_owned(), session }));
            }
            Said::Ack => {
                self.heart.answered();
                self.gateway.links.beat(self.gateway.shard.number);
            }
            Said::Beat if self.pace.takes(Instant::now()) => {
                self.heartbeat().await.map_err(Lost::resume)?;
            }
            Said::Reconnect => {
                let why = "Discord asked to connect again";
                return Err(Lost { routine: true, ..Lost::resume(why) }.into());
            }
            Said::Invalid { resumable: true } => return Err(Lost::resume("Discord asked to resume again").into()),
            Said::Invalid { resumable: false } => {
                // A random pause of 1 to 5 s (<https://docs.discord.com/developers/events/gateway-events#invalid-session>).
                let pause = Duration::from_millis(1_000 + fastrand::u64(..4_000));
                return Err(Lost { pause, ..Lost::begin("Discord knows the session no longer") }.into());
            }
            Said::Beat | Said::Hello { .. } | Said::Odd => return Ok(self.odd()),
        }
        Ok(None)
    }

    fn begun(&self, ready: &str) -> Option<Session> {
        let ready = serde_json::from_str::<Ready<'_>>(ready).ok().filter(|ready| !ready.session_id.is_empty())?;
        let url = ready.resume_gateway_url.map_or_else(|| Arc::clone(&self.url), Arc::from);
        Some(Session { id: ready.session_id.into(), url, seq: 0 })
    }

    fn logged_in(&mut self, name: &str) {
        let Gateway { channel, shard, links, .. } = self.gateway;
        self.course.logged_in = Some(Instant::now());
        links.beat(shard.number);
        links.up(shard.number);
        let session = if name == "READY" { "begun" } else { "resumed" };
        tracing::info!(%channel, shard = shard.number, session, "connected to Discord's gateway");
    }

    async fn heartbeat(&mut self) -> Result<(), String> {
        let seq = self.course.session.as_ref().map(|session| session.seq);
        self.socket.send(frames::heartbeat(seq)).await
    }

    fn odd(&self) -> Option<Dispatch> {
        self.gateway.odd();
        None
    }
}

async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(Duration::from_millis(400)).await;
}

const BEHIND: &str = "more came in than could be stored; Discord keeps the rest";
