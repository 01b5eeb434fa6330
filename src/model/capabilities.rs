//! What a channel can do, as data: the pipeline plans by it and pages show it.

use std::borrow::Cow;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    pub delivery: Delivery,
    pub text: TextLimits,
    /// The largest attachment that can be sent, in bytes; 0 = none.
    pub attachment_bytes: u64,
    pub markup: Markup,
    /// Whether an answer can name the message that it replies to.
    pub replies: bool,
    pub edits: bool,
    /// How often "typing" must be repeated to stay visible; `None` where there is no such signal.
    pub typing: Option<Duration>,
    /// Where and for how long the platform itself drops a repeated send; `None` = it does not.
    pub dedupes_sends: Option<Dedupes>,
    /// The rates that calls are kept within, the narrowest scope first; none = the platform's own refusals are enough.
    pub rates: Vec<SendRate>,
    /// After how long the channel's maintenance is done again; `None` = once, at the start.
    pub maintain_every: Option<Duration>,
    pub overflow: Overflow,
}

/// A platform knows a send again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedupes {
    /// For how long after its first time; [`Duration::MAX`] = for ever.
    pub within: Duration,
    /// How the addresses begin at which it does not; `None` = it does everywhere.
    pub except: Option<Cow<'static, str>>,
}

impl Dedupes {
    /// Whether a send to this address, first made so long ago (`None` = unknown), would be known again.
    pub fn knows(&self, address: &str, first_sent_ago: Option<Duration>) -> bool {
        let in_time = self.within == Duration::MAX || first_sent_ago.is_some_and(|ago| ago < self.within);
        in_time && self.except.as_deref().is_none_or(|except| !address.starts_with(except))
    }
}

/// At most `calls` calls of one scope within any time of the length `per`. What is counted is each rate scope of a row
/// ([`Rendered::scopes`](crate::model::Rendered::scopes)) that begins with `scope`, by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendRate {
    /// How the scopes begin, `chat:` say, or the whole of one.
    pub scope: Cow<'static, str>,
    pub calls: u32,
    pub per: Duration,
}

/// How an answer reaches the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// By calls of ours: each becomes an outbox row.
    Push,
    /// By being read from the journal: it has arrived when the turn is committed.
    Pull,
    /// By being read, as with [`Pull`](Self::Pull): and calls of ours carry it further, where the channel renders any.
    Both,
}

/// What happens to a message over the bound of pending turns or of the per-user rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// It is not accepted; the channel says so to the caller, who still has it.
    Refuse,
    /// It is recorded and dropped by name; the sender is told once.
    Notice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextLimits {
    pub max: usize,
    pub unit: TextUnit,
}

/// In what a platform counts a text's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextUnit {
    Utf16,
    Chars,
    Bytes,
}

impl TextUnit {
    pub fn count(self, text: &str) -> usize {
        match self {
            Self::Utf16 => text.encode_utf16().count(),
            Self::Chars => text.chars().count(),
            Self::Bytes => text.len(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markup {
    /// Text is shown as it is.
    Plain,
    /// The model's Markdown is passed through.
    Markdown,
    /// The channel renders Markdown to a form of its own.
    Own,
}
