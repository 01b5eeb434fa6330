//! An ask that may or may not have been carried out: what the history can tell, and what it cannot.

use std::time::Duration;

use caigunn_bridge::sandbox::{Call, Fault, Scripted, SettingsPatch};
use serde_json::json;

use crate::support::{Bridge, KEY, Setup, until};

fn setup() -> Setup {
    Setup::default().set("PIPELINE__BREAKER__FAILURES", "1000")
}

fn on_talk(fault: Fault) -> Scripted {
    Scripted::on(fault, Call::Talk)
}

#[tokio::test]
async fn an_equal_text_is_not_given_the_answer_of_the_one_before() {
    let bridge = setup().start().await;
    bridge.say("alice", "yes").await;
    bridge.sandbox.push_fault(on_talk(Fault::Reset));
    let second = bridge.say("alice", "yes").await;
    assert_eq!(second["text"], r#"Turn 2: you said "yes""#);
    assert_eq!(bridge.asked("yes"), (3, 2), "the history had one, and it was accounted for");
}

#[tokio::test]
async fn of_equal_texts_the_one_too_many_is_found() {
    let bridge = setup().start().await;
    for _ in 0..3 {
        bridge.say("alice", "yes").await;
    }
    bridge.sandbox.push_fault(on_talk(Fault::ProcessThenReset));
    let fourth = bridge.say("alice", "yes").await;
    assert_eq!(fourth["text"], r#"Turn 4: you said "yes""#);
    assert_eq!(bridge.asked("yes"), (4, 4));
}

#[tokio::test]
async fn an_ask_that_fails_twice_is_found_after_the_second() {
    let bridge = setup().start().await;
    bridge.sandbox.push_fault(on_talk(Fault::Reset));
    bridge.sandbox.push_fault(on_talk(Fault::ProcessThenReset));
    let answer = bridge.say("alice", "hello there").await;
    assert_eq!(answer["text"], r#"Turn 1: you said "hello there""#);
    assert_eq!(bridge.asked("hello there"), (2, 1), "its own doubts are no other message's");
}

#[tokio::test]
async fn equal_texts_of_other_people_and_keys_do_not_matter() {
    let bridge = setup().start().await;
    bridge.say("alice", "yes").await;
    bridge.post(crate::support::OTHER_KEY, &json!({ "user": "bob", "text": "yes" })).send().await.unwrap();
    bridge.sandbox.push_fault(on_talk(Fault::ProcessThenReset));
    assert_eq!(bridge.say("bob", "yes").await["text"], r#"Turn 1: you said "yes""#);
    assert_eq!(bridge.asked("yes"), (3, 3));
}

#[tokio::test]
async fn an_answer_is_found_whatever_the_documents_leave_open() {
    let hours = |h: i64| h * 3_600_000;
    let readings = [
        SettingsPatch { newest_first: Some(false), ..SettingsPatch::default() },
        SettingsPatch { participant_is_receive: Some(false), ..SettingsPatch::default() },
        SettingsPatch { clock_skew_ms: Some(hours(8)), ..SettingsPatch::default() },
        SettingsPatch { clock_skew_ms: Some(-hours(8)), ..SettingsPatch::default() },
        SettingsPatch { max_limit: Some(3), ..SettingsPatch::default() },
        SettingsPatch { max_limit: Some(3), newest_first: Some(false), ..SettingsPatch::default() },
    ];
    let all = readings.into_iter().map(async |reading| {
        let bridge = setup().start().await;
        bridge.sandbox.change(&reading);
        for n in 1..=7 {
            bridge.say("alice", &format!("m{}", n % 3)).await;
        }
        bridge.sandbox.push_fault(on_talk(Fault::ProcessThenReset));
        assert_eq!(bridge.say("alice", "m1").await["text"], r#"Turn 8: you said "m1""#, "{reading:?}");
        assert_eq!(bridge.asks().len(), 8, "{reading:?}");
    });
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn an_answer_that_comes_into_the_history_late_is_waited_for() {
    let bridge = setup()
        .set("ACCOUNTS__MAIN__FIRST_BYTE_TIMEOUT", "200ms")
        .set("PIPELINE__RECOVERY_WINDOW", "20s")
        .start()
        .await;
    bridge.sandbox.set_latency(Duration::from_millis(900));
    let answer = bridge.say("alice", "slow").await;
    assert_eq!(answer["text"], r#"Turn 1: you said "slow""#);
    assert_eq!(bridge.asked("slow"), (1, 1));
}

#[tokio::test]
async fn a_history_that_is_down_for_a_while_is_waited_for() {
    let bridge = setup().start().await;
    bridge.sandbox.push_fault(on_talk(Fault::ProcessThenReset));
    bridge.sandbox.push_fault(Scripted::on(Fault::status(503), Call::Messages).times(7));
    let answer = bridge.say("alice", "hello there").await;
    assert_eq!(answer["text"], r#"Turn 1: you said "hello there""#);
    assert_eq!(bridge.asked("hello there"), (1, 1), "not asked again while nothing is known");
    assert_eq!(bridge.sandbox.pending_faults(), 0);
}

#[tokio::test]
async fn a_history_that_there_is_not_cannot_tell_and_the_ask_is_repeated() {
    let bridge = setup().start().await;
    bridge.sandbox.push_fault(on_talk(Fault::ProcessThenReset));
    bridge.sandbox.push_fault(Scripted::on(Fault::status(404), Call::Messages).times(0));
    let answer = bridge.say("alice", "hello there").await;
    assert_eq!(answer["state"], "answered");
    assert_eq!(bridge.asked("hello there"), (2, 2));
}

#[tokio::test]
async fn without_any_history_the_ask_is_given_up_in_doubt_and_a_retry_finds_it() {
    let bridge = setup().set("PIPELINE__GIVE_UP_AFTER", "1s").start().await;
    bridge.sandbox.push_fault(on_talk(Fault::ProcessThenReset));
    bridge.sandbox.push_fault(Scripted::on(Fault::status(503), Call::Messages).times(0));
    let dead = bridge.say("alice", "hello there").await;
    assert_eq!((&dead["state"], &dead["reason"]), (&json!("dead"), &json!("gave_up")));
    assert_eq!(bridge.asked("hello there"), (1, 1), "it was never repeated blindly");
    bridge.sandbox.clear_faults();
    let id = dead["id"].as_str().unwrap();
    bridge.command(&["messages", "retry", id]).await;
    answered_later(&bridge, id).await;
    assert_eq!(bridge.asked("hello there"), (1, 1));
}

async fn answered_later(bridge: &Bridge, id: &str) {
    until("the retried message is answered", async || {
        let view: serde_json::Value =
            bridge.get(KEY, &format!("/v1/messages/{id}")).send().await.unwrap().json().await.unwrap();
        view["text"] == r#"Turn 1: you said "hello there""#
    })
    .await;
}

#[tokio::test]
async fn an_ask_whose_end_the_store_cannot_take_is_looked_for_all_the_same() {
    let bridge = setup().start().await;
    bridge.sandbox.set_latency(Duration::from_millis(700));
    bridge.sandbox.push_fault(on_talk(Fault::ProcessThenReset));
    let sending = bridge.message("alice", "hello there").send();
    let locking = async {
        until("it is asked", async || bridge.sandbox.in_flight() == 1).await;
        // The ask is begun on disk. Its end, which is ambiguous, meets a locked database for longer than the store waits.
        let lock = rusqlite::Connection::open(bridge.folder().join("bridge.db")).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        tokio::time::sleep(Duration::from_secs(4)).await;
        lock.execute_batch("ROLLBACK").unwrap();
    };
    let (answer, ()) = tokio::join!(sending, locking);
    let answer: serde_json::Value = answer.unwrap().json().await.unwrap();
    assert_eq!(answer["text"], r#"Turn 1: you said "hello there""#);
    assert_eq!(bridge.asked("hello there"), (1, 1), "asked again without a look into the history");
}
