//! Faults: what can go wrong with a call, and which call it hits.

use serde::{Deserialize, Serialize};

use crate::sandbox::log::{Call, Caller};

/// What happens to a call. Those that say "processed" leave the turn in the conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// A status with a JSON `detail`, or with `body` and its `content_type`.
    Status {
        status: u16,
        #[serde(default)]
        body: Option<String>,
        #[serde(default)]
        content_type: Option<String>,
        /// Sent as it is: seconds or a date.
        #[serde(default)]
        retry_after: Option<String>,
        #[serde(default)]
        processed: bool,
    },
    /// A 502 with an HTML page, as a proxy sends it.
    Html502,
    /// Waits until the client goes; not processed.
    Hang,
    /// Processed, then waits until the client goes.
    ProcessThenHang,
    /// A TCP reset instead of an answer; processed.
    ProcessThenReset,
    /// A TCP reset; not processed.
    Reset,
    /// Half of the answer, then a TCP reset; processed.
    ResetMidBody,
    /// A complete answer whose JSON ends too early; processed.
    TruncatedJson,
    /// A valid answer whose text has so many bytes; processed.
    BigBody { bytes: u64 },
    /// The answer is `""`; processed.
    EmptyText,
    /// So many milliseconds before anything is processed; then as usual. A client that goes meanwhile was not heard.
    Delay { ms: u64 },
}

impl Fault {
    /// A bare status, not processed.
    pub fn status(status: u16) -> Self {
        Self::Status { status, body: None, content_type: None, retry_after: None, processed: false }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Html502 => "html502",
            Self::Hang => "hang",
            Self::ProcessThenHang => "process_then_hang",
            Self::ProcessThenReset => "process_then_reset",
            Self::Reset => "reset",
            Self::ResetMidBody => "reset_mid_body",
            Self::TruncatedJson => "truncated_json",
            Self::BigBody { .. } => "big_body",
            Self::EmptyText => "empty_text",
            Self::Delay { .. } => "delay",
        }
    }

    /// Whether the call is carried out.
    pub(super) fn processes(&self) -> bool {
        match self {
            Self::Status { processed, .. } => *processed,
            Self::Html502 | Self::Hang | Self::Reset => false,
            _ => true,
        }
    }

    /// One of the ways a server fails by chance.
    pub(super) fn random(pick: u8) -> Self {
        match pick % 5 {
            0 => Self::status(503),
            1 => Self::Status { status: 500, body: None, content_type: None, retry_after: None, processed: true },
            2 => Self::Html502,
            3 => Self::Reset,
            _ => Self::ProcessThenReset,
        }
    }
}

fn once() -> u32 {
    1
}

/// A fault for the next calls that match. Faults are tried in the order in which they were pushed; a call takes one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scripted {
    #[serde(flatten)]
    pub fault: Fault,
    #[serde(default)]
    pub call: Option<Call>,
    /// The name of a bot.
    #[serde(default)]
    pub bot: Option<String>,
    /// A part of the text.
    #[serde(default)]
    pub text: Option<String>,
    /// A part of the uid.
    #[serde(default)]
    pub uid: Option<String>,
    /// How many calls it hits; 0 means every one until the script is cleared.
    #[serde(default = "once")]
    pub times: u32,
}

impl From<Fault> for Scripted {
    /// For the next call, whatever it is.
    fn from(fault: Fault) -> Self {
        Self { fault, call: None, bot: None, text: None, uid: None, times: 1 }
    }
}

impl Scripted {
    /// For the next `talk`, `vision` … only.
    pub fn on(fault: Fault, call: Call) -> Self {
        Self { call: Some(call), ..fault.into() }
    }

    #[must_use]
    pub fn bot(mut self, name: impl Into<String>) -> Self {
        self.bot = Some(name.into());
        self
    }

    #[must_use]
    pub fn text(mut self, part: impl Into<String>) -> Self {
        self.text = Some(part.into());
        self
    }

    #[must_use]
    pub fn uid(mut self, part: impl Into<String>) -> Self {
        self.uid = Some(part.into());
        self
    }

    /// 0 means: for ever.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    fn hits(&self, call: Call, caller: &Caller) -> bool {
        fn part(wanted: Option<&String>, given: Option<&String>) -> bool {
            wanted.is_none_or(|wanted| given.is_some_and(|given| given.contains(wanted.as_str())))
        }
        self.call.is_none_or(|wanted| wanted == call)
            && self.bot.as_deref().is_none_or(|wanted| caller.bot.as_deref() == Some(wanted))
            && part(self.text.as_ref(), caller.text.as_ref())
            && part(self.uid.as_ref(), caller.uid.as_ref())
    }
}

/// The faults that are still to come.
#[derive(Default)]
pub(super) struct Script(Vec<Scripted>);

impl Script {
    pub(super) fn push(&mut self, fault: Scripted) {
        self.0.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn take(&mut self, call: Call, caller: &Caller) -> Option<Fault> {
        let place = self.0.iter().position(|scripted| scripted.hits(call, caller))?;
        let scripted = &mut self.0[place];
        let fault = scripted.fault.clone();
        match scripted.times {
            0 => {}
            1 => {
                self.0.remove(place);
            }
            _ => scripted.times -= 1,
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_taken_in_order_by_the_calls_it_matches() {
        let mut script = Script::default();
        script.push(Scripted::on(Fault::Hang, Call::Vision));
        script.push(Scripted::from(Fault::Html502).text("bad").times(2));
        script.push(Scripted::from(Fault::Reset).uid("u1").times(0));
        let caller = |uid: &str, text: &str| Caller {
            uid: Some(uid.to_owned()),
            text: Some(text.to_owned()),
            ..Caller::default()
        };
        let mut take = |call, uid, text| script.take(call, &caller(uid, text)).map(|fault| fault.name());
        assert_eq!(take(Call::Talk, "u2", "fine"), None);
        assert_eq!(take(Call::Talk, "u1", "a bad one"), Some("html502"));
        assert_eq!(take(Call::Talk, "u1", "fine"), Some("reset"));
        assert_eq!(take(Call::Vision, "u1", "bad"), Some("hang"));
        assert_eq!(take(Call::Vision, "u2", "bad"), Some("html502"));
        assert_eq!(take(Call::Talk, "u2", "bad"), None);
        assert_eq!(take(Call::Talk, "u1", "bad"), Some("reset"));
    }

    #[test]
    fn a_fault_is_read_from_json() {
        let read: Scripted = serde_json::from_str(
            r#"{"kind":"status","status":429,"retry_after":"2","call":"talk","uid":"u","times":3}"#,
        )
        .unwrap();
        assert_eq!(read.call, Some(Call::Talk));
        assert_eq!((read.times, read.fault.processes()), (3, false));
        assert!(serde_json::from_str::<Scripted>(r#"{"kind":"explode"}"#).is_err());
    }
}
