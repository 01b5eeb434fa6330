//! `[texts.<language>]`: the bridge's own sentences, in other words.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sentences by key: what replaces the bridge's own in one language.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TextOverrides(pub BTreeMap<String, String>);
