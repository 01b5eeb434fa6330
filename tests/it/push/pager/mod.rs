//! A channel for a made-up platform, the pager, as a third party would write it: registered through the public
//! [`App::register`](caigunn_bridge::app::App::register), with nothing of the bridge's own but what is public.
//!
//! The platform is polled for updates (`GET /updates?after=`, which acknowledges what it names) and called once for each
//! message that goes out (`POST /send`). In flow order:
//!
//! [`config`] the keys of the section · [`ids`] how chats, messages and files are named · [`ingress`] the listener ·
//! [`normalize`] from an update to an event · [`render`] from an action to calls · [`send`] one call, one file, one signal

pub(super) mod config;
mod ids;
mod ingress;
mod normalize;
mod render;
mod send;

use std::sync::Arc;

use caigunn_bridge::config::Kind;
use caigunn_bridge::contract::{Channel, ChannelContext, Parsed, Registration};
use caigunn_bridge::model::Scope;

use config::PagerConfig;
pub(super) use ids::scopes;

pub(super) const KIND: &str = "pager";

/// How the kind `pager` is registered.
pub(super) fn registration() -> Registration {
    Registration {
        kind: Kind::of::<PagerConfig>(KIND),
        default_scope: Scope::User,
        default_uid_template: "{channel}-{user}",
        parse: config::parse,
        listens_as: |_| None,
        capabilities: config::capabilities,
        build,
    }
}

/// A running pager channel.
struct Pager {
    config: PagerConfig,
    client: reqwest::Client,
    context: ChannelContext,
}

/// Makes no calls: what can go wrong here is the configuration's fault, and is a state of this channel alone.
fn build(config: Parsed, context: ChannelContext) -> Result<Arc<dyn Channel>, String> {
    let config = *config.downcast::<PagerConfig>().map_err(|_| "the section was parsed by another kind".to_owned())?;
    let client = reqwest::Client::builder().timeout(*config.timeout).build().map_err(|error| error.to_string())?;
    Ok(Arc::new(Pager { config, client, context }))
}
