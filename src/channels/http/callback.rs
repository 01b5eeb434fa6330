//! Replies as signed requests, after Standard Webhooks (<https://github.com/standard-webhooks/standard-webhooks>): what was
//! said is rendered to a payload, each row posts one, [`sign`]ed anew at each attempt. A receiver that answers 410 has
//! [`stopped`] them; one that hangs has little [`room`]; one that keeps [`failing`] is reported.

pub(super) mod address;
mod failing;
mod room;
pub(super) mod sign;
mod stopped;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};

use crate::channels::http::callback::address::address;
use crate::channels::http::callback::failing::{Failing, News};
use crate::channels::http::callback::room::Room;
use crate::channels::http::callback::sign::Signer;
use crate::channels::http::callback::stopped::Stopped;
use crate::channels::http::config::{Callback, HttpConfig};
use crate::channels::http::ids;
use crate::contract::channel::{ChannelContext, ChannelState, SendError, SendReceipt};
use crate::contract::store::{OutboxRow, StoreError};
use crate::http::client::{LATE, Unanswered, body, client, retry_after};
use crate::model::outbound::{OutboundAction, Rendered, Target, Voice};
use crate::model::{Timestamp, TurnId};

/// The longest `Retry-After` that is believed.
const MAX_REST: Duration = Duration::from_secs(60 * 60);

/// For so long a call may be put off without that counting as a failed attempt.
const RESTS_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// How long calls wait when as many as may be are under way.
const NO_ROOM: Duration = Duration::from_millis(500);

/// Of an answer only the status counts; so much of its body is read, as its connection can be used again after that.
const MAX_ANSWER: usize = 64 << 10;

/// The receivers of a channel's API keys.
pub(super) struct Callbacks {
    by_key: BTreeMap<String, Receiver>,
    /// Made when it is first needed.
    client: OnceLock<Client>,
}

struct Receiver {
    url: Url,
    timeout: Duration,
    signer: Signer,
    stopped: Stopped,
    room: Room,
    failing: Failing,
}

/// What a row holds: nothing of where it goes, nothing that the row itself knows.
#[derive(Serialize, Deserialize)]
struct Payload {
    at: String,
    from: Voice,
    text: String,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: &'a str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    n: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<TurnId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<String>,
    from: Voice,
    text: &'a str,
}

impl Callbacks {
    /// # Errors
    /// What is wrong, without any value. It is checked when the section is read.
    pub(super) fn new(config: &HttpConfig, channel: &str) -> Result<Self, String> {
        let mut by_key = BTreeMap::new();
        for (name, key) in &config.keys {
            if let Some(callback) = &key.callback {
                by_key.insert(name.clone(), Receiver::new(callback, channel, name)?);
            }
        }
        Ok(Self { by_key, client: OnceLock::new() })
    }

    /// One call for what is said to a person whose API key has a callback.
    pub(super) fn render(&self, action: &OutboundAction, to: &Target, now: Timestamp) -> Option<Rendered> {
        let named = ids::named(to)?;
        self.by_key.get(&named.key)?;
        let from = match action {
            OutboundAction::Send { voice, .. } => *voice,
            _ => Voice::Bot,
        };
        let payload = Payload { at: now.to_string(), from, text: action.text().to_owned() };
        let payload = serde_json::to_string(&payload).expect("texts can be written");
        Some(Rendered { payload, plain: None, scopes: vec![ids::callback_scope(&named.key)], expires_in: None })
    }

    /// Makes one call.
    pub(super) async fn post(&self, row: &OutboxRow, context: &ChannelContext) -> Result<SendReceipt, SendError> {
        let payload: Payload = serde_json::from_str(&row.payload)
            .map_err(|error| SendError::Rejected { reason: format!("the stored call cannot be read: {error}") })?;
        let named = ids::named(&row.target)
            .ok_or_else(|| SendError::Rejected { reason: "the stored target is none of this channel's".to_owned() })?;
        let key = named.key.as_str();
        let Some(receiver) = self.by_key.get(key) else {
            return Err(SendError::AddressRefused { reason: format!("the API key `{key}` has no callback") });
        };
        let had_stopped = receiver.stopped.is(&*context.store).await.map_err(passing)?;
        // One that has been sent before, and whose attempts count from nought, was given a new start by the operator. (Or it
        // was open in a crash: to make that call again does no harm.)
        let new_start = row.attempts == 0 && row.first_sent_ago.is_some();
        if had_stopped && !new_start {
            let reason = format!("the receiver of the API key `{key}` has answered 410: no more calls are made");
            return Err(SendError::AddressRefused { reason });
        }
        let id = ids::webhook_id(row);
        let data = Data {
            n: row.action,
            message: row.turn,
            user: named.user,
            conversation: named.conversation,
            from: payload.from,
            text: &payload.text,
        };
        let body = Body { kind: "message.created", timestamp: &payload.at, data };
        let body = serde_json::to_string(&body).expect("texts and numbers can be written");
        let Some(place) = receiver.room.take() else {
            return Err(rest(row, key, NO_ROOM));
        };
        let called = self.call(receiver, &id, body, context.clock.now()).await;
        place.ended(called.is_ok());
        self.judge(receiver, &called, row, context);
        match called? {
            Answer::Taken => {
                if had_stopped {
                    receiver.stopped.set(&*context.store, false).await.map_err(passing)?;
                    tracing::info!(channel = %context.id, key, "the receiver of callbacks takes them again");
                    self.tell(context);
                }
                Ok(SendReceipt { ids: vec![id], pauses: Vec::new() })
            }
            Answer::Gone => {
                receiver.stopped.set(&*context.store, true).await.map_err(passing)?;
                self.warn(context);
                Err(SendError::AddressRefused { reason: format!("the receiver of the API key `{key}` answers 410") })
            }
            Answer::Rest(asked) => Err(rest(row, key, asked)),
            Answer::No(status) => Err(SendError::Transient(format!("the receiver answers {status}"))),
        }
    }

    /// Reports a receiver that keeps failing, and that it does so no more.
    fn judge(&self, of: &Receiver, called: &Result<Answer, SendError>, row: &OutboxRow, context: &ChannelContext) {
        let now = context.clock.now();
        let why = match called {
            Ok(Answer::Taken | Answer::Gone) => {
                if of.failing.taken(now) {
                    self.tell(context);
                }
                return;
            }
            // It is there, and says so.
            Ok(Answer::Rest(_)) => return,
            Ok(Answer::No(status)) => format!("it answers {status}"),
            Err(error) => error.to_string(),
        };
        // The age of a row with a new start is that of its first life.
        let age = row.first_sent_ago.filter(|_| row.attempts > 0).unwrap_or_default();
        match of.failing.failed(&why, now.minus(age), now) {
            News::None => {}
            News::Begins => self.warn(context),
            News::Changes => drop(self.tell(context)),
        }
    }

    async fn call(&self, to: &Receiver, id: &str, body_text: String, now: Timestamp) -> Result<Answer, SendError> {
        let timestamp = (now.0 / 1_000).to_string();
        let request = self
            .client()?
            .post(to.url.clone())
            .timeout(to.timeout)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", &timestamp)
            .header("webhook-signature", to.signer.sign(id, &timestamp, &body_text));
        let mut response = request.body(body_text).send().await.map_err(|error| match Unanswered::of(error) {
            Unanswered::Connect(why) => SendError::Transient(format!("cannot connect: {why}")),
            Unanswered::Late => SendError::Ambiguous(LATE.to_owned()),
            Unanswered::Lost(why) => SendError::Ambiguous(why),
        })?;
        let status = response.status().as_u16();
        let rest = retry_after(response.headers(), SystemTime::now()).filter(|rest| !rest.is_zero());
        // However it ends, the status was said.
        let _ = body(&mut response, MAX_ANSWER).await;
        Ok(match (status, rest) {
            (200..300, _) => Answer::Taken,
            (410, _) => Answer::Gone,
            (429 | 503, Some(rest)) => Answer::Rest(rest.min(MAX_REST)),
            _ => Answer::No(status),
        })
    }

    fn client(&self) -> Result<Client, SendError> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let made = client(concat!("caigunn-bridge/", env!("CARGO_PKG_VERSION")), None)
            .map_err(|error| SendError::Transient(format!("cannot make a client: {}", error.without_url())))?;
        Ok(self.client.get_or_init(|| made).clone())
    }

    /// Reads what an earlier run has remembered, and reports it.
    pub(super) async fn remember(&self, context: &ChannelContext) -> Result<(), SendError> {
        for receiver in self.by_key.values() {
            receiver.stopped.is(&*context.store).await.map_err(passing)?;
        }
        self.warn(context);
        Ok(())
    }

    /// Reports what is amiss, in the log as well.
    fn warn(&self, context: &ChannelContext) {
        if let Some(hint) = self.tell(context) {
            tracing::warn!(channel = %context.id, "{hint}");
        }
    }

    /// Reports who takes no callbacks, or no more; answers with what was reported. Of a URL only the host is told: its query may be a secret.
    fn tell(&self, context: &ChannelContext) -> Option<String> {
        let mut hints = Vec::new();
        let stopped: Vec<String> = self
            .by_key
            .iter()
            .filter(|(_, receiver)| receiver.stopped.is_known())
            .map(|(key, receiver)| format!("`{key}` ({})", receiver.url.host_str().unwrap_or_default()))
            .collect();
        if !stopped.is_empty() {
            hints.push(format!(
                "the receiver of callbacks has answered 410, and is sent no more, for the API key {}: `caigunn-bridge messages retry` of a \
                 dead letter tries it again; or set another `callback.url`",
                stopped.join(", ")
            ));
        }
        let failing = self.by_key.iter().filter_map(|(key, receiver)| Some((key, receiver, receiver.failing.why()?)));
        hints.extend(failing.map(|(key, receiver, why)| {
            let host = receiver.url.host_str().unwrap_or_default();
            format!("the receiver of callbacks for the API key `{key}` ({host}) has taken none for a minute or longer: {why}; they are tried again for a day")
        }));
        if hints.is_empty() {
            if matches!(context.state.state(), ChannelState::Limited { .. }) {
                context.state.set(ChannelState::Connected);
            }
            return None;
        }
        let hint = hints.join("; ");
        context.state.set(ChannelState::Limited { hint: hint.clone() });
        Some(hint)
    }
}

impl Receiver {
    fn new(callback: &Callback, channel: &str, key: &str) -> Result<Self, String> {
        let url = address(&callback.url).ok_or_else(|| format!("keys.{key}.callback.url is no address"))?;
        let secrets = [Some(&callback.secret), callback.previous_secret.as_ref()];
        let signer = Signer::new(secrets.into_iter().flatten())
            .ok_or_else(|| format!("keys.{key}.callback has a secret that is none"))?;
        let stopped = Stopped::new(ids::stopped(channel, key, &callback.url));
        let (room, failing) = (Room::default(), Failing::default());
        Ok(Self { url, timeout: *callback.timeout, signer, stopped, room, failing })
    }
}

/// What a receiver has answered.
enum Answer {
    Taken,
    Gone,
    /// To be left alone for so long.
    Rest(Duration),
    No(u16),
}

/// A wait that is no failed attempt, unless the row has waited long enough: it must end at last.
fn rest(row: &OutboxRow, key: &str, retry_after: Duration) -> SendError {
    if row.first_sent_ago.is_some_and(|ago| ago > RESTS_FOR) {
        return SendError::Transient("the receiver has been asking for one rest after another, or has hung".to_owned());
    }
    SendError::RateLimited { scope: ids::callback_scope(key), retry_after }
}

fn passing(error: StoreError) -> SendError {
    SendError::Transient(error.to_string())
}
