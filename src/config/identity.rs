//! `[identity]`: how people are named towards CaiGunn.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Secret;

/// How people are named towards CaiGunn.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// When set, every uid sent to CaiGunn is a hash keyed with this, so that no platform id leaves the bridge. Changing it does
    /// not rename people already known.
    #[serde(skip_serializing)]
    #[schemars(length(min = 16))]
    pub uid_hash_key: Option<Secret>,
}
