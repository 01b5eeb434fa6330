//! What a failed call means for its row, by the code and the words of the Bot API server. Pure.
//!
//! The words are not documented. Those here are the server's own (<https://github.com/tdlib/telegram-bot-api>, Client.cpp,
//! `fail_query_with_error`), TDLib's behind it (<https://github.com/tdlib/td>, `can_send_message_content`), and the names of
//! Telegram's own errors, which it passes on (<https://core.telegram.org/method/messages.sendMessage#possible-errors>).

use std::time::Duration;

use crate::channels::telegram::api::CallError;

/// A pause where Telegram names none.
const NO_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Where a call went, as far as its failure depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) in_topic: bool,
    pub(super) is_document: bool,
}

/// What a failed call means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Not processed; the chat or the bot is to be left alone.
    RateLimited(Duration),
    /// The group goes on as this chat.
    Migrated(i64),
    /// The token is refused.
    Unauthorized(String),
    /// The formatting is refused.
    Markup(String),
    /// The topic is refused; the chat is not.
    Topic(String),
    /// Nothing can be sent to this chat.
    Gone(String),
    /// Never this call.
    Rejected(String),
    /// It has not arrived.
    NotArrived(String),
    /// It may have arrived.
    InDoubt(String),
}

pub(super) fn meaning(error: CallError, call: Call) -> Meaning {
    let (code, description, parameters) = match error {
        CallError::Connect(_) => return Meaning::NotArrived(error.to_string()),
        CallError::Lost(_) => return Meaning::InDoubt(error.to_string()),
        CallError::Odd { status, .. } => return no_answer(status, error.to_string()),
        CallError::Refused { code, description, parameters } => (code, description, parameters),
    };
    if let Some(seconds) = parameters.retry_after {
        return Meaning::RateLimited(Duration::from_secs(seconds.max(1)));
    }
    if let Some(to) = parameters.migrate_to_chat_id {
        return Meaning::Migrated(to);
    }
    let words = description.to_ascii_lowercase();
    let says = |part: &str| words.contains(part);
    let says_any = |parts: &[&str]| parts.iter().any(|part| says(part));
    match code {
        401 | 404 => Meaning::Unauthorized(description),
        429 => Meaning::RateLimited(NO_RETRY_AFTER),
        // How the server passes a limit on whose length it cannot read.
        500 if says("too many requests") => Meaning::RateLimited(NO_RETRY_AFTER),
        500.. => Meaning::InDoubt(format!("{description} ({code})")),
        // The bot was moved to another Bot API server with `logOut`: nobody's chat is at fault.
        400 if says("logged out") => Meaning::Unauthorized(description),
        400 if says("can't parse entities") => Meaning::Markup(description),
        400 if call.in_topic && says_any(TOPIC) => Meaning::Topic(description),
        // A chat can take messages and no files.
        400 | 403 if call.is_document && says_any(NO_FILES) => Meaning::Rejected(description),
        403 => Meaning::Gone(description),
        400 if says_any(GONE) => Meaning::Gone(description),
        _ => Meaning::Rejected(description),
    }
}

/// What stands before the server (a proxy, a gateway) answered in its place. What such a thing refuses it has not passed on; a
/// timeout, a failure behind it, or an answer that cannot be read leave it open.
fn no_answer(status: u16, what: String) -> Meaning {
    match status {
        413 => Meaning::Rejected(what),
        429 => Meaning::RateLimited(NO_RETRY_AFTER),
        408 => Meaning::InDoubt(what),
        300..=499 => Meaning::NotArrived(what),
        _ => Meaning::InDoubt(what),
    }
}

const TOPIC: &[&str] = &["message thread not found", "topic_deleted", "topic_closed", "topic_id_invalid"];

const NO_FILES: &[&str] =
    &["not enough rights to send documents", "chat_send_docs_forbidden", "chat_send_media_forbidden"];

/// Refusals of a chat that will not change by trying again.
const GONE: &[&str] = &[
    "chat not found",
    "not enough rights to send",
    "have no rights to send",
    "have no write access",
    "need administrator rights",
    "user is deactivated",
    "bot was kicked",
    "bot was blocked",
    "is not a member",
    "group chat was deactivated",
    "group is deactivated",
    "channel_private",
    "chat_admin_required",
    "chat_forbidden",
    "chat_restricted",
    "chat_send_plain_forbidden",
    "chat_write_forbidden",
    "peer_id_invalid",
    "user_banned_in_channel",
    "user_is_blocked",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::telegram::api::Parameters;

    const MESSAGE: Call = Call { in_topic: false, is_document: false };

    fn refused(code: u16, description: &str) -> CallError {
        CallError::Refused { code, description: description.to_owned(), parameters: Parameters::default() }
    }

    fn kind(error: CallError, call: Call) -> &'static str {
        match meaning(error, call) {
            Meaning::RateLimited(_) => "limit",
            Meaning::Migrated(_) => "migrated",
            Meaning::Unauthorized(_) => "token",
            Meaning::Markup(_) => "markup",
            Meaning::Topic(_) => "topic",
            Meaning::Gone(_) => "gone",
            Meaning::Rejected(_) => "rejected",
            Meaning::NotArrived(_) => "not arrived",
            Meaning::InDoubt(_) => "in doubt",
        }
    }

    #[test]
    fn the_servers_words_are_told_apart() {
        for (code, description, wanted) in [
            (401, "Unauthorized", "token"),
            (401, "Unauthorized: invalid token specified", "token"),
            (404, "Not Found", "token"),
            (400, "Logged out", "token"),
            (403, "Forbidden: bot was blocked by the user", "gone"),
            (403, "Forbidden: bot can't initiate conversation with a user", "gone"),
            (403, "Forbidden: bots can't send messages to bots", "gone"),
            (403, "Forbidden: user is deactivated", "gone"),
            (403, "Forbidden: the group chat was deleted", "gone"),
            (403, "Forbidden: bot is not a member of the channel chat", "gone"),
            (403, "Forbidden: CHAT_WRITE_FORBIDDEN", "gone"),
            (400, "Bad Request: chat not found", "gone"),
            (400, "Bad Request: PEER_ID_INVALID", "gone"),
            (400, "Bad Request: not enough rights to send text messages to the chat", "gone"),
            (400, "Bad Request: have no rights to send a message", "gone"),
            (400, "Bad Request: need administrator rights in the channel chat", "gone"),
            (400, "Bad Request: CHAT_ADMIN_REQUIRED", "gone"),
            (400, "Bad Request: USER_BANNED_IN_CHANNEL", "gone"),
            (400, "Bad Request: can't parse entities: Unsupported start tag \"x\" at byte offset 0", "markup"),
            (400, "Bad Request: message is too long", "rejected"),
            (400, "Bad Request: message text is empty", "rejected"),
            (413, "Request Entity Too Large", "rejected"),
            (429, "Too Many Requests", "limit"),
            (500, "Internal Server Error: restart", "in doubt"),
            (500, "Too Many Requests: retry later", "limit"),
            (502, "Bad Gateway", "in doubt"),
        ] {
            assert_eq!(kind(refused(code, description), MESSAGE), wanted, "{code} {description}");
        }
    }

    #[test]
    fn a_topic_or_a_ban_on_files_is_not_the_whole_chat() {
        let (topic, document) = (Call { in_topic: true, ..MESSAGE }, Call { is_document: true, ..MESSAGE });
        for description in ["message thread not found", "TOPIC_DELETED", "TOPIC_CLOSED"] {
            let error = refused(400, &format!("Bad Request: {description}"));
            assert_eq!((kind(error.clone(), topic), kind(error, MESSAGE)), ("topic", "rejected"), "{description}");
        }
        for error in [
            refused(400, "Bad Request: not enough rights to send documents to the chat"),
            refused(403, "Forbidden: CHAT_SEND_DOCS_FORBIDDEN"),
        ] {
            assert_eq!((kind(error.clone(), document), kind(error, MESSAGE)), ("rejected", "gone"));
        }
    }

    #[test]
    fn what_telegram_adds_comes_before_its_words() {
        let with = |code, parameters| CallError::Refused { code, description: "Forbidden".to_owned(), parameters };
        let limit = |seconds| Parameters { retry_after: Some(seconds), ..Parameters::default() };
        assert_eq!(meaning(with(429, limit(7)), MESSAGE), Meaning::RateLimited(Duration::from_secs(7)));
        assert_eq!(meaning(with(429, limit(0)), MESSAGE), Meaning::RateLimited(Duration::from_secs(1)));
        let moved = Parameters { migrate_to_chat_id: Some(-100), ..Parameters::default() };
        assert_eq!(meaning(with(400, moved), MESSAGE), Meaning::Migrated(-100));
    }

    #[test]
    fn what_stands_before_the_server_has_not_passed_on_what_it_refuses() {
        let odd = |status| kind(CallError::Odd { status, what: "html".to_owned() }, MESSAGE);
        let wanted = [
            (200, "in doubt"),
            (302, "not arrived"),
            (403, "not arrived"),
            (408, "in doubt"),
            (413, "rejected"),
            (429, "limit"),
            (502, "in doubt"),
            (504, "in doubt"),
        ];
        for (status, wanted) in wanted {
            assert_eq!(odd(status), wanted, "{status}");
        }
        assert_eq!(kind(CallError::Connect("refused".to_owned()), MESSAGE), "not arrived");
        assert_eq!(kind(CallError::Lost("reset".to_owned()), MESSAGE), "in doubt");
    }
}
