//! The generic HTTP channel: a message is a request, its answer the response.
//!
//! [`config`] the keys of the section · [`ids`] how callers, people and requests are named · [`ingress`] the routes ·
//! [`body`] from JSON or multipart to a request · [`normalize`] from a request to an event · [`render`] from a turn to the
//! answer's JSON · [`send`] what goes out by itself: `callback`s, where an API key has one · `outbound` what is said first ·
//! `pictures` by URL.

pub mod body;
mod callback;
pub mod config;
pub mod ids;
pub mod ingress;
pub mod normalize;
mod outbound;
mod pictures;
pub mod render;
pub mod send;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::channels::http::body::Bodies;
use crate::channels::http::callback::Callbacks;
use crate::channels::http::config::HttpConfig;
use crate::channels::http::pictures::Pictures;
use crate::config::Kind;
use crate::contract::channel::{Channel, ChannelContext, Parsed, Registration};
use crate::http::BearerKeys;
use crate::model::Scope;

pub const KIND: &str = "http";

/// How the kind `http` is registered.
pub fn registration() -> Registration {
    Registration {
        kind: Kind::of::<HttpConfig>(KIND),
        default_scope: Scope::UserInChat,
        default_uid_template: "{channel}-{tenant}-{user}",
        parse: config::parse,
        listens_as: |_| None,
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
    context: ChannelContext,
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
    let callbacks = Callbacks::new(&config, context.id.as_str())?;
    let pictures = Pictures::new(&config)?;
    Ok(Arc::new(HttpChannel { config, keys, limiters, bodies: Bodies::default(), callbacks, pictures, context }))
}
