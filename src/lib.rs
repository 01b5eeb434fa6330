//! A durable bridge between chat platforms and CaiGunn chatbots.
//!
//! The modules are floors of a house. A floor imports only lower floors, and the wings of one floor never import
//! each other; `tests/it/house.rs` fails when they do. `ARCHITECTURE.md` walks through the flow of a message.
//!
//! | floor | modules | what lives there |
//! | --- | --- | --- |
//! | 0 | [`model`] | values: ids, events, actions, turns, commands, texts, the clock, the error catalogue |
//! | 1 | [`config`] | the sections of the configuration and how it is loaded |
//! | 2 | [`caigunn`], [`contract`], [`http`], [`layout`] | the CaiGunn client; what channels and stores promise; what HTTP surfaces share; how texts are laid out |
//! | 3 | [`channels`], [`stores`], [`sandbox`] | the implementations |
//! | 4 | [`pipeline`] | fetch, dispatch, plan, deliver, sweep |
//! | 5 | [`web`] | health and metrics |
//! | 6 | [`app`] | builds and runs everything |
//! | 7 | [`cli`] | the command line |

pub mod app;
pub mod caigunn;
pub mod channels;
pub mod cli;
pub mod config;
pub mod contract;
pub mod http;
pub mod layout;
pub mod model;
pub mod pipeline;
pub mod sandbox;
pub mod stores;
pub mod web;
