//! One conversation in order, many at once, within the bound.

use std::collections::HashMap;
use std::time::Duration;

use caigunn_bridge::sandbox::{Call, Fault, LogEntry, Scripted};
use futures_util::future::join_all;

use crate::support::{Bridge, KEY, Setup};

const PEOPLE: usize = 20;
const MESSAGES: usize = 10;

/// Everybody writes all their messages at once; checks that each is answered as it was written.
async fn everybody_writes(bridge: &Bridge) {
    let people = (0..PEOPLE).map(async |person| {
        let mut ids = Vec::new();
        for n in 1..=MESSAGES {
            ids.push(bridge.hand_in(&format!("p{person}"), &format!("p{person} m{n}")).await);
        }
        for (n, id) in (1..).zip(ids) {
            let view = bridge.ended(KEY, &id).await;
            assert_eq!(view["text"], format!("Turn {n}: you said \"p{person} m{n}\""), "{view}");
        }
    });
    join_all(people).await;
}

fn by_conversation(asks: Vec<LogEntry>) -> HashMap<String, Vec<LogEntry>> {
    let mut conversations: HashMap<String, Vec<LogEntry>> = HashMap::new();
    for ask in asks {
        conversations.entry(ask.uid.clone().unwrap()).or_default().push(ask);
    }
    conversations
}

#[tokio::test]
async fn asks_of_one_conversation_never_overlap_and_those_of_many_do() {
    let bridge = Bridge::new().await;
    bridge.sandbox.set_latency(Duration::from_millis(60));
    everybody_writes(&bridge).await;
    let conversations = by_conversation(bridge.asks());
    assert_eq!(conversations.len(), PEOPLE);
    for asks in conversations.values() {
        assert_eq!(asks.len(), MESSAGES);
        for pair in asks.windows(2) {
            assert!(pair[0].at_ms + pair[0].duration_ms.unwrap() <= pair[1].at_ms, "{pair:?}");
        }
    }
    assert!(bridge.sandbox.peak_in_flight() > PEOPLE / 4, "{}", bridge.sandbox.peak_in_flight());
}

#[tokio::test]
async fn order_holds_when_asks_fail() {
    let bridge = Bridge::new().await;
    for (fault, times) in
        [(Fault::status(503), 15), (Fault::ProcessThenReset, 10), (Fault::Reset, 10), (Fault::TruncatedJson, 5)]
    {
        bridge.sandbox.push_fault(Scripted::on(fault, Call::Talk).times(times));
    }
    everybody_writes(&bridge).await;
    for asks in by_conversation(bridge.asks()).values() {
        let done: Vec<_> = asks.iter().filter(|ask| ask.processed).filter_map(|ask| ask.text.as_deref()).collect();
        assert_eq!(done.len(), MESSAGES, "each carried out once: {done:?}");
    }
}

#[tokio::test]
async fn no_more_are_in_flight_than_configured() {
    let bridge = Setup::default().set("PIPELINE__MAX_IN_FLIGHT", "3").start().await;
    bridge.sandbox.set_latency(Duration::from_millis(5));
    everybody_writes(&bridge).await;
    let peak = bridge.sandbox.peak_in_flight();
    assert!((2..=3).contains(&peak), "{peak}");
}

#[tokio::test]
async fn one_slow_conversation_holds_up_no_other() {
    let bridge = Bridge::new().await;
    bridge.sandbox.push_fault(Scripted::on(Fault::Hang, Call::Talk).uid("slow").times(0));
    for n in 0..5 {
        bridge.hand_in("slow", &format!("m{n}")).await;
    }
    for n in 1..=20 {
        assert_eq!(bridge.say("quick", "hi").await["text"], format!("Turn {n}: you said \"hi\""));
    }
    assert_eq!(bridge.asks().iter().filter(|ask| ask.uid.as_deref() == Some("web-shop-slow")).count(), 1);
}
