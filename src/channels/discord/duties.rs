//! What is done beside the talk: slash commands, and a look at every leg for `check --online`.

use crate::channels::discord::Discord;
use crate::contract::channel::{Finding, SendError};

pub(super) async fn maintain(_channel: &Discord) -> Result<(), SendError> {
    Ok(())
}

pub(super) async fn probe(_channel: &Discord) -> Vec<Finding> {
    Vec::new()
}
