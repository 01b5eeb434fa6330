//! `[bots.<name>]`: one chatbot of an account.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::Secret;

/// One CaiGunn chatbot.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bot {
    /// The account the chatbot belongs to: a name under `accounts`.
    #[schemars(extend("examples" = ["main"]))]
    pub account: String,
    /// The chatbot's API key (header `api-key`).
    pub api_key: Secret,
}
