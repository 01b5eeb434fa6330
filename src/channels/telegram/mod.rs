//! Telegram: a bot in private chats, groups, supergroups and their topics, through the Bot API.
//!
//! In flow order: [`config`] the keys of the section · [`ids`] how chats, messages and updates are named · [`api`] calls ·
//! [`ingress`] polling and the webhook · [`normalize`] from an update to an event · [`render`] from an action to calls ·
//! [`send`] one call, one file, one signal, and what their failures mean · `duties` the menu of commands, a look at every leg ·
//! [`wire`] what Telegram writes.

pub mod api;
pub mod config;
mod duties;
pub mod ids;
pub mod ingress;
pub mod normalize;
pub mod render;
pub mod send;
pub mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwapOption;

use crate::channels::telegram::api::Api;
use crate::channels::telegram::config::TelegramConfig;
use crate::channels::telegram::normalize::Rules;
use crate::channels::telegram::send::rest::Rests;
use crate::config::Kind;
use crate::contract::channel::{Channel, ChannelContext, Parsed, Registration};
use crate::model::Scope;

pub const KIND: &str = "telegram";

/// How the kind `telegram` is registered.
pub fn registration() -> Registration {
    Registration {
        kind: Kind::of::<TelegramConfig>(KIND),
        default_scope: Scope::User,
        default_uid_template: "{channel}-{user}",
        parse: config::parse,
        listens_as: config::listens_as,
        capabilities: config::capabilities,
        build,
    }
}

/// A running Telegram channel.
pub struct Telegram {
    config: TelegramConfig,
    api: Api,
    context: ChannelContext,
    /// Known once the bot's own name is.
    rules: ArcSwapOption<Rules>,
    /// Whether this process has set the webhook.
    set: AtomicBool,
    /// Chats that Telegram asked to be left alone for a while.
    rests: Rests,
}

/// Makes no calls: what can go wrong here is the configuration's fault, and is a state of this channel alone.
fn build(config: Parsed, context: ChannelContext) -> Result<Arc<dyn Channel>, String> {
    let config =
        *config.downcast::<TelegramConfig>().map_err(|_| "the section was parsed by another kind".to_owned())?;
    let api = Api::new(&config);
    Ok(Arc::new(Telegram {
        config,
        api,
        context,
        rules: ArcSwapOption::empty(),
        set: AtomicBool::new(false),
        rests: Rests::default(),
    }))
}
