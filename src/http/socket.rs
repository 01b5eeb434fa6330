//! A connection's socket, with what hyper's own timer cannot tell: the first byte of a head from an idle connection.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Sleep;

/// Between two requests: the next byte opens a head.
const IDLE: u8 = 0;
/// A head is being read: it must be complete before the header timeout.
const HEAD: u8 = 1;
/// A request is being answered: bytes read now are its body or a pipelined successor.
const BUSY: u8 = 2;
/// The connection is to end with a reset.
const RESET: u8 = 3;

/// What the socket, the service and a handler of one connection share.
#[derive(Debug)]
pub(super) struct Phase {
    now: AtomicU8,
    pub(super) reset: Notify,
}

impl Phase {
    /// A new connection owes a head at once; it is not idle.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { now: AtomicU8::new(HEAD), reset: Notify::new() })
    }

    fn set(&self, phase: u8) {
        // A reset is final: a response body dropped on the way down must not hide it from the socket's drop.
        let _ = self.now.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| (now != RESET).then_some(phase));
    }

    pub(super) fn busy(&self) {
        self.set(BUSY);
    }

    pub(super) fn request_reset(&self) {
        self.now.store(RESET, Ordering::Release);
        self.reset.notify_one();
    }

    fn get(&self) -> u8 {
        self.now.load(Ordering::Acquire)
    }
}

/// The stream under hyper.
pub(super) struct Socket {
    stream: TcpStream,
    phase: Arc<Phase>,
    header_timeout: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    write_timeout: Duration,
    /// Runs while the client takes nothing of what there is to write.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, phase: Arc<Phase>, header_timeout: Duration, write_timeout: Duration) -> Self {
        Self { stream, phase, header_timeout, deadline: None, write_timeout, stalled: None }
    }

    /// Ends a write that has stood still for too long. Every byte that goes out begins a new wait.
    fn bounded<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timeout = self.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        stalled.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")))
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let timeout = self.header_timeout;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        deadline.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the head took too long")))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.phase.get() == RESET {
            // Without linger the kernel sends RST instead of FIN.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        match self.phase.get() {
            BUSY | RESET => self.deadline = None,
            IDLE => {
                self.deadline = None;
                if read.is_ready() && buf.filled().len() > before {
                    self.phase.set(HEAD);
                }
            }
            // A trickle of bytes does not move the deadline, and once it has passed no byte helps.
            _ => {
                if let Poll::Ready(passed) = self.poll_deadline(cx) {
                    return Poll::Ready(passed);
                }
            }
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.bounded(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A response body that turns its connection idle when hyper is done with it.
pub(super) struct Answering {
    pub(super) body: axum::body::Body,
    pub(super) phase: Arc<Phase>,
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.phase.set(IDLE);
    }
}

impl Body for Answering {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
