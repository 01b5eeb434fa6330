//! How messages come in.

use std::sync::Arc;

use crate::channels::telegram::Telegram;
use crate::contract::channel::Ingress;

pub(super) fn ingress(_channel: &Arc<Telegram>) -> Ingress {
    Ingress::default()
}
