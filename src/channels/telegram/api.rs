//! Calls of the Bot API: teloxide's types and payloads over a client of our own (see ADR 0005), which keeps what the pipeline
//! decides by: the status, `retry_after`, and whether a call that failed can have arrived.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::multipart::Form;
use reqwest::{Client, RequestBuilder, Response};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use teloxide::requests::Payload;

use crate::channels::telegram::config::TelegramConfig;
use crate::http::client::{LATE, Unanswered, body, client, unreadable, without_quoted};
use crate::model::Secret;

/// The largest answer that is read: 100 updates of the largest kind stay below it.
const MAX_ANSWER: usize = 32 << 20;

/// How a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// No connection: it cannot have arrived.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// Cut off, or no answer in time: it may have arrived.
    #[error("{0}")]
    Lost(String),
    /// The server answered something that is no answer of the Bot API.
    #[error("answered with {status}: {what}")]
    Odd { status: u16, what: String },
    /// The Bot API says no.
    #[error("{description} ({code})")]
    Refused { code: u16, description: String, parameters: Parameters },
}

/// What a refusal says beside its description (<https://core.telegram.org/bots/api#responseparameters>).
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Parameters {
    pub migrate_to_chat_id: Option<i64>,
    /// In seconds.
    pub retry_after: Option<u64>,
}

impl CallError {
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Odd { status, .. } => Some(*status),
            Self::Connect(_) | Self::Lost(_) => None,
        }
    }

    /// Whether the token is refused: 401, or 404 for one that is no token at all.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { code: 401 | 404, .. })
    }
}

#[derive(Deserialize)]
struct Envelope<T> {
    ok: bool,
    result: Option<T>,
    error_code: Option<u16>,
    description: Option<String>,
    #[serde(default)]
    parameters: Parameters,
}

/// The Bot API of one bot.
pub struct Api {
    /// With the token: never part of an error or a log.
    base: Secret,
    files: Secret,
    token: Secret,
    proxy: Option<Secret>,
    timeout: Duration,
    client: OnceLock<Client>,
}

impl Api {
    pub fn new(config: &TelegramConfig) -> Self {
        let (url, token) = (&config.api_url, config.token.expose());
        Self {
            base: Secret::new(format!("{url}/bot{token}/")),
            files: Secret::new(format!("{url}/file/bot{token}/")),
            token: config.token.clone(),
            proxy: config.proxy.clone(),
            timeout: *config.timeout,
            client: OnceLock::new(),
        }
    }

    /// A client with a connection pool of its own.
    pub fn new_client(&self) -> Result<Client, CallError> {
        let proxy = self.proxy.as_ref().map(Secret::expose);
        client(concat!("caigunn-bridge/", env!("CARGO_PKG_VERSION")), proxy).map_err(|error| self.unmade(&error))
    }

    /// The client of all calls but polling; made when it is first needed.
    fn client(&self) -> Result<Client, CallError> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let client = self.new_client()?;
        Ok(self.client.get_or_init(|| client).clone())
    }

    /// Makes a call and reads of its result what `T` names.
    pub async fn ask<P: Payload + Serialize, T: DeserializeOwned>(&self, payload: &P) -> Result<T, CallError> {
        self.call_for(&self.client()?, payload, self.timeout).await
    }

    /// The same, of whose result nothing is needed.
    pub async fn tell<P: Payload + Serialize>(&self, payload: &P) -> Result<(), CallError> {
        self.call_for::<P, IgnoredAny>(&self.client()?, payload, self.timeout).await.map(drop)
    }

    /// The same on a client and with a patience of the caller's own.
    pub async fn call_for<P: Payload + Serialize, T: DeserializeOwned>(
        &self,
        client: &Client,
        payload: &P,
        timeout: Duration,
    ) -> Result<T, CallError> {
        let body = serde_json::to_vec(payload).map_err(|error| CallError::Lost(error.to_string()))?;
        let request = client.post(self.url(P::NAME)).timeout(timeout).body(body);
        self.answer(request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"))).await
    }

    /// Makes a call that carries a file.
    pub async fn upload<T: DeserializeOwned>(&self, method: &str, form: Form) -> Result<T, CallError> {
        self.answer(self.client()?.post(self.url(method)).timeout(self.timeout).multipart(form)).await
    }

    /// Begins to read a file by the path that `getFile` gave. A large one may take long: [`Api::piece`] has the timeout that a
    /// call has as a whole.
    pub async fn file(&self, path: &str) -> Result<Response, CallError> {
        let request = self.client()?.get(format!("{}{path}", self.files.expose())).send();
        let response = tokio::time::timeout(self.timeout, request).await.map_err(|_| late())?;
        response.map_err(|error| self.lost(error))
    }

    /// The next piece of a file; `None` at its end.
    pub async fn piece(&self, file: &mut Response) -> Result<Option<Bytes>, CallError> {
        let piece = tokio::time::timeout(self.timeout, file.chunk()).await.map_err(|_| late())?;
        piece.map_err(|error| self.lost(error))
    }

    fn url(&self, method: &str) -> String {
        // Method names are case-insensitive; ours are written as the documentation has them.
        let mut name = method.to_owned();
        name[..1].make_ascii_lowercase();
        format!("{}{name}", self.base.expose())
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CallError> {
        let mut response = request.send().await.map_err(|error| self.lost(error))?;
        let status = response.status().as_u16();
        let Some(body) = body(&mut response, MAX_ANSWER).await.map_err(|error| self.lost(error))? else {
            return Err(CallError::Odd { status, what: format!("more than {MAX_ANSWER} bytes") });
        };
        match serde_json::from_slice::<Envelope<T>>(&body) {
            Ok(Envelope { ok: true, result: Some(result), .. }) => Ok(result),
            Ok(Envelope { ok: false, error_code, description, parameters, .. }) => Err(CallError::Refused {
                code: error_code.unwrap_or(status),
                description: without_quoted(&self.scrubbed(description.unwrap_or_default())),
                parameters,
            }),
            Ok(_) => Err(CallError::Odd { status, what: "no result".to_owned() }),
            Err(error) => Err(CallError::Odd { status, what: unreadable(&error, "the Bot API") }),
        }
    }

    /// There is no client to make a call with.
    fn unmade(&self, error: &reqwest::Error) -> CallError {
        CallError::Connect(self.scrubbed(error.to_string()))
    }

    /// The URL holds the token, so it never becomes part of an error.
    fn lost(&self, error: reqwest::Error) -> CallError {
        match Unanswered::of(error) {
            Unanswered::Connect(why) => CallError::Connect(self.scrubbed(why)),
            Unanswered::Late => late(),
            Unanswered::Lost(why) => CallError::Lost(self.scrubbed(why)),
        }
    }

    fn scrubbed(&self, text: String) -> String {
        let token = self.token.expose();
        if text.contains(token) { text.replace(token, "[token]") } else { text }
    }
}

fn late() -> CallError {
    CallError::Lost(LATE.to_owned())
}
