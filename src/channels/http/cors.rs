//! From which sites' pages a browser may call (CORS).

use std::time::Duration;

use axum::Router;
use http::{HeaderName, HeaderValue, Method, header};
use reqwest::Url;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::http::Problem;
use crate::model::error;

/// How long a browser may remember what it was told.
const MAX_AGE: Duration = Duration::from_secs(600);

const fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

pub(super) fn layer<S: Clone + Send + Sync + 'static>(router: Router<S>, origins: &[String]) -> Router<S> {
    if origins.is_empty() {
        return router;
    }
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            name("idempotency-key"),
            name("last-event-id"),
            name("prefer"),
        ])
        .expose_headers([header::LOCATION, header::RETRY_AFTER, header::WWW_AUTHENTICATE, name("idempotent-replayed")])
        .max_age(MAX_AGE);
    // Routes need their own fallback before the layer: what the server adds later would stand outside, and a preflight is a method
    // that no route has.
    router.method_not_allowed_fallback(async || Problem::new(error::METHOD_NOT_ALLOWED)).layer(cors)
}

/// Why a text is no origin as browsers write it.
pub(super) fn check(origin: &str) -> Result<(), String> {
    let Ok(url) = Url::parse(origin) else { return Err("is no origin".to_owned()) };
    if !matches!(url.scheme(), "http" | "https") {
        return Err("is no origin: it must begin with https:// or http://".to_owned());
    }
    let plain = url.origin().ascii_serialization();
    // A host may hold marks that mean something in a policy or in HTML, or a `*`, which no browser ever sends.
    if !plain.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/' | '[' | ']')) {
        return Err("is no origin: its host is none that a site can have".to_owned());
    }
    if plain == origin { Ok(()) } else { Err(format!("is not written as browsers do: {plain}")) }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for good in ["https://shop.example", "http://localhost:3000", "http://127.0.0.1:8080", "https://xn--fiq228c.tw"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "*",
            "shop.example",
            "https://shop.example/",
            "https://Shop.example",
            "https://shop.example:443",
            "null",
            "ftp://shop.example",
            "https://shop.example/chat",
            "https://*.shop.example",
            "https://a;script-src",
            "https://a,b",
            "https://a\"b",
            "https://a'b",
            "https://a&b",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert_eq!(check("https://商店.tw").unwrap_err(), "is not written as browsers do: https://xn--czrs0t.tw");
    }
}
