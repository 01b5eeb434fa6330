//! How messages come in.

use std::sync::Arc;

use crate::channels::discord::Discord;
use crate::contract::channel::Ingress;

pub(super) fn ingress(_channel: &Arc<Discord>) -> Ingress {
    Ingress::default()
}
