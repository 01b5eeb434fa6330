//! The pooled client, its three time limits, and one exchange: send, then read a bounded answer.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use reqwest::{Client, Request, Response, StatusCode, Url, redirect, retry};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::body::Progress;
use super::error::{self, Error, ErrorKind, RetryClass};
use crate::model::Secret;

/// Idle connections are given up after this, before the usual servers and load balancers in between do it: a request
/// written to a connection that the other side is closing is an ambiguous one.
const IDLE: Duration = Duration::from_secs(20);

/// An error body is only read for its `detail`: no more of it, and no longer.
const ERROR_BODY_BYTES: usize = 16 * 1024;
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// How the client connects, waits and reads.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// DNS, TCP, TLS and a proxy's tunnel together.
    pub connect_timeout: Duration,
    /// From the request written to the answer's headers.
    pub first_byte_timeout: Duration,
    /// The whole exchange, connecting included.
    pub total_timeout: Duration,
    /// The longest answer that is read.
    pub max_body_bytes: usize,
    /// A proxy's URL, which may hold a password; `None` takes the environment's `HTTPS_PROXY`, `NO_PROXY` … and never a
    /// proxy for a loopback address.
    pub proxy: Option<Secret>,
    pub user_agent: String,
    /// Idle connections kept per host.
    pub max_idle_per_host: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(120),
            total_timeout: Duration::from_secs(130),
            max_body_bytes: 1024 * 1024,
            proxy: None,
            user_agent: concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned(),
            max_idle_per_host: 256,
        }
    }
}

/// The pooled HTTP client of all accounts. A clone shares the pool.
#[derive(Clone)]
pub struct HttpClient {
    inner: Arc<Inner>,
}

struct Inner {
    options: ClientOptions,
    /// What of the proxy's URL no error may show, as it is and as it goes over the wire.
    hidden: Vec<String>,
    /// Through the proxy that is configured or the environment names, if any.
    routed: OnceLock<Client>,
    /// Past every proxy: for a sandbox on this machine.
    direct: OnceLock<Client>,
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// Checks the options; the connection pool itself is built when an account first needs it.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] when the proxy's URL is unusable or no TLS provider is installed.
    pub fn new(options: &ClientOptions) -> Result<Self, Error> {
        // Without a provider reqwest panics where an error can still be told.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(Error::local("client", ErrorKind::Setup, "no TLS provider is installed in this process"));
        }
        if let Some(proxy) = &options.proxy {
            parse_proxy(proxy)?;
        }
        let hidden = options.proxy.as_ref().map(credentials).unwrap_or_default();
        let (routed, direct) = (OnceLock::new(), OnceLock::new());
        Ok(Self { inner: Arc::new(Inner { options: options.clone(), hidden, routed, direct }) })
    }

    /// The proxy's credentials, which a proxy may repeat in what it answers.
    pub(super) fn hidden(&self) -> &[String] {
        &self.inner.hidden
    }

    /// Builds, once, the client that leads to this kind of host.
    pub(super) fn client(&self, loopback: bool) -> Result<Client, Error> {
        let options = &self.inner.options;
        let direct = loopback && options.proxy.is_none();
        let slot = if direct { &self.inner.direct } else { &self.inner.routed };
        if let Some(client) = slot.get() {
            return Ok(client.clone());
        }
        let mut builder = Client::builder()
            .user_agent(&options.user_agent)
            .connect_timeout(options.connect_timeout)
            .pool_max_idle_per_host(options.max_idle_per_host)
            .pool_idle_timeout(IDLE)
            // One connection per open ask: a broken one makes one ask ambiguous, not all of them.
            .http1_only()
            .redirect(redirect::Policy::none())
            // Nothing below us repeats a request; whether it may be repeated is told by the class of the error.
            .retry(retry::never());
        if direct {
            builder = builder.no_proxy();
        } else if let Some(proxy) = &options.proxy {
            builder = builder.proxy(parse_proxy(proxy)?);
        }
        let client = builder.build().map_err(|e| {
            Error::local(
                "client",
                ErrorKind::Setup,
                format!("cannot build the HTTP client: {}", root(&e.without_url())),
            )
        })?;
        Ok(slot.get_or_init(|| client).clone())
    }

    /// Sends one request and reads its answer. `progress` belongs to the request's body; a request without one counts as
    /// written unless connecting failed.
    pub(super) async fn exchange(
        &self,
        client: &Client,
        request: Request,
        progress: Option<&Progress>,
    ) -> Result<Reply, Failure> {
        let options = &self.inner.options;
        let end = Instant::now() + options.total_timeout;
        let mut response = self.headers(client, request, progress, end).await?;
        let status = response.status();
        let retry_after = error::retry_after(response.headers());
        let body = if status.is_success() {
            match timeout_at(end, read(&mut response, options.max_body_bytes)).await {
                Ok(read) => read.map_err(|failure| Failure { status: Some(status), ..failure })?,
                Err(_) => {
                    let failure = Failure::late(ErrorKind::TotalTimeout, "the answer did not end in time");
                    return Err(Failure { status: Some(status), ..failure });
                }
            }
        } else {
            let end = end.min(Instant::now() + ERROR_BODY_TIME);
            read_some(&mut response, ERROR_BODY_BYTES, end).await
        };
        Ok(Reply { status, retry_after, body })
    }

    async fn headers(
        &self,
        client: &Client,
        request: Request,
        progress: Option<&Progress>,
        end: Instant,
    ) -> Result<Response, Failure> {
        let first_byte = self.inner.options.first_byte_timeout;
        let written = || progress.is_none_or(Progress::started);
        let mut answer = pin!(client.execute(request));
        let mut wait = pin!(sleep_until(end.min(Instant::now() + first_byte)));
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer.map_err(|e| Failure::transport(e.without_url(), written())),
                () = &mut wait => {}
            }
            let now = Instant::now();
            if now < end {
                // The clock of the first byte starts when the request is written; what came before is connecting and
                // uploading, which only the total limits.
                let due = match progress {
                    None => now,
                    Some(progress) => progress.finished().map_or(end, |at| end.min(at + first_byte)),
                };
                if due > now {
                    wait.as_mut().reset(due);
                    continue;
                }
                return Err(Failure::late(ErrorKind::FirstByteTimeout, "no response header"));
            }
            return Err(if written() {
                Failure::late(ErrorKind::TotalTimeout, "no response header")
            } else {
                Failure {
                    class: RetryClass::NotProcessed,
                    ..Failure::late(ErrorKind::Connect, "no connection in time")
                }
            });
        }
    }
}

/// An answer with any status; the body of a success is whole, that of an error an excerpt.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

/// Why there is no answer. The caller adds which call it was.
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) class: RetryClass,
    pub(super) status: Option<StatusCode>,
    pub(super) detail: String,
}

impl Failure {
    fn late(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, class: RetryClass::Ambiguous, status: None, detail: detail.into() }
    }

    fn transport(e: reqwest::Error, written: bool) -> Self {
        if e.is_builder() {
            let detail = format!("the request cannot be built: {}", root(&e));
            return Self { kind: ErrorKind::InvalidInput, class: RetryClass::Final, status: None, detail };
        }
        let detail = if e.is_connect() && e.is_timeout() { "timed out".to_owned() } else { root(&e) };
        // A request without a body has only `is_connect` to tell.
        if e.is_connect() || !written {
            Self { kind: ErrorKind::Connect, class: RetryClass::NotProcessed, status: None, detail }
        } else {
            Self::late(ErrorKind::Interrupted, detail)
        }
    }
}

/// The innermost cause, which is the one that says something ("Connection refused").
fn root(e: &reqwest::Error) -> String {
    let mut cause: &(dyn std::error::Error + 'static) = e;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

async fn read(response: &mut Response, max: usize) -> Result<Bytes, Failure> {
    let announced = response.content_length();
    let too_large = || Failure::late(ErrorKind::BodyTooLarge, format!("the answer is longer than {max} bytes"));
    if announced.is_some_and(|length| length > max as u64) {
        return Err(too_large());
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let Some(chunk) = response.chunk().await.map_err(|e| {
            Failure::late(ErrorKind::Interrupted, format!("the answer broke off: {}", root(&e.without_url())))
        })?
        else {
            return Ok(if rest.is_empty() { first } else { rest.freeze() });
        };
        if first.len().max(rest.len()) + chunk.len() > max {
            return Err(too_large());
        }
        if first.is_empty() {
            // The usual answer is one chunk: it is parsed where it lies.
            first = chunk;
        } else {
            if rest.is_empty() {
                rest.reserve(announced.map_or(0, |length| length as usize).max(first.len() + chunk.len()));
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&chunk);
        }
    }
}

/// As much of the body as comes within the bounds; that it is cut off or broken does not matter.
async fn read_some(response: &mut Response, max: usize, end: Instant) -> Bytes {
    let mut body = BytesMut::new();
    while body.len() < max {
        match timeout_at(end, response.chunk()).await {
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk[..chunk.len().min(max - body.len())]),
            _ => break,
        }
    }
    body.freeze()
}

/// The password in a proxy's URL, and the `Proxy-Authorization` that is made of it.
fn credentials(proxy: &Secret) -> Vec<String> {
    let Ok(url) = Url::parse(proxy.expose()) else { return Vec::new() };
    if url.username().is_empty() && url.password().is_none() {
        return Vec::new();
    }
    let (user, password) = (unescape(url.username()), unescape(url.password().unwrap_or_default()));
    let basic = base64::engine::general_purpose::STANDARD.encode([&user[..], b":", &password[..]].concat());
    // A user alone is a secret too: some proxies take a token there.
    let bare = if password.is_empty() { user } else { password };
    vec![basic, String::from_utf8_lossy(&bare).into_owned(), url.password().unwrap_or(url.username()).to_owned()]
}

/// Undoes the percent-encoding of a URL's part.
fn unescape(part: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(part.len()), part.as_bytes());
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| tail.get(..2)).flatten();
        let escaped = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    bytes
}

fn parse_proxy(url: &Secret) -> Result<reqwest::Proxy, Error> {
    // The URL itself stays out of the message: it may hold a password.
    let unusable = || Error::local("client", ErrorKind::Setup, "the proxy is not a URL with http:// or https://");
    match url.expose().split_once("://") {
        Some(("http" | "https", _)) => reqwest::Proxy::all(url.expose()).map_err(|_| unusable()),
        _ => Err(unusable()),
    }
}

#[cfg(test)]
mod tests {
    use super::credentials;
    use crate::model::Secret;

    #[test]
    fn a_proxys_credentials_are_known_as_they_are_written_and_sent() {
        let of = |url: &str| credentials(&Secret::new(url));
        assert_eq!(of("http://user:p%40ss%zz@proxy:3128"), ["dXNlcjpwQHNzJXp6", "p@ss%zz", "p%40ss%zz"]);
        assert_eq!(of("http://token@proxy:3128"), ["dG9rZW46", "token", "token"]);
        assert!(of("http://proxy:3128").is_empty() && of("proxy").is_empty());
    }
}
