//! What a failed call means for its row, by Discord's own codes
//! (<https://docs.discord.com/developers/topics/opcodes-and-status-codes#json>). Pure.

use std::time::Duration;

use crate::channels::discord::api::{CallError, LimitScope};

/// A pause where Discord names none.
const NO_RETRY_AFTER: Duration = Duration::from_secs(30);

/// A call is not made again sooner than this, whatever Discord says.
const SHORTEST: Duration = Duration::from_millis(50);

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A message in a channel, or in a thread that somebody wrote in.
    Channel,
    /// A message in a thread that the bot opened for its answer.
    Thread,
    /// A message to a person, in place of an answer that only they may see.
    Direct,
    OpenThread,
    OpenDirect,
    /// An answer through an interaction's token.
    Answer,
    /// A look at what an interaction's token shows; nothing is said by it.
    Look,
    /// A read as the bot itself.
    Read,
}

impl Step {
    /// Whether it can be done twice without a trace.
    fn is_repeatable(self) -> bool {
        matches!(self, Self::OpenThread | Self::OpenDirect | Self::Look | Self::Read)
    }

    /// Whether it works by a token in the path: a refusal says nothing of the bot's own.
    fn is_by_token(self) -> bool {
        matches!(self, Self::Answer | Self::Look)
    }
}

/// A call, as far as its failure depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried {
    pub(super) step: Step,
    pub(super) is_file: bool,
    /// Whether it names a message that it replies to.
    pub(super) quotes: bool,
    /// Whether the same call has been made before.
    pub(super) again: bool,
    /// Whether the interaction is so young that its acknowledgement may be still on the way.
    pub(super) is_early: bool,
}

impl Tried {
    pub(super) fn new(step: Step) -> Self {
        Self { step, is_file: false, quotes: false, again: false, is_early: false }
    }
}

/// What a failed call means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Not processed; the chat, or the bot as a whole, is to be left alone.
    RateLimited { retry_after: Duration, whole_bot: bool },
    /// The bot's token is refused.
    Unauthorized(String),
    /// Not sent, because the message that it replies to cannot be named; with whether that goes for the whole chat.
    Unquotable { everywhere: bool },
    /// It was sent by an earlier try, and somebody has deleted it since.
    SentBefore,
    /// The address is refused; the fallback may do.
    Address(String),
    /// Nothing can be sent to this chat.
    Gone(String),
    /// Never this call.
    Rejected(String),
    /// It has not arrived.
    NotArrived(String),
    /// It may have arrived.
    InDoubt(String),
}

pub(super) fn meaning(error: &CallError, tried: Tried) -> Meaning {
    let what = error.to_string();
    let open = |what| if tried.step.is_repeatable() { Meaning::NotArrived(what) } else { Meaning::InDoubt(what) };
    let (status, code, inner) = match error {
        CallError::Connect(_) => return Meaning::NotArrived(what),
        CallError::Lost(_) => return open(what),
        CallError::Limited { retry_after, scope } => {
            let retry_after = (*retry_after).max(SHORTEST);
            return Meaning::RateLimited { retry_after, whole_bot: *scope == LimitScope::Global };
        }
        // What stands before Discord answered in its place. What such a thing refuses it has not passed on; a timeout, a failure
        // behind it, or an answer that cannot be read leave it open.
        CallError::Odd { status: 413, .. } => return Meaning::Rejected(what),
        CallError::Odd { status: 300..=407 | 409..=499, .. } => return Meaning::NotArrived(what),
        CallError::Odd { .. } => return open(what),
        CallError::Refused { status, code, inner, .. } => (*status, *code, inner),
    };
    match (status, code) {
        (408 | 500.., _) => return open(what),
        (_, 20016 | 20028 | 20029 | 40003 | 40062) => {
            return Meaning::RateLimited { retry_after: NO_RETRY_AFTER, whole_bot: false };
        }
        // "Send messages has been temporarily disabled"; "API resource is currently overloaded".
        (_, 40004 | 130_000) => return Meaning::NotArrived(what),
        (413, _) | (_, 40005 | 50045 | 50046) => return Meaning::Rejected(what),
        _ => {}
    }
    if tried.step.is_by_token() {
        return by_token(status, code, what, tried);
    }
    match (status, code) {
        // "You need to verify your account": the bot's. No chat is at fault.
        (401, _) | (_, 40001 | 40002 | 50014) => return Meaning::Unauthorized(what),
        // Nothing of Discord's is at this address.
        (404 | 405, 0) => return Meaning::NotArrived(what),
        _ => {}
    }
    if tried.step == Step::OpenThread {
        return Meaning::Address(no_thread(code).map_or(what, |why| format!("{why} ({code})")));
    }
    let replies = |code: &String| code.starts_with("REPLIES_") || code.starts_with("MESSAGE_REFERENCE_");
    match code {
        160_002 | 160_009 if tried.quotes => return Meaning::Unquotable { everywhere: true },
        160_010 if tried.quotes => return Meaning::Unquotable { everywhere: false },
        50035 if tried.quotes && inner.iter().any(replies) => return Meaning::Unquotable { everywhere: false },
        // A message with this nonce was there, "Unknown Message" says what became of it
        // (https://github.com/discord/discord-api-docs/pull/6647).
        10008 if tried.again => return Meaning::SentBefore,
        10008 if tried.quotes => return Meaning::Unquotable { everywhere: false },
        // A chat can take messages and no files.
        50013 if tried.is_file => {
            let hint = "no permission to attach files (50013): give the bot's role \"Attach Files\" there";
            return Meaning::Rejected(hint.to_owned());
        }
        _ => {}
    }
    match gone(code, tried.step) {
        // Whoever asked has a channel in which the bot may do more.
        Some(why) if tried.step == Step::Thread && matches!(code, 50001 | 50013) => {
            Meaning::Address(format!("{why} ({code})"))
        }
        Some(why) => Meaning::Gone(format!("{why} ({code})")),
        None => Meaning::Rejected(what),
    }
}

/// Refusals on the way of an interaction's token.
fn by_token(status: u16, code: u32, what: String, tried: Tried) -> Meaning {
    match (status, code) {
        // Discord knows no webhook before it has the acknowledgement, and none after the interaction's time.
        (_, 10015 | 10062) if tried.is_early => {
            Meaning::NotArrived(format!("the command is not acknowledged yet ({code})"))
        }
        (_, 10015 | 10062 | 50027) => Meaning::Address(format!("the command's time to be answered is over ({code})")),
        (_, 10008) => Meaning::Address("the answer that stood for this one was deleted (10008)".to_owned()),
        (401 | 403 | 404, _) => Meaning::Address(what),
        _ => Meaning::Rejected(what),
    }
}

/// Why no thread can be opened, where it is known better than Discord says it.
fn no_thread(code: u32) -> Option<&'static str> {
    Some(match code {
        10008 => "the question that the thread was to hang on was deleted",
        30033 | 160_006 | 160_007 => "there are as many threads as there can be",
        50001 | 50013 => {
            "no permission to open a thread: give the bot's role \"View Channel\", \"Read Message History\" and \"Create Public \
             Threads\" there"
        }
        50003 | 50024 => "there are no threads in this kind of channel: take it out of `threads_in`",
        _ => return None,
    })
}

/// Refusals of a chat that will not change by trying again.
fn gone(code: u32, step: Step) -> Option<&'static str> {
    Some(match code {
        10003 => "the channel was deleted, or is another bot's",
        10004 | 50055 => "the bot is not in this server",
        10013 | 50033 => "there is no such person",
        40007 => "the bot is banned from this server",
        40058 => "a forum takes posts, not messages",
        50001 => "no access to the channel: give the bot's role \"View Channel\" there",
        50007 | 50278 if step == Step::Direct => {
            "the command's time to be answered was over, and the person takes no direct messages of the bot; what only they may \
             see is not posted where others read"
        }
        50007 | 50278 => "the person takes no direct messages of the bot",
        50008 => "nothing can be written in this kind of channel",
        50009 => "the server's verification level is too high for the bot",
        50013 => {
            "no permission to write in the channel: give the bot's role \"Send Messages\" there (in a thread \"Send Messages in \
             Threads\")"
        }
        50083 => "the thread is archived, and the bot may not open it again",
        50095 => "the server is not available where the bot is",
        160_005 => "the thread is locked",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
