//! The process: how it starts, refuses to start, stops, and what it logs.

use std::time::{Duration, Instant};

use caigunn_bridge::sandbox::{Call, Fault, SandboxOptions, Scripted};
use reqwest::Response;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::process::{Daemon, Place, SOON, bare, ran};
use crate::support::{KEY, OTHER_KEY, until};

/// A place whose chatbot takes so long.
async fn place(latency: Duration) -> Place {
    Place::new(SandboxOptions { latency, ..SandboxOptions::default() }).await
}

fn message(place: &Place, addr: std::net::SocketAddr, user: &str, text: &str) -> reqwest::RequestBuilder {
    let request = place.client.post(format!("http://{addr}/v1/messages")).bearer_auth(KEY);
    request.json(&json!({ "user": user, "text": text }))
}

async fn read(place: &Place, addr: std::net::SocketAddr, location: &str) -> Value {
    let request = place.client.get(format!("http://{addr}{location}")).bearer_auth(KEY);
    request.header("Prefer", "wait=20").send().await.unwrap().json().await.unwrap()
}

fn location(response: &Response) -> String {
    response.headers()["location"].to_str().unwrap().to_owned()
}

/// Asks of so many people, each waiting for the answer; all of them are at CaiGunn when this returns.
async fn ask(place: &Place, addr: std::net::SocketAddr, people: usize) -> JoinSet<Response> {
    let mut waiting = JoinSet::new();
    for n in 0..people {
        let request = message(place, addr, &format!("user{n}"), &format!("hello {n}"));
        waiting.spawn(async move { request.send().await.unwrap() });
    }
    until("all are asked", async || place.sandbox.in_flight() == people).await;
    waiting
}

/// While the bridge stops, whoever waits is told where the answer will be, or has it.
async fn told(mut waiting: JoinSet<Response>) -> Vec<String> {
    let mut locations = Vec::new();
    while let Some(response) = waiting.join_next().await {
        let response = response.unwrap();
        match response.status().as_u16() {
            202 => locations.push(location(&response)),
            status => assert_eq!(status, 200),
        }
    }
    locations
}

#[tokio::test]
async fn sigterm_finishes_what_is_in_flight() {
    let place = place(Duration::from_millis(700)).await;
    let (daemon, addr) = place.start().await;
    let waiting = ask(&place, addr, 5).await;
    daemon.signal("TERM");
    let locations = told(waiting).await;
    assert_eq!(daemon.exit_code().await, 0);
    assert_eq!(place.sandbox.log().iter().filter(|call| call.processed).count(), 5);
    assert!(!place.log().contains("handed back"), "{}", place.log());

    let (daemon, addr) = place.start().await;
    for location in locations {
        let answer = read(&place, addr, &location).await;
        assert!(answer["text"].as_str().unwrap().starts_with("Turn 1: you said \"hello "), "{answer}");
    }
    assert_eq!(place.sandbox.log().len(), 5, "all were answered by then");
    daemon.signal("INT");
    assert_eq!(daemon.exit_code().await, 0);
}

#[tokio::test]
async fn what_hangs_is_handed_back_and_goes_on_at_the_next_start() {
    let place = place(Duration::ZERO).await.set("SERVER__GRACE_PERIOD", "600ms");
    place.sandbox.push_fault(Scripted::from(Fault::Hang).times(0));
    let (daemon, addr) = place.start().await;
    let waiting = ask(&place, addr, 3).await;
    let stopped = Instant::now();
    daemon.signal("TERM");
    let locations = told(waiting).await;
    assert_eq!(locations.len(), 3, "nobody can have an answer");
    assert_eq!(daemon.exit_code().await, 0);
    assert!(stopped.elapsed() < SOON, "the grace period bounds it");
    assert!(place.log().contains("handed back unfinished; they go on at the next start"), "{}", place.log());

    place.sandbox.clear_faults();
    let (_daemon, addr) = place.start().await;
    for location in locations {
        assert_eq!(read(&place, addr, &location).await["state"], "answered");
    }
}

#[tokio::test]
async fn a_signal_during_the_start_stops_in_order() {
    let place = place(Duration::ZERO).await;
    let daemon = place.spawn();
    // The lock is taken early in the start, when nobody listens yet.
    until("it starts", async || place.store().with_file_name("bridge.db.lock").exists()).await;
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let place = place(Duration::ZERO).await.set("SERVER__GRACE_PERIOD", "1h");
    place.sandbox.push_fault(Scripted::from(Fault::Hang).times(0));
    let (mut daemon, addr) = place.start().await;
    let waiting = ask(&place, addr, 1).await;
    daemon.signal("TERM");
    until("it stops", async || place.log().contains("stopping; a second signal stops at once")).await;
    told(waiting).await;
    assert!(daemon.ended().is_none(), "it waits for what is in flight");
    daemon.signal("INT");
    assert_eq!(daemon.exit_code().await, 130);
}

#[tokio::test]
async fn a_store_has_one_bridge() {
    let place = place(Duration::ZERO).await;
    let (_daemon, addr) = place.start().await;
    let second = place.run(&["run"]).await;
    assert_eq!(second.code, 3);
    insta::assert_snapshot!(redacted(&place, &second.err), @r"
    the store [folder]/bridge.db is in use by another bridge
    hint: stop the other one, or give this one a `store.path` of its own
    ");
    // The first one does not mind.
    let response = message(&place, addr, "alice", "hello").send().await.unwrap();
    assert_eq!(response.status(), 200);
}

/// A store that cannot be used is left as it is.
#[tokio::test]
async fn a_damaged_store_is_refused_and_left_alone() {
    type Damage = fn(&mut Vec<u8>);
    let cases: [(&str, Damage, &str); 4] = [
        ("overwritten", |bytes| bytes[4_096..8_192].fill(0xa5), "is damaged"),
        ("no database", |bytes| *bytes = b"my diary\n".repeat(40), "is not a database"),
        ("cut off", |bytes| bytes.truncate(5_000), ""),
        // `user_version` in the header.
        (
            "newer",
            |bytes| bytes[60..64].copy_from_slice(&99_u32.to_be_bytes()),
            "was written by a newer bridge (schema 99;",
        ),
    ];
    let place = place(Duration::ZERO).await;
    let (daemon, addr) = place.start().await;
    message(&place, addr, "alice", "hello").send().await.unwrap();
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
    let good = std::fs::read(place.store()).unwrap();
    for (name, damage, what) in cases {
        let mut bytes = good.clone();
        damage(&mut bytes);
        std::fs::write(place.store(), &bytes).unwrap();
        for args in [["run"].as_slice(), &["messages", "list"]] {
            let refused = place.run(args).await;
            assert_eq!(refused.code, 3, "{name}: {}", refused.err);
            assert!(refused.err.contains(what) && refused.err.contains("bridge.db"), "{name}: {}", refused.err);
            assert!(refused.err.contains("\nhint: "), "{name}: {}", refused.err);
            assert!(std::fs::read(place.store()).unwrap() == bytes, "{name}: the file was changed");
        }
    }
    std::fs::write(place.store(), &good).unwrap();
    let (_daemon, addr) = place.start().await;
    let response = message(&place, addr, "alice", "hello").send().await.unwrap();
    assert_eq!(response.json::<Value>().await.unwrap()["text"], "Turn 2: you said \"hello\"");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let place = place(Duration::ZERO).await.set("SERVER__LISTEN", &addr.to_string());
    let refused = place.run(&["run"]).await;
    assert_eq!(refused.code, 1);
    insta::assert_snapshot!(refused.err.replace(&addr.to_string(), "[addr]"), @r"
    cannot listen on [addr]: Address already in use (os error 98)
    hint: is another process using the port? Set `server.listen` to another one
    ");
    assert!(!place.store().exists(), "nothing was begun");
    // Where a flag says it, the flag is named.
    for command in ["demo", "sandbox"] {
        let refused = ran(bare(&[command, "--listen", &addr.to_string()])).await;
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{command}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(refused.err.replace(&addr.to_string(), "[addr]"), @r"
            cannot listen on [addr]: Address already in use (os error 98)
            hint: is another process using the port? `--listen 127.0.0.1:0` takes any free one
            ");
        }
    }
}

#[tokio::test]
async fn every_mistake_of_the_configuration_is_told_at_once() {
    let place = place(Duration::ZERO)
        .await
        .set("SERVER__LISTEN", "everywhere")
        .set("PIPELINE__MAX_IN_FLIGHT", "0")
        .set("PIPELINE__MAX_INFLIGHT", "5")
        .set("BOTS__MAIN__ACCOUNT", "mian")
        .set("CHANNELS__WEB__KIND", "htpp")
        .unset("ACCOUNTS__MAIN__ACCESS_TOKEN");
    let refused = place.run(&["run"]).await;
    assert_eq!((refused.code, refused.out.as_str()), (2, ""));
    insta::assert_snapshot!(refused.err);
}

#[tokio::test]
async fn a_bridge_without_channels_does_not_start() {
    let place = place(Duration::ZERO).await.unset("CHANNELS__");
    let refused = place.run(&["run"]).await;
    assert_eq!(refused.code, 2);
    insta::assert_snapshot!(refused.err, @r"
    no channel is configured
    hint: add a `[channels.<id>]` section; `caigunn-bridge config example` prints one
    ");
}

/// The modules that work on messages: each of their lines is about one.
const ABOUT_MESSAGES: [&str; 4] = ["pipeline::ask", "pipeline::recover", "pipeline::work", "pipeline::fetch"];

#[tokio::test]
async fn logs_name_the_message_and_tell_no_body_and_no_secret() {
    let place = place(Duration::ZERO).await.set("LOG__FILTER", "trace").set("PIPELINE__RECOVERY_WINDOW", "100ms");
    let (daemon, addr) = place.start().await;
    let text = "the body of a message";
    let mut ids = Vec::new();
    let faults =
        [None, Some(Fault::status(503)), Some(Fault::Reset), Some(Fault::ProcessThenReset), Some(Fault::status(422))];
    for (n, fault) in faults.into_iter().enumerate() {
        fault.into_iter().for_each(|fault| place.sandbox.push_fault(Scripted::on(fault, Call::Talk)));
        let response = message(&place, addr, &format!("name{n}"), &format!("{text} {n}")).send().await.unwrap();
        let answer: Value = response.json().await.unwrap();
        assert_ne!(answer["state"], "pending");
        ids.push(answer["id"].as_str().unwrap().to_owned());
    }
    // An expired token is refreshed; an unreadable picture is explained.
    place.sandbox.expire_token();
    let body = json!({ "user": "name9", "text": text, "images": ["bm8gcGljdHVyZQ=="] });
    let response = place.client.post(format!("http://{addr}/v1/messages")).bearer_auth(OTHER_KEY).json(&body).send();
    let answer: Value = response.await.unwrap().json().await.unwrap();
    ids.push(answer["id"].as_str().unwrap().to_owned());
    message(&place, addr, "name0", text).send().await.unwrap();
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);

    let log = place.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for id in &ids {
        let about = lines.iter().filter(|line| line["turn"] == id.as_str());
        assert_eq!(about.filter(|line| line["message"] == "turn ended").count(), 1, "{id}");
    }
    for line in &lines {
        let target = line["target"].as_str().unwrap();
        let about_one = ABOUT_MESSAGES.iter().any(|module| target.ends_with(module));
        assert!(!about_one || line["turn"].as_str().is_some_and(|id| id.starts_with("msg_")), "{line}");
    }
    for private in [text, "bm8gcGlj", "no picture", "you said", KEY, OTHER_KEY, "sandbox-token", "sandbox-key"] {
        assert!(
            !log.contains(private),
            "{private}: {}",
            log.lines().find(|line| line.contains(private)).unwrap_or_default()
        );
    }
}

#[tokio::test]
async fn the_log_is_for_people_where_that_is_wanted() {
    let place = place(Duration::ZERO).await.set("LOG__FORMAT", "human");
    let mut child = place.command(&["run"]);
    let log = std::fs::File::create(place.folder().join("log")).unwrap();
    let daemon = Daemon::of(child.stderr(log).spawn().unwrap());
    until("it listens", async || place.log().contains("listening")).await;
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
    let log = place.log();
    assert!(log.lines().any(|line| line.contains(" INFO listening addr=127.0.0.1:")), "{log}");
    assert!(!log.contains('\u{1b}'), "no colours in a file: {log}");
}

fn redacted(place: &Place, text: &str) -> String {
    text.replace(&place.folder().display().to_string(), "[folder]")
}
