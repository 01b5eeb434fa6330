//! Files of messages: links that are signed, and expire (<https://discord.com/developers/docs/reference#signed-attachment-cdn-urls>).

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use caigunn_bridge::http::Connection;
use futures_util::{StreamExt, stream};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::{Value, json};

use super::Platform;
use super::faults::Fault;
use super::people::now_s;
use super::state::Shared;

pub(super) const FOLDERS: &[&str] = &["/attachments/", "/ephemeral-attachments/", STICKERS];

/// Their links are not signed (<https://discord.com/developers/docs/reference#image-formatting-cdn-endpoints>).
const STICKERS: &str = "/stickers/";

struct Kept {
    content: Bytes,
    mime: String,
}

pub(super) struct Files {
    /// By path.
    kept: BTreeMap<String, Kept>,
    links_live: Duration,
    /// Links of an earlier one do not work any more.
    generation: u64,
    /// Bodies come in pieces, with a pause before each.
    pieces: Option<(usize, Duration)>,
    gone: HashSet<String>,
    downloads: Vec<String>,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            kept: BTreeMap::new(),
            links_live: Duration::from_secs(86_400),
            generation: 0,
            pieces: None,
            gone: HashSet::new(),
            downloads: Vec::new(),
        }
    }
}

impl Files {
    /// Keeps a file; answers it as messages tell of it, with a link that is signed when it is shown.
    pub(super) fn keep(&mut self, channel: u64, number: u64, name: &str, mime: &str, content: Bytes) -> Value {
        let clean: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' }).collect();
        let path = format!("/attachments/{channel}/{number}/{clean}");
        let mut attachment = json!({
            "id": number.to_string(), "filename": clean, "size": content.len(), "url": path, "proxy_url": path,
            "content_type": mime, "content_scan_version": 0, "flags": 0,
        });
        if mime.starts_with("image/") {
            let size = image::ImageReader::new(io::Cursor::new(&content)).with_guessed_format();
            let (width, height) = size.ok().and_then(|image| image.into_dimensions().ok()).unwrap_or((0, 0));
            attachment["width"] = width.into();
            attachment["height"] = height.into();
        }
        self.kept.insert(path, Kept { content, mime: mime.to_owned() });
        attachment
    }

    fn signature(&self, path: &str, expires: u64, issued: u64) -> String {
        let mut hasher = DefaultHasher::new();
        (path, expires, issued, self.generation).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    fn signed(&self, path: &str, host: &str) -> String {
        let issued = now_s();
        let expires = issued + self.links_live.as_secs();
        format!("{host}{path}?ex={expires:x}&is={issued:x}&hm={}&", self.signature(path, expires, issued))
    }

    /// Signs every link of a message, of the message replied to, and of those that it passes on.
    pub(super) fn sign_all(&self, message: &mut Value, host: &str) {
        let attachments = message.get_mut("attachments").and_then(Value::as_array_mut).into_iter().flatten();
        for attachment in attachments {
            for name in ["url", "proxy_url"] {
                if let Some(path) = attachment[name].as_str().filter(|path| path.starts_with('/')) {
                    attachment[name] = self.signed(path, host).into();
                }
            }
        }
        if let Some(quoted) = message.get_mut("referenced_message").filter(|quoted| quoted.is_object()) {
            self.sign_all(quoted, host);
        }
        let passed_on = message.get_mut("message_snapshots").and_then(Value::as_array_mut).into_iter().flatten();
        for snapshot in passed_on {
            self.sign_all(&mut snapshot["message"], host);
        }
    }

    /// Whether a link is one of ours and works still.
    fn admits(&self, path: &str, query: &str) -> bool {
        if path.starts_with(STICKERS) {
            return true;
        }
        let get = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let number = |name: &str| u64::from_str_radix(get(name)?, 16).ok();
        let (Some(expires), Some(issued), Some(signature)) = (number("ex"), number("is"), get("hm")) else {
            return false;
        };
        expires > now_s() && signature == self.signature(path, expires, issued)
    }
}

pub(super) async fn download(
    shared: &Shared,
    connection: &Connection,
    path: &str,
    file: &str,
    query: &str,
) -> Response {
    let (attempt, fault) = shared.lock().begin_file(file);
    match fault {
        Some(Fault::Refuse(status, _, message)) => {
            return (StatusCode::from_u16(status).unwrap(), message).into_response();
        }
        Some(Fault::Answer(status, body)) => return (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Some(Fault::RetryAfter(_) | Fault::RetryAfterAll(_) | Fault::RetryAfterShared(_)) => {
            return (StatusCode::TOO_MANY_REQUESTS, "too many requests").into_response();
        }
        Some(Fault::Reset | Fault::ProcessedThenReset) => {
            connection.reset();
            return std::future::pending().await;
        }
        Some(Fault::Hang | Fault::ProcessedThenHang) => return std::future::pending().await,
        Some(Fault::Slow(wait)) => tokio::time::sleep(wait).await,
        Some(Fault::Truncated) | None => {}
    }
    let (content, mime, pieces) = {
        let mut inner = shared.lock();
        let files = &mut inner.files;
        let kept = files.kept.get(path).filter(|_| files.admits(path, query) && !files.gone.contains(path));
        let Some((content, mime)) = kept.map(|kept| (kept.content.clone(), kept.mime.clone())) else {
            inner.attempts[attempt].status = 404;
            return (StatusCode::NOT_FOUND, "This content is no longer available.").into_response();
        };
        files.downloads.push(path.to_owned());
        let pieces = files.pieces;
        inner.attempts[attempt].status = 200;
        (content, mime, pieces)
    };
    let headers = [(CONTENT_TYPE, mime), (CONTENT_LENGTH, content.len().to_string())];
    if matches!(fault, Some(Fault::Truncated)) {
        let half = content.slice(..content.len() / 2);
        let cut = stream::iter([Ok(half), Err(io::Error::other("cut off"))]);
        return (headers, Body::from_stream(cut)).into_response();
    }
    let Some((size, pause)) = pieces else { return (headers, content).into_response() };
    let pieces: Vec<Bytes> = content.chunks(size).map(|piece| content.slice_ref(piece)).collect();
    let slowly = stream::iter(pieces).then(move |piece| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, Infallible>(piece)
    });
    (headers, Body::from_stream(slowly)).into_response()
}

impl Platform {
    /// Keeps a file of a message to be; answers what [`Draft::attachment`](super::Draft::attachment) takes.
    pub(crate) fn keeps(&self, channel: u64, name: &str, mime: &str, content: impl Into<Bytes>) -> Value {
        let mut inner = self.lock();
        let number = inner.next_id();
        inner.files.keep(channel, number, name, mime, content.into())
    }

    /// Keeps the picture of a sticker, whose link never expires.
    pub(crate) fn keeps_sticker(&self, id: u64, extension: &str, mime: &str, content: impl Into<Bytes>) {
        let kept = Kept { content: content.into(), mime: mime.to_owned() };
        self.lock().files.kept.insert(format!("{STICKERS}{id}.{extension}"), kept);
    }

    /// All links that there are stop working; a message that is read again has new ones.
    pub(crate) fn links_expire(&self) {
        self.lock().files.generation += 1;
    }

    /// How long links work that are given from now on: a day at first.
    pub(crate) fn links_live(&self, time: Duration) {
        self.lock().files.links_live = time;
    }

    /// A file is gone for good, whatever link is used.
    pub(crate) fn loses(&self, attachment: &Value) {
        let path = attachment["url"].as_str().unwrap().to_owned();
        self.lock().files.gone.insert(path);
    }

    /// From now on files come in pieces of so many bytes, with a pause before each.
    pub(crate) fn slow_files(&self, piece: usize, pause: Duration) {
        self.lock().files.pieces = Some((piece, pause));
    }

    /// The paths that were downloaded from, in order.
    pub(crate) fn downloads(&self) -> Vec<String> {
        self.lock().files.downloads.clone()
    }
}
