//! From an accepted event to a delivered answer.
//!
//! [`dispatch`] decides which turn runs when ([`schedule`] is its pure part), [`work`] carries one turn through (media
//! from [`fetch`], calls in [`ask`], [`recover`] after an ambiguous one, [`commands`]), [`plan`] decides what is said,
//! [`deliver`] brings each target's calls to their sender in order ([`lanes`] is its pure part), [`admit`] says when one may be
//! made (by its [`slots`]; [`pace`] is its pure part), [`send`] makes them ([`judge`] says what their failures mean), [`sweep`] forgets.
//! [`speak`] says something first, on any channel. [`retry`] and [`breaker`] hold the decisions about failures.

pub mod admit;
pub mod ask;
pub mod backlog;
pub mod bots;
pub mod breaker;
pub mod commands;
pub mod contacts;
pub mod deliver;
pub mod dispatch;
pub mod fetch;
pub mod history;
pub mod images;
pub mod judge;
pub mod lanes;
pub mod pace;
mod panics;
pub mod plan;
pub mod queue;
pub mod recover;
pub mod retry;
pub mod schedule;
pub mod send;
pub mod shared;
pub mod slots;
pub mod speak;
pub mod sweep;
pub mod typing;
pub mod work;

pub use bots::{BotRuntime, BotState};
pub use shared::{Rules, Shared};
