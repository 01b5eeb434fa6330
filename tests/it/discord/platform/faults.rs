//! What goes wrong, as it is told.

use std::time::Duration;

use super::Platform;
use super::state::{Attempt, Inner};

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// A refusal as Discord writes it: status, code, message; not processed.
    Refuse(u16, u64, &'static str),
    /// Any status with any body; not processed.
    Answer(u16, &'static str),
    /// 429 for the route and channel, for so many seconds.
    RetryAfter(f64),
    /// 429 for the bot as a whole.
    RetryAfterAll(f64),
    /// 429 of a limit that is not the bot's own: it does not count as an invalid request.
    RetryAfterShared(f64),
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

/// What Discord's front shows when there is nothing behind it.
pub(crate) const BAD_GATEWAY: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
    <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n";

pub(super) struct Scripted {
    fault: Fault,
    route: String,
    channel: Option<u64>,
    text: Option<String>,
    /// 0: for ever.
    times: u32,
}

impl Inner {
    /// What goes wrong with this call; used up by it.
    pub(super) fn fault(&mut self, call: &Attempt) -> Option<Fault> {
        let hits = |scripted: &Scripted| {
            (scripted.route == "*" || scripted.route == call.route)
                && scripted.channel.is_none_or(|wanted| call.channel == Some(wanted))
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
    /// The next calls of a route (a name of [`routes`](super::routes), `"*"`: all) for a channel (all for `None`) fail,
    /// `times` of them; 0 = for ever.
    pub(crate) fn fails(&self, route: &str, channel: Option<u64>, fault: Fault, times: u32) {
        self.script(route, channel, None, fault, times);
    }

    /// The same for texts or paths that contain a part.
    pub(crate) fn fails_on(&self, route: &str, text: &str, fault: Fault, times: u32) {
        self.script(route, None, Some(text.to_owned()), fault, times);
    }

    fn script(&self, route: &str, channel: Option<u64>, text: Option<String>, fault: Fault, times: u32) {
        self.lock().script.push(Scripted { fault, route: route.to_owned(), channel, text, times });
    }

    pub(crate) fn heals(&self) {
        self.lock().script.clear();
    }
}
