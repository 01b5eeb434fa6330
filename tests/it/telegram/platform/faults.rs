//! What goes wrong, as it is told.

use std::time::Duration;

use super::Platform;
use super::state::{Attempt, Inner};

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// A refusal as the Bot API writes it; not processed.
    Refuse(u16, &'static str),
    /// Any status with any body; not processed.
    Answer(u16, &'static str),
    /// 429 for the chat, for so many seconds.
    RetryAfter(u64),
    /// 429 for the bot as a whole.
    RetryAfterAll(u64),
    /// A TCP reset; not processed.
    Reset,
    /// Processed, then a TCP reset instead of the answer.
    ProcessedThenReset,
    /// Not answered until the client goes; not processed.
    Hang,
    /// Processed, and not answered until the client goes.
    ProcessedThenHang,
    /// Processed after a while.
    Slow(Duration),
    /// Processed, and the answer breaks off in the midst of its JSON (or its file).
    Truncated,
}

/// What a gateway in front of the Bot API shows when there is nothing behind it.
pub(crate) const BAD_GATEWAY: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
    <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.18.0</center>\r\n</body>\r\n</html>\r\n";

/// What a second poller does to the first.
pub(crate) const CONFLICT: &str =
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";

pub(super) struct Scripted {
    fault: Fault,
    method: String,
    chat: Option<i64>,
    text: Option<String>,
    /// 0: for ever.
    times: u32,
}

impl Inner {
    /// What goes wrong with this call; used up by it.
    pub(super) fn fault(&mut self, call: &Attempt) -> Option<Fault> {
        let hits = |scripted: &Scripted| {
            (scripted.method == "*" || scripted.method == call.method)
                && scripted.chat.is_none_or(|wanted| call.chat == Some(wanted))
                && scripted.text.as_ref().is_none_or(|part| call.text.as_ref().is_some_and(|text| text.contains(part)))
        };
        let place = self.script.iter().position(hits)?;
        let fault = self.script[place].fault.clone();
        match self.script[place].times {
            0 => {}
            1 => drop(self.script.remove(place)),
            _ => self.script[place].times -= 1,
        }
        Some(fault)
    }
}

impl Platform {
    /// The next calls of a method (`"file"`: downloads, `"*"`: everything) for a chat (all for `None`) fail, `times` of them; 0 = for ever.
    pub(crate) fn fails(&self, method: &str, chat: Option<i64>, fault: Fault, times: u32) {
        self.script(method, chat, None, fault, times);
    }

    /// The same for texts, captions or paths that contain a part.
    pub(crate) fn fails_on(&self, method: &str, text: &str, fault: Fault, times: u32) {
        self.script(method, None, Some(text.to_owned()), fault, times);
    }

    fn script(&self, method: &str, chat: Option<i64>, text: Option<String>, fault: Fault, times: u32) {
        self.lock().script.push(Scripted { fault, method: method.to_ascii_lowercase(), chat, text, times });
    }

    pub(crate) fn heals(&self) {
        self.lock().script.clear();
    }
}
