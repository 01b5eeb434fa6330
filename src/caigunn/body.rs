//! What is sent, and how far the sending has got.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use reqwest::header::HeaderValue;
use tokio::time::Instant;

/// A request's body; cheap to clone, so that a refused call can be made again.
#[derive(Clone)]
pub(super) struct Payload {
    pub(super) content_type: HeaderValue,
    pieces: Pieces,
}

#[derive(Clone)]
enum Pieces {
    One(Bytes),
    Several(Arc<[Bytes]>),
}

impl Pieces {
    fn as_slice(&self) -> &[Bytes] {
        match self {
            Self::One(piece) => std::slice::from_ref(piece),
            Self::Several(pieces) => pieces,
        }
    }
}

impl Payload {
    pub(super) fn json(json: Vec<u8>) -> Self {
        Self { content_type: HeaderValue::from_static("application/json"), pieces: Pieces::One(Bytes::from(json)) }
    }
}

/// A `multipart/form-data` body under construction. Files are sent from the memory they lie in.
pub(super) struct Multipart {
    boundary: String,
    head: String,
    pieces: Vec<Bytes>,
}

impl Multipart {
    pub(super) fn new() -> Self {
        // 128 random bits: a file that happens to hold the boundary is not to be expected.
        let boundary = format!("caigunn-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        Self { boundary, head: String::new(), pieces: Vec::new() }
    }

    pub(super) fn text(mut self, name: &str, value: &str) -> Self {
        self.part(name, None);
        self.head.push_str("\r\n");
        self.head.push_str(value);
        self.head.push_str("\r\n");
        self
    }

    pub(super) fn file(mut self, name: &str, file_name: &str, content_type: &str, bytes: Bytes) -> Self {
        self.part(name, Some(file_name));
        self.head.push_str("Content-Type: ");
        self.head.extend(content_type.chars().filter(|c| !c.is_control()));
        self.head.push_str("\r\n\r\n");
        self.pieces.push(Bytes::from(std::mem::take(&mut self.head)));
        self.pieces.push(bytes);
        self.head.push_str("\r\n");
        self
    }

    pub(super) fn build(mut self) -> Payload {
        self.head.push_str("--");
        self.head.push_str(&self.boundary);
        self.head.push_str("--\r\n");
        self.pieces.push(Bytes::from(self.head));
        let content_type = HeaderValue::from_str(&format!("multipart/form-data; boundary={}", self.boundary))
            .unwrap_or_else(|_| HeaderValue::from_static("multipart/form-data"));
        Payload { content_type, pieces: Pieces::Several(self.pieces.into()) }
    }

    fn part(&mut self, name: &str, file_name: Option<&str>) {
        self.head.push_str("--");
        self.head.push_str(&self.boundary);
        self.head.push_str("\r\nContent-Disposition: form-data; name=\"");
        quote(&mut self.head, name);
        self.head.push('"');
        if let Some(file_name) = file_name {
            self.head.push_str("; filename=\"");
            quote(&mut self.head, file_name);
            self.head.push('"');
        }
        self.head.push_str("\r\n");
    }
}

/// Quoting as browsers do it (WHATWG, "multipart form data"): UTF-8 as it is, three characters escaped.
fn quote(to: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '"' => to.push_str("%22"),
            '\r' => to.push_str("%0D"),
            '\n' => to.push_str("%0A"),
            c => to.push(c),
        }
    }
}

/// How far a request's body was handed to the connection. An exchange that failed before `started` has written nothing
/// that a server could act on, whatever the error below is called.
#[derive(Default)]
pub(super) struct Progress {
    started: AtomicBool,
    finished: OnceLock<Instant>,
}

impl Progress {
    pub(super) fn started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    /// When the last of it was handed over.
    pub(super) fn finished(&self) -> Option<Instant> {
        self.finished.get().copied()
    }
}

/// A body that notes its progress. It cannot be cloned, so nothing below us can send it a second time.
pub(super) struct Tracked {
    payload: Payload,
    next: usize,
    offset: usize,
    left: u64,
    progress: Arc<Progress>,
}

/// Large pieces go out in slices: the connection takes a few of them ahead, so that `finished` stays close to the truth.
const SLICE: usize = 64 * 1024;

impl Tracked {
    pub(super) fn new(payload: Payload, progress: Arc<Progress>) -> Self {
        let left = payload.pieces.as_slice().iter().map(|piece| piece.len() as u64).sum();
        Self { payload, next: 0, offset: 0, left, progress }
    }
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.progress.started.store(true, Ordering::Release);
        while let Some(piece) = self.payload.pieces.as_slice().get(self.next) {
            let end = piece.len().min(self.offset + SLICE);
            let slice = piece.slice(self.offset..end);
            if end == piece.len() {
                self.next += 1;
                self.offset = 0;
            } else {
                self.offset = end;
            }
            if slice.is_empty() {
                continue;
            }
            self.left -= slice.len() as u64;
            if self.left == 0 {
                let _ = self.progress.finished.set(Instant::now());
            }
            return Poll::Ready(Some(Ok(Frame::data(slice))));
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_body_arrives_whole_and_notes_its_progress() {
        let image = Bytes::from(vec![7; 3 * SLICE + 1]);
        let payload = Multipart::new().text("text", "").file("image", "a\"b\r\n圖.png", "image/png", image).build();
        let progress = Arc::new(Progress::default());
        let body = Tracked::new(payload, Arc::clone(&progress));
        let announced = body.size_hint().exact().unwrap();
        assert!(!progress.started() && progress.finished().is_none());
        let sent = body.collect().await.unwrap().to_bytes();
        assert!(progress.started() && progress.finished().is_some());
        assert_eq!(sent.len() as u64, announced);
        let head = String::from_utf8_lossy(&sent[..300]);
        assert!(
            head.contains("name=\"image\"; filename=\"a%22b%0D%0A圖.png\"\r\nContent-Type: image/png\r\n\r\n"),
            "{head}"
        );
    }
}
