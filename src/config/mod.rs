//! The configuration: one file per section, documented on the fields, and how it is loaded.
//!
//! Defaults, then the file, then the environment (`CAIGUNN_BRIDGE__SECTION__KEY`). [`load()`] walks the merged tree along the JSON
//! schema generated from the types, so that every mistake is known at once and with its line; [`schema()`] and [`example()`] are
//! generated from the same types, so that they cannot disagree with it.
//!
//! Beside the sections, from the ground up: `shape` (what a schema says of a value), `names`, `units` · `origins`, `mistake`
//! (where a key was given, what is wrong with it) · `formats` (single values) · `validate`, `secrets`, `walk` (a whole tree) ·
//! `schema` (of everything, with the kinds of channels) · `layers`, `checks`, `load`, `listener` · `show`, `example`, `reference`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

mod access;
mod accounts;
mod bots;
mod channels;
mod checks;
mod example;
mod formats;
mod identity;
mod layers;
mod listener;
mod load;
mod log;
mod mistake;
mod names;
mod origins;
mod pipeline;
mod platform;
mod reference;
mod schema;
mod secrets;
mod server;
mod shape;
mod show;
mod store;
mod suggest;
mod texts;
mod units;
mod validate;
mod walk;

pub use self::{
    access::{Access, Id},
    accounts::{Account, BASE_URL_FORMAT},
    bots::Bot,
    channels::{Channel, RawSection},
    example::example,
    identity::Identity,
    layers::{FILE_VARIABLE, FileText, PREFIX, Sources, usual_places},
    listener::{Listener, listener},
    load::{Loaded, load, load_again, load_tolerant},
    log::{Log, LogFormat},
    mistake::{Mistake, Mistakes},
    names::{LANGUAGE_FORMAT, NAME_FORMAT, is_language, is_name},
    origins::{Origin, Origins},
    pipeline::{AmbiguousSend, Breaker, Image, Pipeline, Retry},
    platform::{LateEdits, is_address},
    reference::reference,
    schema::{Kind, Known, schema},
    secrets::{FileDigest, digest_of},
    server::{ListenAddress, Server},
    show::redacted,
    store::Store,
    texts::TextOverrides,
    units::{ByteSize, HumanDuration, UnitError},
    walk::check_section,
};

/// The whole configuration.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// CaiGunn accounts by name.
    #[schemars(extend("propertyNames" = { "format": names::NAME_FORMAT }, "x-essential" = true))]
    pub accounts: BTreeMap<String, Account>,
    /// Chatbots by name.
    #[schemars(extend("propertyNames" = { "format": names::NAME_FORMAT }, "x-essential" = true))]
    pub bots: BTreeMap<String, Bot>,
    /// Channels by id. The id is part of every uid: do not rename it.
    #[schemars(extend("propertyNames" = { "format": names::NAME_FORMAT }, "x-essential" = true))]
    pub channels: BTreeMap<String, Channel>,
    pub server: Server,
    pub store: Store,
    pub pipeline: Pipeline,
    pub identity: Identity,
    /// The bridge's own sentences by language: what replaces them.
    #[schemars(extend("propertyNames" = { "format": names::LANGUAGE_FORMAT }))]
    pub texts: BTreeMap<String, TextOverrides>,
    pub log: Log,
}
