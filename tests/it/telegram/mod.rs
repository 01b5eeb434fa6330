//! The Telegram channel.

pub(crate) mod html;
mod render;
