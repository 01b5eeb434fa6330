//! The integration tests, one binary: a module each.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

mod caigunn_client;
mod channel_suite;
mod cli;
mod config;
mod crash;
mod discord;
mod docs;
mod face;
mod faults;
mod generated;
mod house;
mod http_api;
mod http_floor;
mod isolation;
mod notify;
mod path;
mod process;
mod push;
mod reload;
mod sandbox;
mod secrets;
mod sqlite;
mod store_suite;
mod support;
mod telegram;
