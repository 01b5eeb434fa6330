//! Faults: each as it looks to the client, and whether the turn was carried out.

use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use caigunn_bridge::sandbox::{Call, Fault, LogOutcome, SandboxOptions, Scripted};
use image::ImageFormat;
use serde_json::Value;
use tokio::net::TcpListener;

use super::{World, picture, refused, text_of, until};

fn turns(world: &World) -> usize {
    world.sandbox.history("demo", "u").len()
}

/// Whether a TCP reset is behind the error.
fn is_reset(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionReset) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[tokio::test]
async fn a_status_comes_with_its_body_and_retry_after() {
    let world = World::plain().await;
    world.sandbox.push_fault(Fault::status(503));
    let (status, detail) = refused(world.talk("u", "x")).await;
    assert_eq!((status, detail.as_str(), turns(&world)), (503, "Service Unavailable", 0));

    world.sandbox.push_fault(Fault::Status {
        status: 429,
        body: Some("slow down".into()),
        content_type: Some("text/plain".into()),
        retry_after: Some("7".into()),
        processed: false,
    });
    let answer = world.talk("u", "x").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(answer.text().await.unwrap(), "slow down");
    assert_eq!(turns(&world), 0);

    world.sandbox.push_fault(Fault::Status {
        status: 500,
        body: None,
        content_type: None,
        retry_after: None,
        processed: true,
    });
    assert_eq!(refused(world.talk("u", "x")).await.0, 500);
    assert_eq!(turns(&world), 1);
    let log = world.sandbox.log();
    assert_eq!((log[2].outcome, log[2].fault, log[2].processed), (LogOutcome::Fault, Some("status"), true));
    assert!(!log[0].processed);
}

#[tokio::test]
async fn a_proxy_page_is_html() {
    let world = World::plain().await;
    world.sandbox.push_fault(Fault::Html502);
    let answer = world.talk("u", "x").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()), (502, "text/html"));
    assert!(answer.text().await.unwrap().starts_with("<html>"));
    assert_eq!(turns(&world), 0);
}

#[tokio::test]
async fn a_hang_ends_with_the_client_before_or_after_the_work() {
    let world = World::plain().await;
    for (fault, done) in [(Fault::Hang, 0), (Fault::ProcessThenHang, 1)] {
        world.sandbox.push_fault(fault);
        let error = world.talk("u", "x").timeout(Duration::from_millis(150)).send().await.unwrap_err();
        assert!(error.is_timeout());
        assert_eq!(turns(&world), done);
    }
    until("no call is left in flight", || world.sandbox.in_flight() == 0).await;
}

#[tokio::test]
async fn a_reset_is_one_before_or_after_the_work() {
    let world = World::plain().await;
    for (fault, done) in [(Fault::Reset, 0), (Fault::ProcessThenReset, 1)] {
        world.sandbox.push_fault(fault);
        let error = world.talk("u", "x").send().await.unwrap_err();
        assert!(is_reset(&error), "{error:?}");
        assert_eq!(turns(&world), done);
    }
    world.say("u", "the next call is well").await;
}

#[tokio::test]
async fn a_reset_mid_body_comes_after_the_head_and_the_work() {
    let world = World::plain().await;
    world.sandbox.push_fault(Fault::ResetMidBody);
    let answer = world.talk("u", "long 2000").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.content_length().unwrap() > 2000);
    let error = answer.bytes().await.unwrap_err();
    assert!(is_reset(&error), "{error:?}");
    assert_eq!(turns(&world), 1);
}

#[tokio::test]
async fn broken_and_odd_answers_are_200() {
    let world = World::plain().await;
    world.sandbox.push_fault(Fault::TruncatedJson);
    let answer = world.talk("u", "x").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(serde_json::from_str::<Value>(&answer.text().await.unwrap()).is_err());

    world.sandbox.push_fault(Fault::BigBody { bytes: 1_000_000 });
    let answer = text_of(world.talk("u", "x").send().await.unwrap()).await;
    assert!(answer.len() == 1_000_000 && answer.bytes().all(|byte| byte == b'x'));

    world.sandbox.push_fault(Fault::EmptyText);
    assert_eq!(world.say("u", "x").await, "");
    let kept: Vec<_> = world.sandbox.history("demo", "u").into_iter().map(|entry| entry.answer).collect();
    assert_eq!(kept, ["Turn 1: you said \"x\"", "Turn 2: you said \"x\"", ""]);
}

#[tokio::test]
async fn a_client_that_goes_during_a_delay_was_not_heard() {
    let world = World::plain().await;
    world.sandbox.push_fault(Scripted::from(Fault::Delay { ms: 200 }).times(2));
    let start = Instant::now();
    world.say("u", "patient").await;
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert!(world.talk("u", "impatient").timeout(Duration::from_millis(50)).send().await.is_err());
    until("the handler is gone", || world.sandbox.in_flight() == 0).await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(turns(&world), 1);
}

#[tokio::test]
async fn a_client_that_goes_while_it_is_answered_loses_nothing() {
    let latency = Duration::from_millis(150);
    let world = World::new(SandboxOptions { latency, ..SandboxOptions::default() }).await;
    assert!(world.talk("u", "gone").timeout(Duration::from_millis(50)).send().await.is_err());
    let gone = world.vision("u", picture(ImageFormat::Png), "gone too").timeout(Duration::from_millis(60));
    assert!(gone.send().await.is_err());
    until("both turns are kept", || turns(&world) == 2).await;
    let list = world.list("u", "").await;
    assert_eq!(list[1]["send"], "Turn 1: you said \"gone\"");
    assert_eq!(list[0]["type"], "image");
    until("the log knows", || world.sandbox.log()[..2].iter().all(|entry| entry.processed)).await;
    assert!(world.sandbox.log()[..2].iter().all(|entry| entry.outcome == LogOutcome::Disconnected));
}

#[tokio::test]
async fn a_stopped_sandbox_keeps_its_state_and_can_come_back() {
    let world = World::plain().await;
    world.say("u", "before").await;
    let (addr, request) = (world.sandbox.addr(), world.talk("u", "after"));
    let stopped = world.sandbox.stop().await;
    let refused = request.try_clone().unwrap().send().await.unwrap_err();
    assert!(refused.is_connect(), "{refused:?}");
    let back = stopped.listen(TcpListener::bind(addr).await.unwrap()).unwrap();
    assert_eq!(text_of(request.send().await.unwrap()).await, "Turn 2: you said \"after\"");
    assert_eq!(back.log().len(), 2);
}

#[tokio::test]
async fn faults_hit_the_calls_they_are_meant_for() {
    let world = World::plain().await;
    world.sandbox.push_fault(Scripted::on(Fault::status(500), Call::Messages));
    world.sandbox.push_fault(Scripted::from(Fault::status(418)).text("tea").uid("u1"));
    world.sandbox.push_fault(Scripted::from(Fault::status(400)).bot("other"));
    world.say("u1", "coffee").await;
    world.say("u2", "tea").await;
    assert_eq!(refused(world.talk("u1", "some tea")).await.0, 418);
    assert_eq!(refused(world.get("/chatbot/messages").header("uid", "u1")).await.0, 500);
    assert_eq!(world.list("u1", "").await.len(), 1);
    assert_eq!(world.sandbox.pending_faults(), 1);
}

#[tokio::test]
async fn calls_are_carried_out_side_by_side_after_the_latency() {
    let latency = Duration::from_millis(100);
    let world = World::new(SandboxOptions { latency, ..SandboxOptions::default() }).await;
    let start = Instant::now();
    let all = (0..50).map(|n| {
        let request = world.talk(&format!("u{n}"), "x");
        tokio::spawn(async move { request.send().await.unwrap().status() })
    });
    for call in all.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert!((100..1500).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert!(world.sandbox.peak_in_flight() > 10);
    assert_eq!(world.sandbox.in_flight(), 0);
}

#[tokio::test]
async fn random_failures_are_the_same_for_the_same_seed() {
    let fates = async |seed| {
        let options = SandboxOptions { failure_rate: 0.5, seed, ..SandboxOptions::default() };
        let world = World::new(options).await;
        let mut fates = String::new();
        for _ in 0..24 {
            fates += match world.talk("u", "x").send().await {
                Ok(answer) if answer.status() == 200 => "+",
                Ok(_) => "-",
                Err(_) => "!",
            };
        }
        fates
    };
    let first = fates(7).await;
    assert_eq!(first, fates(7).await);
    assert_ne!(first, fates(8).await);
    assert!(first.contains('+') && first.contains('-') && first.contains('!'), "{first}");
}
