//! The chat page and the widget: a few files, embedded, which the browser may keep only after asking whether they are still
//! the same.
//!
//! `/chat` is the page for whoever reaches the listener, `/widget` the same one as the inside of a frame on sites that are
//! listed. Their addresses are relative, so that they work below a path and behind a proxy.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::channels::http::config::HttpConfig;

const PAGE: &str = include_str!("page/chat.html");
const WIDGET: &str = include_str!("page/widget.js");

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What the page loads, from the folder of its own name.
const FILES: &[(&str, &str, &str)] = &[
    ("chat.css", "text/css; charset=utf-8", include_str!("page/chat.css")),
    ("chat.js", SCRIPT, include_str!("page/chat.js")),
    ("composer.js", SCRIPT, include_str!("page/composer.js")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("log.js", SCRIPT, include_str!("page/log.js")),
    ("outbox.js", SCRIPT, include_str!("page/outbox.js")),
    ("safe.js", SCRIPT, include_str!("page/safe.js")),
    ("session.js", SCRIPT, include_str!("page/session.js")),
    ("stream.js", SCRIPT, include_str!("page/stream.js")),
    ("words.js", SCRIPT, include_str!("page/words.js")),
];

/// Nothing but the bridge's own files and addresses, whatever an answer holds; no strings as markup but for the one policy that
/// parses answers into a document in which nothing runs (`safe.js`).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; \
    trusted-types caigunn-inert; frame-ancestors ";

const PERMISSIONS: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

/// The page's routes, as far as the channel serves them: none of them needs its state.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(config: &HttpConfig) -> Router<S> {
    let mut router = Router::new();
    if config.playground {
        router = dress(router, "chat", config, &[]);
    }
    if !config.origins.is_empty() {
        router = dress(router, "widget", config, &config.origins);
        let mut script = Asset::new(SCRIPT, WIDGET.to_owned());
        // A site that isolates itself may load it, too.
        script.headers.insert(name("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
        router = script.at(router, "/widget.js");
    }
    router
}

/// The page and its files below one name.
fn dress<S>(mut router: Router<S>, folder: &str, config: &HttpConfig, origins: &[String]) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    // Origins were checked when the configuration was read: nothing in them needs to be escaped.
    let origins = origins.join(" ");
    let html = PAGE
        .replace("{dress}", folder)
        .replace("{folder}", folder)
        .replace("{origins}", &origins)
        .replace("{max_text}", &config.max_text.to_string())
        .replace("{max_images}", &config.max_images.to_string());
    let mut page = Asset::new("text/html; charset=utf-8", html);
    let ancestors = if origins.is_empty() { "'none'" } else { &origins };
    if let Ok(policy) = HeaderValue::from_str(&format!("{POLICY}{ancestors}")) {
        page.headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    page.headers.insert(name("permissions-policy"), HeaderValue::from_static(PERMISSIONS));
    router = page.at(router, &format!("/{folder}"));
    for (file, kind, content) in FILES {
        router = Asset::new(kind, (*content).to_owned()).at(router, &format!("/{folder}/{file}"));
    }
    router
}

/// One file with its headers.
#[derive(Clone)]
struct Asset {
    headers: HeaderMap,
    content: Bytes,
}

impl Asset {
    fn new(kind: &'static str, content: String) -> Self {
        let digest = Sha256::digest(&content);
        let mut headers = HeaderMap::new();
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest[..12]))) {
            headers.insert(header::ETAG, tag);
        }
        for (name, value) in [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "no-cache"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Self { headers, content: content.into() }
    }

    fn at<S: Clone + Send + Sync + 'static>(self, router: Router<S>, path: &str) -> Router<S> {
        router.route(path, get(async move |asked: HeaderMap| self.answer(&asked)))
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let same = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok()).any(|tags| {
            let own = self.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default();
            // A proxy that compresses marks the tag as weak.
            tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == own)
        });
        let mut response =
            if same { StatusCode::NOT_MODIFIED.into_response() } else { self.content.clone().into_response() };
        response.headers_mut().extend(self.headers.clone());
        response
    }
}

const fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}
