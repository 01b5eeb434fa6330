//! How messages come in.
//!
//! [`shards`] which connections this process keeps · [`identity`] who the bot is and what it may
//! read · [`session`] one connection and what is behind it, again and again · [`intake`] its events, in order, to the store ·
//! [`kept`] how far that has come · [`catch_up`] what was said meanwhile ([`missed`] in one chat) · [`slash`] the answer that a
//! slash command needs at once · [`learn`] what is told of channels and roles, [`lookup`] what has to be asked for.

mod catch_up;
pub(super) mod identity;
mod intake;
mod kept;
mod learn;
mod live;
mod lookup;
mod missed;
mod session;
mod shards;
mod slash;

use std::sync::Arc;

use crate::channels::discord::Discord;
use crate::channels::discord::gateway::Shard;
use crate::channels::discord::ingress::shards::{All, One};
use crate::contract::channel::{Ingress, Listener};

pub(super) fn ingress(channel: &Arc<Discord>) -> Ingress {
    let listener = |shard| Box::new(One { channel: Arc::clone(channel), shard }) as Box<dyn Listener>;
    let listeners = match channel.config.shards {
        None => vec![Box::new(All(Arc::clone(channel))) as Box<dyn Listener>],
        Some(of) => (0..of).map(|number| listener(Shard { number, of })).collect(),
    };
    Ingress { listeners, routes: None }
}
