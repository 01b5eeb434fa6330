//! Discord: a bot in servers, threads and direct messages, through the gateway and the REST API.
//!
//! In flow order: [`config`] the keys of the section · [`ids`] how chats, messages and files are named · [`api`] calls ·
//! [`gateway`] one shard's connection · [`wire`] what Discord writes · [`places`] what is known of channels and roles ·
//! [`normalize`] from an event to one of ours · [`ingress`] events in order to the store, and what was missed ·
//! [`render`] from an action to calls · [`send`] one call, one file, one signal, and what their failures mean · `memory` what is remembered of that · `duties` slash
//! commands, a look at every leg.

pub mod api;
pub mod config;
mod duties;
pub mod gateway;
pub mod ids;
pub mod ingress;
mod memory;
pub mod normalize;
pub mod places;
pub mod render;
pub mod send;
pub mod wire;

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::channels::discord::api::Api;
use crate::channels::discord::config::DiscordConfig;
use crate::channels::discord::gateway::{Links, Starts, Timing};
use crate::channels::discord::ids::Snowflake;
use crate::channels::discord::memory::Sending;
use crate::channels::discord::places::Places;
use crate::config::Kind;
use crate::contract::channel::{Channel, ChannelContext, Parsed, Registration};
use crate::model::Scope;

pub const KIND: &str = "discord";

/// How the kind `discord` is registered.
pub fn registration() -> Registration {
    Registration {
        kind: Kind::of::<DiscordConfig>(KIND).with_servers(),
        default_scope: Scope::User,
        default_uid_template: "{channel}-{user}",
        parse: config::parse,
        listens_as: config::listens_as,
        capabilities: config::capabilities,
        build,
    }
}

/// A running Discord channel.
pub struct Discord {
    config: DiscordConfig,
    api: Api,
    context: ChannelContext,
    /// The bot's user, whose id is in its token.
    bot: Snowflake,
    /// Of an old bot another id than the bot's.
    application: OnceCell<Snowflake>,
    places: Places,
    starts: Starts,
    links: Links,
    sending: Sending,
}

/// Makes no calls: what can go wrong here is the configuration's fault, and is a state of this channel alone.
fn build(config: Parsed, context: ChannelContext) -> Result<Arc<dyn Channel>, String> {
    let config =
        *config.downcast::<DiscordConfig>().map_err(|_| "the section was parsed by another kind".to_owned())?;
    let bot = ids::account(config.token.expose()).ok_or("the token names no bot")?;
    let api = Api::new(&config);
    Ok(Arc::new(Discord {
        sending: Sending::default(),
        places: Places::new(bot),
        starts: Starts::new(Timing::default()),
        links: Links::new(context.state.clone()),
        config,
        api,
        context,
        bot,
        application: OnceCell::new(),
    }))
}
