//! The generic HTTP channel: a message is a request, its answer the response.
//!
//! [`config`] the keys of the section · [`ids`] how callers, people and requests are named · [`caller`] who calls, with an API
//! key or a [`session`] token · [`cors`] from which sites · [`ingress`] the routes · [`body`] from JSON or multipart to a request ·
//! [`normalize`] from a request to an event · [`render`] from turns and the journal to what is answered · [`send`] what goes out
//! by itself: [`callback`]s, where an API key has one · [`pictures`] by URL · [`page`] the chat page and the widget.

pub mod body;
mod callback;
mod caller;
pub mod config;
mod cors;
pub mod ids;
pub mod ingress;
pub mod normalize;
mod page;
mod pictures;
pub mod render;
pub mod send;
mod session;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OnceCell, broadcast};

use crate::channels::http::body::Bodies;
use crate::channels::http::callback::Callbacks;
use crate::channels::http::config::HttpConfig;
use crate::channels::http::pictures::Pictures;
use crate::channels::http::session::Signer;
use crate::config::Kind;
use crate::contract::channel::{Channel, ChannelContext, Parsed, Registration};
use crate::contract::store::StoreError;
use crate::http::{BearerKeys, Problem};
use crate::model::{ContactKey, Scope};

pub const KIND: &str = "http";

/// How the kind `http` is registered.
pub fn registration() -> Registration {
    Registration {
        kind: Kind::of::<HttpConfig>(KIND),
        default_scope: Scope::UserInChat,
        default_uid_template: "{channel}-{tenant}-{user}",
        parse: config::parse,
        listens_as: config::listens_as,
        capabilities: send::capabilities,
        build,
    }
}

/// A running HTTP channel.
pub struct HttpChannel {
    config: HttpConfig,
    keys: BearerKeys,
    /// Requests per key.
    limiters: HashMap<Arc<str>, DefaultDirectRateLimiter>,
    /// What the bodies that are being read may take together.
    bodies: Bodies,
    callbacks: Callbacks,
    pictures: Pictures,
    /// What session tokens are signed with, by key.
    signers: HashMap<Arc<str>, Signer>,
    guest_signer: OnceCell<Signer>,
    /// Requests per user of a session, and how many were counted.
    session_limiter: (DefaultKeyedRateLimiter<ContactKey>, AtomicU32),
    guest_limiter: DefaultDirectRateLimiter,
    streams: ingress::Streams,
    /// Tells streams whose conversation has not begun that it may have.
    arrivals: broadcast::Sender<ContactKey>,
    context: ChannelContext,
}

/// How many arrivals a stream may be behind; then it looks for itself.
const ARRIVALS: usize = 64;

fn per_minute(n: u32) -> Quota {
    Quota::per_minute(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN))
}

/// A failure of the store, as the caller is told.
fn store_problem(error: StoreError) -> Problem {
    tracing::error!(%error, "a request failed at the store");
    match error {
        StoreError::MediaFull { .. } | StoreError::Unavailable(_) => Problem::unavailable(Duration::from_secs(5)),
        _ => Problem::internal(),
    }
}

fn build(config: Parsed, context: ChannelContext) -> Result<Arc<dyn Channel>, String> {
    let config = *config.downcast::<HttpConfig>().map_err(|_| "the section was parsed by another kind".to_owned())?;
    let keys = BearerKeys::new(config.keys.iter().map(|(name, key)| (name.as_str(), key.key.clone())));
    let limiters = config
        .keys
        .iter()
        .filter_map(|(name, key)| {
            let per_minute = NonZeroU32::new(key.rate_per_minute)?;
            Some((Arc::from(name.as_str()), RateLimiter::direct(Quota::per_minute(per_minute))))
        })
        .collect();
    let signers =
        config.keys.iter().map(|(name, key)| (Arc::from(name.as_str()), Signer::new(key.key.expose()))).collect();
    let callbacks = Callbacks::new(&config, context.id.as_str())?;
    let pictures = Pictures::new(&config)?;
    Ok(Arc::new(HttpChannel {
        config,
        keys,
        limiters,
        bodies: Bodies::default(),
        callbacks,
        pictures,
        signers,
        guest_signer: OnceCell::new(),
        session_limiter: (RateLimiter::keyed(per_minute(caller::SESSION_RATE)), AtomicU32::new(0)),
        guest_limiter: RateLimiter::direct(per_minute(ingress::GUESTS)),
        streams: ingress::Streams::default(),
        arrivals: broadcast::channel(ARRIVALS).0,
        context,
    }))
}
