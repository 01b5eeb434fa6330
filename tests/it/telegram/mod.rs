//! The Telegram channel.

pub(crate) mod html;
