//! Each way in which a call can fail: asked again where it was not carried out, found in the history where it was.

use std::time::{Duration, SystemTime};

use caigunn_bridge::sandbox::{Call, Fault, LogEntry, Scripted};
use serde_json::{Value, json};

use crate::faults::metric;
use crate::support::{KEY, Setup, until};

/// Patient with the breaker: these tests are about single calls.
fn setup() -> Setup {
    Setup::default().set("PIPELINE__BREAKER__FAILURES", "1000").set("ACCOUNTS__MAIN__FIRST_BYTE_TIMEOUT", "2s")
}

fn status(status: u16, processed: bool) -> Fault {
    Fault::Status { status, body: None, content_type: None, retry_after: None, processed }
}

fn retry_after(value: String) -> Fault {
    Fault::Status { status: 429, body: None, content_type: None, retry_after: Some(value), processed: false }
}

#[tokio::test]
async fn every_failed_call_ends_in_one_answer() {
    let bridge = setup().start().await;
    // The asks that each takes; each is carried out once.
    let cases = [
        (Fault::Hang, 2),
        (Fault::ProcessThenHang, 1),
        (Fault::Reset, 2),
        (Fault::ProcessThenReset, 1),
        (Fault::ResetMidBody, 1),
        (Fault::TruncatedJson, 1),
        (Fault::BigBody { bytes: 10 * 1024 * 1024 }, 1),
        (Fault::Html502, 2),
        (status(500, false), 2),
        (status(500, true), 1),
        (status(503, false), 2),
        (status(503, true), 1),
        (status(504, true), 1),
        (status(408, false), 2),
        (status(429, false), 2),
        (status(425, false), 2),
        (retry_after("0".into()), 2),
        (
            Fault::Status {
                status: 200,
                body: Some("{}".into()),
                content_type: None,
                retry_after: None,
                processed: true,
            },
            1,
        ),
        (
            Fault::Status {
                status: 500,
                body: Some("oops".into()),
                content_type: Some("text/html".into()),
                retry_after: None,
                processed: false,
            },
            2,
        ),
    ];
    let all = cases.iter().enumerate().map(async |(n, (fault, asks))| {
        let user = format!("case{n}.");
        bridge.sandbox.push_fault(Scripted::on(fault.clone(), Call::Talk).uid(&user));
        let text = format!("text {n}");
        let answer = bridge.say(&user, &text).await;
        assert_eq!(
            (&answer["state"], &answer["text"]),
            (&json!("answered"), &json!(format!("Turn 1: you said \"{text}\""))),
            "{fault:?}"
        );
        assert_eq!(bridge.asked(&text), (*asks, 1), "{fault:?}");
    });
    futures_util::future::join_all(all).await;
    assert_eq!(bridge.sandbox.pending_faults(), 0);
}

#[tokio::test]
async fn a_refusal_for_good_is_told_at_once_and_the_next_message_is_answered() {
    let bridge = setup().start().await;
    for (n, code) in [400, 404, 405, 406, 413, 422].into_iter().enumerate() {
        let text = format!("refused {code}");
        let detail = json!({ "detail": "secret reason of the backend" }).to_string();
        let fault = Fault::Status {
            status: code,
            body: Some(detail),
            content_type: Some("application/json".into()),
            retry_after: None,
            processed: false,
        };
        bridge.sandbox.push_fault(Scripted::on(fault, Call::Talk));
        let answer = bridge.say("alice", &text).await;
        assert_eq!((&answer["state"], &answer["reason"]), (&json!("dead"), &json!("refused")), "{code}");
        let notice = json!([{ "text": "Sorry, I could not process this message.", "voice": "notice" }]);
        assert_eq!(answer["replies"], notice, "no words of the backend");
        assert_eq!(bridge.asked(&text), (1, 0), "{code} is final");
        let next = bridge.say("alice", "next").await;
        assert_eq!(next["text"], format!("Turn {}: you said \"next\"", n + 1));
    }
}

#[tokio::test]
async fn an_empty_answer_is_named_and_not_asked_again() {
    let bridge = setup().start().await;
    bridge.sandbox.push_fault(Scripted::on(Fault::EmptyText, Call::Talk));
    let answer = bridge.say("alice", "anybody there?").await;
    assert_eq!(
        (&answer["state"], &answer["reason"], &answer["replies"]),
        (&json!("dropped"), &json!("empty_answer"), &json!([]))
    );
    assert_eq!(bridge.asked("anybody there?"), (1, 1));
}

/// When the asks of a bot began.
fn began(asks: &[LogEntry], bot: &str) -> Vec<u64> {
    asks.iter().filter(|ask| ask.bot.as_deref() == Some(bot)).map(|ask| ask.at_ms).collect()
}

/// The bot `name` is held by a `Retry-After`; another bot of the same daemon is not.
async fn held(name: &str, value: impl Fn() -> String) {
    let env = name.to_uppercase();
    let bridge = setup()
        .sandbox_bot("other", "other-key")
        .set(&format!("BOTS__{env}__ACCOUNT"), "main")
        .set(&format!("BOTS__{env}__API_KEY"), "sandbox-key")
        .set("CHANNELS__WEB__BOT", name)
        .set("BOTS__OTHER__ACCOUNT", "main")
        .set("BOTS__OTHER__API_KEY", "other-key")
        .set("CHANNELS__TWO__KIND", "http")
        .set("CHANNELS__TWO__PATH", "/two")
        .set("CHANNELS__TWO__BOT", "other")
        .set("CHANNELS__TWO__KEYS__SHOP__KEY", KEY)
        .start()
        .await;
    bridge.sandbox.push_fault(Scripted::on(retry_after(value()), Call::Talk).bot("demo"));
    let waits = bridge.hand_in("alice", "first").await;
    let noted = format!(r#"bridge_asks_total{{bot="{name}",call="talk",result="not_processed"}}"#);
    until("the refusal is noted", async || metric(&bridge, &noted).await >= 1.0).await;
    let queued = bridge.hand_in("bob", "second").await;
    let body = json!({ "user": "carol", "text": "third" });
    let two = bridge.client.post(bridge.url("/two/v1/messages")).bearer_auth(KEY).json(&body).send().await.unwrap();
    assert_eq!(two.json::<Value>().await.unwrap()["state"], "answered");
    for id in [waits, queued] {
        assert_eq!(bridge.ended(KEY, &id).await["state"], "answered");
    }
    let asks = bridge.asks();
    let (demo, other) = (began(&asks, "demo"), began(&asks, "other"));
    assert_eq!((demo.len(), other.len()), (3, 1));
    assert!(demo[1..].iter().all(|at| at - demo[0] >= 2_500), "{name}: {demo:?}");
    assert!(other[0] < demo[1], "the other bot did not wait: {other:?} {demo:?}");
}

#[tokio::test]
async fn retry_after_is_kept_in_both_forms_and_holds_no_other_bot() {
    let date = || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(4));
    tokio::join!(held("held_by_seconds", || "3".to_owned()), held("held_by_date", date));
}
