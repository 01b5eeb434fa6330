//! How a connection ends, and what follows from it
//! (<https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes>).

use std::time::Duration;

use super::Ended;

/// How a connection ended.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    /// There is no other one to be made.
    Final(Ended),
    Lost(Lost),
}

/// There is another one to be made.
#[derive(Debug, PartialEq)]
pub(super) struct Lost {
    /// For a person; nothing of the session's, nothing that came in.
    pub(super) why: String,
    pub(super) next: Next,
    /// The pause before it, at least.
    pub(super) pause: Duration,
    /// It happens all the time, and is no trouble.
    pub(super) routine: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The session goes on.
    Resume,
    /// There is none any more.
    Begin,
}

impl Lost {
    pub(super) fn resume(why: impl Into<String>) -> Self {
        Self { why: why.into(), next: Next::Resume, pause: Duration::ZERO, routine: false }
    }

    pub(super) fn begin(why: impl Into<String>) -> Self {
        Self { next: Next::Begin, ..Self::resume(why) }
    }
}

impl From<Lost> for End {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

/// What a close frame means. Whatever does not end the session for sure is answered with a RESUME: it costs nothing, and is
/// refused with op 9 if there is no session any more. So are 1000 and 1001, which end a session only when a client says them.
pub(super) fn closed(code: Option<u16>) -> End {
    let Some(code) = code else { return Lost::resume("Discord closed the connection without a reason").into() };
    let known = match code {
        1000 => "normal closure",
        1001 => "going away",
        4000 => "unknown error",
        4001 => "unknown opcode",
        4002 => "decode error",
        4003 => "not authenticated",
        4004 => "authentication failed",
        4005 => "already authenticated",
        4007 => "invalid sequence number",
        4008 => "rate limited",
        4009 => "session timed out",
        4010 => "invalid shard",
        4011 => "sharding required",
        4012 => "invalid API version",
        4013 => "invalid intents",
        4014 => "disallowed intents",
        _ => "a code that is not documented",
    };
    let why = format!("Discord closed the connection with {code} ({known})");
    match code {
        4004 => End::Final(Ended::BadToken(why)),
        4010 | 4011 => End::Final(Ended::Sharding),
        4012 => End::Final(Ended::Protocol(why)),
        4013 | 4014 => End::Final(Ended::Intents),
        4003 | 4007 | 4009 => Lost::begin(why).into(),
        _ => Lost::resume(why).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_goes_on_after_every_code_that_does_not_end_it() {
        let next = |code: u16| match closed(Some(code)) {
            End::Lost(lost) => {
                assert!(lost.why.contains(&code.to_string()));
                Some(lost.next)
            }
            End::Final(_) => None,
        };
        for code in [1000, 1001, 1006, 1011, 4000, 4001, 4002, 4005, 4006, 4008, 4900] {
            assert_eq!(next(code), Some(Next::Resume), "{code}");
        }
        for code in [4003, 4007, 4009] {
            assert_eq!(next(code), Some(Next::Begin), "{code}");
        }
        for code in [4004, 4010, 4011, 4012, 4013, 4014] {
            assert_eq!(next(code), None, "{code}");
        }
        assert!(matches!(closed(None), End::Lost(Lost { next: Next::Resume, .. })));
        assert!(matches!(closed(Some(4004)), End::Final(Ended::BadToken(_))));
        assert_eq!(closed(Some(4014)), End::Final(Ended::Intents));
        assert_eq!(closed(Some(4011)), End::Final(Ended::Sharding));
        assert!(matches!(closed(Some(4012)), End::Final(Ended::Protocol(_))));
    }
}
