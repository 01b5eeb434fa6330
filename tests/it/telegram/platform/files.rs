//! Files that people send, and fetching them (<https://core.telegram.org/bots/api#getfile>).

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{AppendHeaders, IntoResponse, Response};
use caigunn_bridge::http::Connection;
use futures_util::StreamExt;
use futures_util::stream;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::{Value, json};

use super::Platform;
use super::faults::Fault;
use super::params::Params;
use super::state::{Inner, Shared};
use super::wire::Refusal;

/// Bots can download files of up to 20 MB.
const MOST_BYTES: u64 = 20 << 20;

#[derive(Clone, Debug)]
struct Kept {
    path: String,
    content: Bytes,
    size: u64,
}

#[derive(Default)]
pub(super) struct Files {
    /// By `file_id`.
    kept: BTreeMap<String, Kept>,
    /// So many links to come expire before they are used.
    expiring: u32,
    expired: HashSet<String>,
    /// Bodies come in pieces, with a pause before each.
    pieces: Option<(usize, Duration)>,
    /// Bodies come without a word on their length.
    unmeasured: bool,
    /// Bytes of bodies in pieces that were handed over.
    handed: Arc<AtomicU64>,
    asked: Vec<String>,
    downloads: Vec<String>,
}

pub(super) fn get(inner: &mut Inner, params: &Params) -> Result<String, Refusal> {
    let files = &mut inner.files;
    let id = params.string("file_id")?.ok_or_else(|| Refusal::new(400, "Bad Request: file_id not specified"))?;
    files.asked.push(id.clone());
    let Some(kept) = files.kept.get(&id) else {
        let unknown = "Bad Request: wrong file_id or the file is temporarily unavailable";
        return Err(Refusal::new(400, unknown));
    };
    if kept.size > MOST_BYTES {
        return Err(Refusal::new(400, "Bad Request: file is too big"));
    }
    if files.expiring > 0 {
        files.expiring -= 1;
        files.expired.insert(kept.path.clone());
    } else {
        files.expired.remove(&kept.path);
    }
    let mut file = described(&id, kept.size);
    file["file_path"] = kept.path.clone().into();
    Ok(file.to_string())
}

fn described(id: &str, size: u64) -> Value {
    json!({ "file_id": id, "file_unique_id": format!("u{}", &id[id.len().saturating_sub(6)..]), "file_size": size })
}

pub(super) async fn download(shared: &Shared, connection: &Connection, door: usize, path: &str) -> Response {
    let (attempt, fault) = shared.lock().begin(door, "file", None, Some(path.to_owned()));
    match fault {
        Some(Fault::Refuse(code, description)) => return Refusal::new(code, description).into_response(),
        Some(Fault::Answer(status, body)) => return (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Some(Fault::RetryAfter(seconds) | Fault::RetryAfterAll(seconds)) => {
            return Refusal::retry_after(seconds).into_response();
        }
        Some(Fault::Reset | Fault::ProcessedThenReset) => {
            connection.reset();
            return std::future::pending().await;
        }
        Some(Fault::Hang | Fault::ProcessedThenHang) => return std::future::pending().await,
        Some(Fault::Slow(wait)) => tokio::time::sleep(wait).await,
        Some(Fault::Truncated) | None => {}
    }
    let (content, pieces, unmeasured, handed) = {
        let mut inner = shared.lock();
        inner.files.downloads.push(path.to_owned());
        let kept = inner.files.kept.values().find(|kept| kept.path == path);
        let content = kept.filter(|kept| !inner.files.expired.contains(&kept.path)).map(|kept| kept.content.clone());
        let Some(content) = content else {
            inner.attempts[attempt].status = 404;
            return Refusal::new(404, "Not Found").into_response();
        };
        inner.attempts[attempt].status = 200;
        let files = &inner.files;
        (content, files.pieces, files.unmeasured, Arc::clone(&files.handed))
    };
    let kind = [(CONTENT_TYPE, "application/octet-stream".to_owned())];
    let length = (CONTENT_LENGTH, content.len().to_string());
    let headers = AppendHeaders(kind.into_iter().chain((!unmeasured).then_some(length)).collect::<Vec<_>>());
    if matches!(fault, Some(Fault::Truncated)) {
        let half = content.slice(..content.len() / 2);
        let cut = stream::iter([Ok(half), Err(io::Error::other("cut off"))]);
        return (headers, Body::from_stream(cut)).into_response();
    }
    let Some((size, pause)) = pieces else { return (headers, content).into_response() };
    let pieces: Vec<Bytes> = content.chunks(size).map(|piece| content.slice_ref(piece)).collect();
    let slowly = stream::iter(pieces).then(move |piece| {
        handed.fetch_add(piece.len() as u64, Ordering::Relaxed);
        async move {
            tokio::time::sleep(pause).await;
            Ok::<_, Infallible>(piece)
        }
    });
    (headers, Body::from_stream(slowly)).into_response()
}

impl Platform {
    /// Keeps a file in a folder (`photos`, `documents`, …); answers what objects say of it: `file_id` and so on.
    pub(crate) fn keeps(&self, folder: &str, extension: &str, content: impl Into<Bytes>) -> Value {
        let content = content.into();
        let size = content.len() as u64;
        self.keep(folder, extension, content, size)
    }

    /// A file that is said to have so many bytes, and has none.
    pub(crate) fn keeps_sized(&self, folder: &str, extension: &str, size: u64) -> Value {
        self.keep(folder, extension, Bytes::new(), size)
    }

    fn keep(&self, folder: &str, extension: &str, content: Bytes, size: u64) -> Value {
        let files = &mut self.lock().files;
        let number = files.kept.len() + 1;
        let id = format!("AgACAgIAAxkBAAIB{folder}_{number:06}");
        let path = format!("{folder}/file_{number}.{extension}");
        files.kept.insert(id.clone(), Kept { path, content, size });
        described(&id, size)
    }

    /// A file that is said to have another size than it has.
    pub(crate) fn keeps_claimed(&self, folder: &str, extension: &str, content: impl Into<Bytes>, size: u64) -> Value {
        self.keep(folder, extension, content.into(), size)
    }

    /// A file is gone for good.
    pub(crate) fn loses(&self, file: &Value) {
        self.lock().files.kept.remove(file["file_id"].as_str().unwrap()).unwrap();
    }

    /// So many links to come expire before they are used; the next one works.
    pub(crate) fn links_expire(&self, times: u32) {
        self.lock().files.expiring = times;
    }

    /// From now on files come in pieces of so many bytes, with a pause before each.
    pub(crate) fn slow_files(&self, piece: usize, pause: Duration) {
        self.lock().files.pieces = Some((piece, pause));
    }

    /// From now on files come in pieces, and nothing says how many.
    pub(crate) fn unmeasured_files(&self, piece: usize) {
        let files = &mut self.lock().files;
        (files.pieces, files.unmeasured) = (Some((piece, Duration::from_millis(1))), true);
    }

    /// How many bytes of files in pieces were handed over.
    pub(crate) fn handed(&self) -> u64 {
        self.lock().files.handed.load(Ordering::Relaxed)
    }

    /// The files for which links were asked, by `file_id`, in order.
    pub(crate) fn files_asked(&self) -> Vec<String> {
        self.lock().files.asked.clone()
    }

    /// The paths that were downloaded from, in order.
    pub(crate) fn downloads(&self) -> Vec<String> {
        self.lock().files.downloads.clone()
    }
}
