//! The channels. A new one is one folder here and one line in [`built_in`].

pub mod discord;
pub mod http;
pub mod telegram;

use crate::contract::Registration;

/// Every kind of channel that comes with the bridge.
pub fn built_in() -> Vec<Registration> {
    vec![http::registration(), telegram::registration(), discord::registration()]
}
