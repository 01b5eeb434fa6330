//! `[log]`: what is logged, and how it looks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is logged, and how it looks. Neither message bodies nor secrets are logged at any level.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Level (`error`, `warn`, `info`, `debug`, `trace`) or directives such as `info,caigunn_bridge=debug`.
    #[schemars(length(min = 1))]
    pub filter: String,
    /// How a line looks.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".into(), format: LogFormat::default() }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// `human` on a terminal, `json` elsewhere.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}
