//! From an action to single calls. Pure: no clock, no store, no address.

use serde::{Deserialize, Serialize};

use crate::channels::telegram::ids;
use crate::model::{OutboundAction, Rendered, Target};

/// The body of a call, as a row keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum Call {
    Message {
        text: String,
        /// Whether the text is Telegram's HTML; plain otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        html: bool,
        /// Whether links show a preview.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        preview: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<i32>,
    },
    /// A text as a file, with a few words above it.
    Document {
        name: String,
        content: String,
        caption: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<i32>,
    },
}

/// How answers are rendered.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub previews: bool,
    /// An answer that needs more messages goes as a file.
    pub max_messages: usize,
}

pub fn render(action: &OutboundAction, to: &Target, style: Style) -> Vec<Rendered> {
    let OutboundAction::Send { text, reply_to, .. } = action else { return Vec::new() };
    let reply_to = reply_to.as_deref().and_then(|id| id.parse().ok());
    let call = Call::Message { text: text.clone(), html: false, preview: style.previews, reply_to };
    let payload = serde_json::to_string(&call).expect("strings and numbers can be written");
    vec![Rendered { payload, plain: None, scopes: ids::scopes(to), expires_in: None }]
}
