//! What is done beside the talk: slash commands ([`commands`]), and a look at every leg for `check --online` ([`look`]).

mod commands;
mod look;

pub(super) use commands::maintain;
pub(super) use look::probe;
