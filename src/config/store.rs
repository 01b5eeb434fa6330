//! `[store]`: where accepted work is kept.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{ByteSize, HumanDuration};

/// The durable store. SQLite, one file, with the pictures beside it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// The database file; its folder is created and must survive a restart. Relative to the working directory.
    #[schemars(with = "String", length(min = 1))]
    pub path: PathBuf,
    /// Bytes of pictures kept at most. Over it, intake slows down before anything is dropped.
    #[schemars(extend("x-minimum" = "1MiB"))]
    pub media_budget: ByteSize,
    /// How long the bodies and pictures of finished messages are kept.
    #[schemars(extend("x-minimum" = "1m", "x-maximum" = "3650d"))]
    pub retention: HumanDuration,
    /// How much longer than `retention` a message's key is remembered, so that a late redelivery is still known as one.
    #[schemars(extend("x-minimum" = "7d", "x-maximum" = "3650d"))]
    pub dedupe_retention_extra: HumanDuration,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: "data/bridge.db".into(),
            media_budget: ByteSize::gib(1),
            retention: HumanDuration::from_days(30),
            dedupe_retention_extra: HumanDuration::from_days(7),
        }
    }
}
