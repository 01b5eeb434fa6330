use super::*;

fn refused(status: u16, code: u32) -> CallError {
    CallError::Refused { status, code, message: "No".to_owned(), inner: Vec::new() }
}

fn odd(status: u16) -> CallError {
    CallError::Odd { status, what: "<html>".to_owned() }
}

fn kind(error: &CallError, tried: Tried) -> &'static str {
    match meaning(error, tried) {
        Meaning::RateLimited { whole_bot: false, .. } => "chat rests",
        Meaning::RateLimited { whole_bot: true, .. } => "bot rests",
        Meaning::Unauthorized(_) => "unauthorized",
        Meaning::Unquotable { everywhere: true } => "unquotable chat",
        Meaning::Unquotable { everywhere: false } => "unquotable",
        Meaning::SentBefore => "sent before",
        Meaning::Address(_) => "address",
        Meaning::Gone(_) => "gone",
        Meaning::Rejected(_) => "rejected",
        Meaning::NotArrived(_) => "not arrived",
        Meaning::InDoubt(_) => "in doubt",
    }
}

fn at(step: Step) -> Tried {
    Tried::new(step)
}

const ALL: [Step; 8] = [
    Step::Channel,
    Step::Thread,
    Step::Direct,
    Step::OpenThread,
    Step::OpenDirect,
    Step::Answer,
    Step::Look,
    Step::Read,
];

#[test]
fn only_what_was_written_and_says_something_is_in_doubt() {
    let lost = || CallError::Lost("reset".to_owned());
    for step in ALL {
        let open = if step.is_repeatable() { "not arrived" } else { "in doubt" };
        assert_eq!(kind(&CallError::Connect("refused".to_owned()), at(step)), "not arrived", "{step:?}");
        for error in [lost(), odd(502), odd(408), odd(200), refused(500, 0), refused(503, 130_000), refused(408, 0)] {
            assert_eq!(kind(&error, at(step)), open, "{step:?} {error:?}");
        }
        for status in [302, 400, 401, 403, 404, 407] {
            assert_eq!(kind(&odd(status), at(step)), "not arrived", "{step:?} {status}");
        }
        assert_eq!(kind(&odd(413), at(step)), "rejected", "{step:?}");
    }
}

#[test]
fn limits_rest_whom_they_are_about() {
    for step in ALL {
        for (scope, rests) in
            [(LimitScope::User, "chat rests"), (LimitScope::Shared, "chat rests"), (LimitScope::Global, "bot rests")]
        {
            let error = CallError::Limited { retry_after: Duration::from_secs(2), scope };
            assert_eq!(kind(&error, at(step)), rests, "{step:?} {scope:?}");
        }
        for code in [20016, 20028, 20029, 40003] {
            assert_eq!(kind(&refused(403, code), at(step)), "chat rests", "{step:?} {code}");
        }
    }
    let error = CallError::Limited { retry_after: Duration::ZERO, scope: LimitScope::User };
    let Meaning::RateLimited { retry_after, .. } = meaning(&error, at(Step::Channel)) else { panic!("no limit") };
    assert!(!retry_after.is_zero(), "for ever at once");
}

#[test]
fn the_token_is_refused_by_calls_that_show_it_only() {
    for step in ALL {
        let told = kind(&refused(401, 0), at(step));
        assert_eq!(told, if step.is_by_token() { "address" } else { "unauthorized" }, "{step:?}");
        if step.is_by_token() {
            for (status, code) in [(401, 50027), (404, 10015), (404, 10062), (404, 10008), (403, 50001), (404, 0)] {
                assert_eq!(kind(&refused(status, code), at(step)), "address", "{step:?} {code}");
            }
            let early = Tried { is_early: true, ..at(step) };
            assert_eq!(kind(&refused(404, 10015), early), "not arrived");
            assert_eq!(kind(&refused(401, 50027), early), "address", "it has been, and is over");
        }
    }
    assert_eq!(kind(&refused(403, 40002), at(Step::Channel)), "unauthorized");
    assert_eq!(kind(&refused(404, 0), at(Step::Channel)), "not arrived", "another address");
}

#[test]
fn a_chat_that_is_closed_says_what_to_do() {
    for code in [10003, 10004, 40007, 40058, 50001, 50007, 50008, 50009, 50013, 50083, 50278, 160_005] {
        let Meaning::Gone(why) = meaning(&refused(403, code), at(Step::Channel)) else { panic!("{code}") };
        assert!(why.ends_with(&format!("({code})")), "{why}");
    }
    let why = |code, step| match meaning(&refused(403, code), at(step)) {
        Meaning::Gone(why) | Meaning::Address(why) => why,
        other => panic!("{other:?}"),
    };
    assert!(why(50001, Step::Channel).contains("\"View Channel\""));
    assert!(why(50013, Step::Channel).contains("\"Send Messages\""));
    assert!(why(50013, Step::OpenThread).contains("\"Create Public Threads\""));
    assert!(why(50007, Step::Direct).contains("time to be answered was over"));
    assert!(!why(50007, Step::Channel).contains("command"));
    assert_eq!(kind(&refused(400, 50033), at(Step::OpenDirect)), "gone");
}

#[test]
fn a_thread_that_cannot_be_used_leaves_the_channel() {
    for code in [50013, 50001, 50024, 10008, 160_006, 160_007, 30033, 10003, 200_001, 50035] {
        assert_eq!(kind(&refused(400, code), at(Step::OpenThread)), "address", "{code}");
    }
    assert_eq!(kind(&refused(403, 50013), at(Step::Thread)), "address");
    assert_eq!(kind(&refused(403, 160_005), at(Step::Thread)), "gone", "somebody locked it");
    assert_eq!(kind(&refused(404, 10003), at(Step::Thread)), "gone", "somebody deleted it");
}

#[test]
fn what_is_said_can_be_refused_for_itself() {
    for (status, code) in [(400, 50035), (400, 50006), (413, 40005), (400, 20009), (400, 200_000), (400, 240_000)] {
        for step in [Step::Channel, Step::Thread, Step::Direct, Step::Answer] {
            assert_eq!(kind(&refused(status, code), at(step)), "rejected", "{step:?} {code}");
        }
    }
    let file = Tried { is_file: true, ..at(Step::Channel) };
    assert_eq!(kind(&refused(403, 50013), file), "rejected", "the text may go without it");
    assert_eq!(kind(&refused(403, 50001), file), "gone");
}

#[test]
fn a_reply_that_cannot_be_one_is_told_apart() {
    let replies = Tried { quotes: true, ..at(Step::Channel) };
    let invalid = |inner: &str| CallError::Refused {
        status: 400,
        code: 50035,
        message: "Invalid Form Body".to_owned(),
        inner: vec![inner.to_owned()],
    };
    assert_eq!(kind(&invalid("REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE"), replies), "unquotable");
    assert_eq!(kind(&invalid("REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE"), at(Step::Channel)), "rejected");
    assert_eq!(kind(&invalid("BASE_TYPE_MAX_LENGTH"), replies), "rejected");
    for (code, told) in [(160_002, "unquotable chat"), (160_009, "unquotable chat"), (160_010, "unquotable")] {
        assert_eq!(kind(&refused(403, code), replies), told);
        assert_eq!(kind(&refused(403, code), at(Step::Channel)), "rejected");
    }
}

#[test]
fn a_message_that_was_sent_and_deleted_is_no_failure() {
    let again = Tried { again: true, ..at(Step::Channel) };
    assert_eq!(kind(&refused(404, 10008), again), "sent before");
    assert_eq!(kind(&refused(404, 10008), Tried { quotes: true, ..again }), "sent before");
    // At first nothing can have been sent: whatever it is, it is about the reply.
    assert_eq!(kind(&refused(404, 10008), Tried { quotes: true, ..at(Step::Channel) }), "unquotable");
    assert_eq!(kind(&refused(404, 10008), at(Step::Channel)), "rejected");
}
