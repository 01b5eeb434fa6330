//! The Discord channel. [`platform`] is the Discord that it talks to: REST and a gateway.

/// The socket, from the bridge's side.
mod gateway;
#[expect(dead_code, reason = "the tests of the channel use the rest of it")]
mod platform;
mod render;
