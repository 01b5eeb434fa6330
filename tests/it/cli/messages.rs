//! `messages`, beside a running bridge.

use std::net::SocketAddr;
use std::sync::Arc;

use caigunn_bridge::contract::store::{ContactChange, FinishTurn, SendResult, Store};
use caigunn_bridge::model::Outcome;
use caigunn_bridge::sandbox::{Call, Fault, Scripted};
use caigunn_bridge::stores::sqlite::{SqliteOptions, SqliteStore};
use serde_json::{Value, json};

use super::{place, redacted};
use crate::store_suite::{TTL, event, opened, said};
use crate::support::KEY;
use crate::support::process::Place;

async fn say(place: &Place, addr: SocketAddr, user: &str, text: &str) -> Value {
    let request = place.client.post(format!("http://{addr}/v1/messages")).bearer_auth(KEY);
    request.json(&json!({ "user": user, "text": text })).send().await.unwrap().json().await.unwrap()
}

async fn read(place: &Place, addr: SocketAddr, id: &str) -> Value {
    let request = place.client.get(format!("http://{addr}/v1/messages/{id}")).bearer_auth(KEY);
    request.header("Prefer", "wait=20").send().await.unwrap().json().await.unwrap()
}

/// Two messages that CaiGunn refused for good.
async fn two_dead(place: &Place, addr: SocketAddr) -> [String; 2] {
    place.sandbox.push_fault(Scripted::on(Fault::status(422), Call::Talk).times(2));
    let mut ids = Vec::new();
    for user in ["alice", "bob"] {
        let answer = say(place, addr, user, &format!("hello from {user}")).await;
        assert_eq!((answer["state"].as_str(), answer["reason"].as_str()), (Some("dead"), Some("refused")), "{answer}");
        ids.push(answer["id"].as_str().unwrap().to_owned());
    }
    ids.try_into().unwrap()
}

/// What was printed, with ids and ages replaced.
fn told(place: &Place, ids: &[String; 2], text: &str) -> String {
    let text = redacted(place, text)
        .replace(&ids[0], "[the id of alice's message, 36 long]")
        .replace(&ids[1], "[the id of bob's message, 36 long]  ");
    let line = |line: &str| match line.strip_prefix("received  ") {
        Some(time) if time.ends_with('Z') => "received  [time]".to_owned(),
        _ => line.to_owned(),
    };
    let words = |line: String| {
        let age = |word: &str| word.strip_suffix('s').is_some_and(|number| number.parse::<u32>().is_ok());
        line.split(' ')
            .map(|word| if age(word) { "[age]" } else { word })
            .collect::<Vec<_>>()
            .join(" ")
            .trim_end()
            .to_owned()
    };
    text.lines().map(|text| words(line(text))).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn dead_letters_are_listed_shown_retried_and_dropped() {
    let place = place().await;
    let (_daemon, addr) = place.start().await;
    assert_eq!(place.run(&["messages", "list"]).await.out, "Nothing waits and nothing was given up.\n");
    let ids = two_dead(&place, addr).await;

    let listed = place.run(&["messages", "list", "--dead"]).await;
    assert_eq!((listed.code, listed.err.as_str()), (0, ""));
    insta::assert_snapshot!(told(&place, &ids, &listed.out), @r"
    ID                                    CHANNEL  CONTACT         STATE  AGE  ATTEMPTS  REASON
    [the id of alice's message, 36 long]  web      t:shop|u:alice  dead   [age]   1         refused
    [the id of bob's message, 36 long]    web      t:shop|u:bob    dead   [age]   1         refused
    ");
    let shown = place.run(&["messages", "show", &ids[0]]).await;
    assert_eq!((shown.code, shown.err.as_str()), (0, ""));
    insta::assert_snapshot!(told(&place, &ids, &shown.out), @r"
    id        [the id of alice's message, 36 long]
    channel   web
    contact   t:shop|u:alice
    state     dead
    reason    refused
    attempts  1
    age       [age]
    received  [time]
    in        hello from alice
    out       Sorry, I could not process this message.
    ");

    let retried = place.run(&["messages", "retry", &ids[0]]).await;
    assert_eq!((retried.code, retried.err.as_str()), (0, ""));
    assert_eq!(retried.out, format!("{}: retried\n", ids[0]));
    let answer = read(&place, addr, &ids[0]).await;
    assert_eq!(
        (answer["state"].as_str(), answer["text"].as_str()),
        (Some("answered"), Some("Turn 1: you said \"hello from alice\""))
    );

    let dropped = place.run(&["messages", "drop", &ids[1]]).await;
    assert_eq!((dropped.code, dropped.out), (0, format!("{}: dropped\n", ids[1])));
    let answer = read(&place, addr, &ids[1]).await;
    assert_eq!((answer["state"].as_str(), answer["reason"].as_str()), (Some("dropped"), Some("dropped_by_operator")));
    assert_eq!(place.run(&["messages", "list"]).await.out, "Nothing waits and nothing was given up.\n");

    // Both can still be looked at; neither can be given another end.
    let shown = place.run(&["messages", "show", &ids[0]]).await;
    insta::assert_snapshot!(told(&place, &ids, &shown.out), @r#"
    id        [the id of alice's message, 36 long]
    channel   web
    state     answered
    received  [time]
    in        hello from alice
    out       Sorry, I could not process this message.
    out       Turn 1: you said "hello from alice"
    "#);
    let again = place.run(&["messages", "retry", &ids[0], &ids[1], "msg_nonsense"]).await;
    assert_eq!((again.code, again.out.as_str()), (2, ""));
    insta::assert_snapshot!(told(&place, &ids, &again.err), @r"
    [the id of alice's message, 36 long]: not retried: there is no dead or waiting item of this id (it has ended, or somebody works on it)
    [the id of bob's message, 36 long]  : not retried: there is no dead or waiting item of this id (it has ended, or somebody works on it)
    msg_nonsense: is no id; ids look like msg_… or out_… (see `messages list`)
    ");
    let unknown = place.run(&["messages", "show", "msg_00000000000000000000000000000000"]).await;
    assert_eq!(unknown.code, 1);
    insta::assert_snapshot!(unknown.err, @"msg_00000000000000000000000000000000: there is no such message");
}

/// An answer in two calls that the platform would not take, for a reason; the turn's id.
async fn undeliverable(place: &Place, why: &str) -> String {
    let store: Arc<dyn Store> = SqliteStore::open(place.store(), SqliteOptions::default()).unwrap();
    let (turn, _) = opened(store.accept(vec![event("ann", "1")], Vec::new()).await.unwrap().remove(0));
    let claim = store.lease("dispatch", "test", TTL).await.unwrap().unwrap();
    let end = FinishTurn {
        seq: turn.seq,
        claim,
        version: Some(turn.version),
        ask: None,
        outcome: Outcome::Answered,
        said: vec![said("an answer", &["a", "b"])],
        contact: ContactChange::default(),
        claim_first: true,
    };
    let rows = store.finish_turn(end).await.unwrap().rows;
    store.finish_send(rows[0].seq, claim, SendResult::TargetGone { error: why.to_owned() }, None).await.unwrap();
    store.close().await;
    turn.id.to_string()
}

#[tokio::test]
async fn what_the_platform_does_not_take_is_listed_with_its_words() {
    let place = place().await;
    let id = undeliverable(&place, "no permission to write in channel 7 (50013)").await;
    let ids = [id.clone(), "(nobody)".to_owned()];
    let listed = place.run(&["messages", "list", "--dead"]).await;
    insta::assert_snapshot!(told(&place, &ids, &listed.out), @r"
    ID     CHANNEL  CONTACT  STATE  AGE  ATTEMPTS  REASON
    out_1  web      u:ann    dead   [age]   0         target_gone: no permission to write in channel 7 (50013)
    out_2  web      u:ann    dead   [age]   0         target_gone: no permission to write in channel 7 (50013)
    ");
    let shown = place.run(&["messages", "show", "out_2"]).await;
    insta::assert_snapshot!(told(&place, &ids, &shown.out), @r"
    id        out_2
    channel   web
    contact   u:ann
    state     dead
    reason    target_gone
    error     no permission to write in channel 7 (50013)
    attempts  0
    age       [age]
    turn      [the id of alice's message, 36 long]
    received  [time]
    in        1
    out       an answer
    not sent  out_1 target_gone: no permission to write in channel 7 (50013)
    ");
    let shown = place.run(&["messages", "show", &id]).await;
    insta::assert_snapshot!(told(&place, &ids, &shown.out), @r"
    id        [the id of alice's message, 36 long]
    channel   web
    state     answered
    received  [time]
    in        1
    out       an answer
    not sent  out_1 target_gone: no permission to write in channel 7 (50013)
    not sent  out_2 target_gone: no permission to write in channel 7 (50013)
    ");
    let retried = place.run(&["messages", "retry", "out_1"]).await;
    assert_eq!((retried.code, retried.out.as_str()), (0, "out_1: retried\n"));
    let dropped = place.run(&["messages", "drop", "out_2"]).await;
    assert_eq!((dropped.code, dropped.out.as_str()), (0, "out_2: dropped\n"));
    let listed = place.run(&["messages", "list"]).await.out;
    assert!(listed.contains("out_1") && listed.contains("pending") && !listed.contains("out_2"), "{listed}");
}

#[tokio::test]
async fn a_list_for_programs() {
    let place = place().await;
    let (_daemon, addr) = place.start().await;
    let ids = two_dead(&place, addr).await;
    let listed = place.run(&["messages", "list", "--json"]).await;
    let items: Vec<Value> = listed.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(items.iter().map(|item| item["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    let mut first = items[0].clone();
    (first["id"], first["age_seconds"]) = ("[id]".into(), 0.into());
    insta::assert_snapshot!(first.to_string(), @r#"{"id":"[id]","channel":"web","bot":"main","contact":"t:shop|u:alice","state":"dead","reason":"refused","error":null,"attempts":1,"age_seconds":0,"due_in_seconds":0}"#);
    assert!(!listed.out.contains("hello"), "a list tells no bodies");

    for (args, count) in
        [(["--limit", "1"], 1), (["--channel", "web"], 2), (["--channel", "other"], 0), (["--older-than", "1h"], 0)]
    {
        let listed = place.run(&["messages", "list", "--json", args[0], args[1]]).await;
        assert_eq!((listed.code, listed.out.lines().count()), (0, count), "{args:?}");
    }
    let retried = place.run(&["messages", "retry", "--all-dead"]).await;
    assert_eq!((retried.code, retried.out.lines().count()), (0, 2));
    for id in &ids {
        assert_eq!(read(&place, addr, id).await["state"], "answered");
    }
}

#[tokio::test]
async fn without_a_store_there_are_no_messages() {
    let place = place().await;
    let listed = place.run(&["messages", "list"]).await;
    assert_eq!((listed.code, listed.out.as_str()), (3, ""));
    insta::assert_snapshot!(redacted(&place, &listed.err), @r"
    there is no store at [folder]/bridge.db
    hint: is this the configuration that the bridge runs with?
    ");
    assert!(!place.store().exists());
}
