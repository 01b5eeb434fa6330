//! Discord: a bot in servers, threads and direct messages.
//!
//! [`ids`] how chats are named · [`render`] from an action to calls.

mod ids;
pub mod render;
