//! The HTTP/1 server: limits that axum's own does not have, and a shutdown that ends.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::http::body::TimedBody;
use crate::http::socket::{Answering, Phase, Socket};

/// hyper refuses a smaller connection buffer.
const MIN_BUFFER: usize = 8 * 1024;
/// The longest pause between two attempts when the process has no descriptor left for a connection.
const MAX_ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The bounds of one listening socket.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// From a head's first byte (of a new connection: from its accept) to its end; then the connection is cut.
    pub header_timeout: Duration,
    /// The most bytes of a request line and its headers; more is answered with 431.
    pub max_header_bytes: usize,
    /// The most bytes hyper buffers for one connection, at least 8 KiB.
    pub max_buffer_bytes: usize,
    /// The most open connections; further ones wait in the kernel's queue and are not refused.
    pub max_connections: usize,
    /// From a request's head to the end of its body; then the read fails with [`BodyTimedOut`](super::body::BodyTimedOut).
    pub body_timeout: Duration,
    /// How long a client may take nothing of what is written to it; then the connection is cut. Nothing else would end one that
    /// does not read: it keeps its place and whatever its answer holds.
    pub write_timeout: Duration,
    /// How long a connection may stay open between two requests. A head that is being read is part of it, so it is
    /// never shorter than `header_timeout`.
    pub idle_timeout: Duration,
    /// How long open requests may take after the stop before they are cut.
    pub grace: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            max_header_bytes: 16 * 1024,
            max_buffer_bytes: 64 * 1024,
            max_connections: 10_240,
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(75),
            grace: Duration::from_secs(10),
        }
    }
}

/// A handle to the connection a request came on, in the request's extensions.
#[derive(Clone, Debug)]
pub struct Connection(Arc<Phase>);

impl Connection {
    /// Ends the connection with a TCP reset. The handler of its open request is dropped where it waits.
    pub fn reset(&self) {
        self.0.request_reset();
    }
}

/// What a server serves: a router, which may be replaced while it runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Mounted(Arc<ArcSwap<Router>>);

impl Mounted {
    pub fn new(app: Router) -> Self {
        // Finished once: cloning a finished router is one reference count per request.
        Self(Arc::new(ArcSwap::from_pointee(app.with_state(()))))
    }

    /// Serves another router from the next request on. Requests under way end in the one they began in.
    pub fn replace(&self, app: Router) {
        self.0.store(Arc::new(app.with_state(())));
    }

    fn app(&self) -> Router {
        Router::clone(&self.0.load())
    }
}

impl From<Router> for Mounted {
    fn from(app: Router) -> Self {
        Self::new(app)
    }
}

/// Serves `app` on `listener` until `stop`, then lets open requests end within `limits.grace` and cuts the rest.
///
/// A request carries `ConnectInfo<SocketAddr>` (its peer) and [`Connection`] in its extensions. Accept errors never
/// end the server: it pauses and tries again.
///
/// # Errors
/// When the listener's own address cannot be read, that is, when the socket is unusable from the start.
pub async fn serve(
    listener: TcpListener,
    app: impl Into<Mounted>,
    limits: ServerLimits,
    stop: CancellationToken,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let app = app.into();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.idle_timeout.max(limits.header_timeout))
        .max_header_size(limits.max_header_bytes)
        .max_buf_size(limits.max_buffer_bytes.max(limits.max_header_bytes).max(MIN_BUFFER));
    let shared = Arc::new(Shared { app, http, kill: CancellationToken::new(), stop: stop.clone(), limits });
    let slots = Arc::new(Semaphore::new(shared.limits.max_connections));
    let tasks = TaskTracker::new();
    let mut failures = AcceptFailures::default();

    loop {
        let next = async {
            // The slot comes first: at the bound nobody is accepted, so nobody is accepted and then dropped.
            let slot = Arc::clone(&slots).acquire_owned().await.map_err(io::Error::other)?;
            Ok((listener.accept().await?, slot))
        };
        let accepted: io::Result<_> = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = next => accepted,
        };
        match accepted {
            Ok(((stream, peer), slot)) => {
                failures.recovered(address);
                let shared = Arc::clone(&shared);
                tasks.spawn(async move {
                    shared.connection(stream, peer).await;
                    drop(slot);
                });
            }
            Err(error) => {
                if let Some(pause) = failures.failed(address, &error) {
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
    }

    // Closed now, so that newcomers are refused instead of waiting out the grace in the kernel's queue.
    drop(listener);
    tasks.close();
    if tokio::time::timeout(shared.limits.grace, tasks.wait()).await.is_err() {
        tracing::warn!(%address, open = tasks.len(), "cutting connections that are still open after the grace period");
        shared.kill.cancel();
        tasks.wait().await;
    }
    Ok(())
}

struct Shared {
    app: Mounted,
    http: http1::Builder,
    stop: CancellationToken,
    kill: CancellationToken,
    limits: ServerLimits,
}

impl Shared {
    async fn connection(&self, stream: TcpStream, peer: SocketAddr) {
        // Answers are written whole; waiting for a fuller packet only adds latency.
        let _ = stream.set_nodelay(true);
        let phase = Phase::new();
        let limits = &self.limits;
        let socket = Socket::new(stream, Arc::clone(&phase), limits.header_timeout, limits.write_timeout);
        let service = service_fn(|request| self.answer(request, peer, Arc::clone(&phase)));
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(socket), service));
        let mut stopping = false;
        loop {
            tokio::select! {
                biased;
                () = phase.reset.notified() => return,
                () = self.kill.cancelled() => return,
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%peer, %error, "connection ended");
                    }
                    return;
                }
                () = self.stop.cancelled(), if !stopping => {
                    connection.as_mut().graceful_shutdown();
                    stopping = true;
                }
            }
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        phase: Arc<Phase>,
    ) -> Result<Response<Answering>, Infallible> {
        phase.busy();
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(ConnectInfo(peer));
        parts.extensions.insert(Connection(Arc::clone(&phase)));
        let body = Body::new(TimedBody::new(body, self.limits.body_timeout));
        let Ok(response) = self.app.app().oneshot(Request::from_parts(parts, body)).await;
        Ok(response.map(|body| Answering { body, phase }))
    }
}

/// Backs off while accepting fails, and tells the log once per outage.
#[derive(Default)]
struct AcceptFailures {
    pause: Option<Duration>,
}

impl AcceptFailures {
    /// How long to wait before the next accept; `None` when the error concerned one connection only.
    fn failed(&mut self, address: SocketAddr, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
            return None;
        }
        if self.pause.is_none() {
            tracing::error!(%address, %error, "cannot accept connections; is the limit of open files too low?");
        }
        let pause = self.pause.map_or(Duration::from_millis(10), |last| (last * 2).min(MAX_ACCEPT_PAUSE));
        self.pause = Some(pause);
        Some(pause)
    }

    fn recovered(&mut self, address: SocketAddr) {
        if self.pause.take().is_some() {
            tracing::info!(%address, "accepting connections again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_backs_off_up_to_a_second_and_forgets_when_it_works_again() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut failures = AcceptFailures::default();
        let full = io::Error::from_raw_os_error(24);
        let pauses: Vec<_> = (0..9).filter_map(|_| failures.failed(address, &full)).map(|p| p.as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(failures.failed(address, &io::ErrorKind::ConnectionAborted.into()), None);
        failures.recovered(address);
        assert_eq!(failures.failed(address, &full), Some(Duration::from_millis(10)));
    }
}
