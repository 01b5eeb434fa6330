//! Sends that fail so that nobody knows whether they arrived, and sends that surely did not.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::World;
use super::platform::{BAD_GATEWAY, Fault, Platform};
use crate::support::until;

const ANN: i64 = 7;

async fn in_doubt(world: &World, result: &str) -> u64 {
    world.counted("bridge_sends_in_doubt_total", &[("result", result)]).await
}

#[tokio::test]
async fn by_default_it_is_sent_again_once_and_counted() {
    let world = World::with("tgd_doubt", |setup| setup.set("CHANNELS__TGD_DOUBT__TIMEOUT", "3s")).await;
    let faults = [
        (Fault::ProcessedThenReset, 2),
        (Fault::ProcessedThenHang, 2),
        (Fault::Truncated, 2),
        (Fault::Reset, 1),
        (Fault::Hang, 1),
        (Fault::Refuse(500, "Internal Server Error: restart"), 1),
        (Fault::Refuse(502, "Bad Gateway"), 1),
        (Fault::Answer(502, BAD_GATEWAY), 1),
        (Fault::Answer(200, ""), 1),
    ];
    for (user, (fault, _)) in (100..).zip(&faults) {
        world.platform.fails("sendmessage", Some(user), fault.clone(), 1);
        world.platform.says(user, user, "hello");
        world.platform.says(user, user, "bye");
    }
    for (user, (fault, copies)) in (100..).zip(&faults) {
        let got = world.gets(user, copies + 1).await;
        assert!(
            got[..*copies].iter().all(|text| text.contains("hello")) && got[*copies].contains("bye"),
            "{fault:?}: {got:?}"
        );
    }
    world.rests().await;
    assert_eq!(in_doubt(&world, "resent").await, faults.len() as u64);
    assert_eq!(world.platform.attempts("sendmessage").len(), 3 * faults.len());
    assert!(world.work().await.is_empty());
}

#[tokio::test]
async fn at_will_it_is_set_aside_for_the_operator() {
    let world = World::with("tgd_drop", |setup| setup.set("PIPELINE__AMBIGUOUS_SEND", "drop")).await;
    world.platform.fails("sendmessage", Some(ANN), Fault::ProcessedThenReset, 1);
    world.platform.says(ANN, ANN, "long 9000");
    world.platform.says(ANN, ANN, "bye");
    let got = world.gets(ANN, 4).await;
    world.rests().await;
    assert!(got[0].starts_with("1. ") && got[3].contains("bye"), "{got:?}");
    assert_eq!((world.platform.sent_count(ANN), in_doubt(&world, "dropped").await), (4, 1), "no double");
    let list = world.bridge.command(&["messages", "list", "--dead"]).await;
    assert!(list.contains("in_doubt"), "{list}");
    // What surely has not arrived is no doubt, whatever the policy.
    world.platform.fails("sendmessage", Some(8), Fault::Answer(403, "<html>a firewall</html>"), 1);
    world.platform.says(8, 8, "hello");
    world.gets(8, 1).await;
    world.rests().await;
    assert_eq!(in_doubt(&world, "dropped").await, 1);
}

#[tokio::test]
async fn a_chat_that_hangs_for_ever_stops_no_other() {
    let world = World::with("tgd_hangs", |setup| setup.set("CHANNELS__TGD_HANGS__TIMEOUT", "2m")).await;
    world.platform.fails("sendmessage", Some(ANN), Fault::Hang, 0);
    world.platform.says(ANN, ANN, "hello");
    until("it hangs", async || world.platform.attempts("sendmessage").len() == 1).await;
    for round in 1..=3 {
        for user in 100..130 {
            world.platform.says(user, user, &format!("hello {round}"));
        }
    }
    for user in 100..130 {
        let got = world.gets(user, 3).await;
        for (n, text) in (1..).zip(got) {
            assert_eq!(text, format!("Turn {n}: you said \"hello {n}\""));
        }
    }
    assert_eq!((world.platform.sent_count(ANN), world.platform.overlaps()), (0, 0));
    assert_eq!(world.platform.violations(), Vec::<String>::new());
}

/// A door to the platform that can be shut: then there is nothing to connect to.
struct Door {
    addr: SocketAddr,
    to: SocketAddr,
    open: Option<JoinHandle<()>>,
}

impl Door {
    async fn to(platform: &Platform) -> Self {
        let to = platform.url().trim_start_matches("http://").parse().unwrap();
        let addr = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let mut door = Self { addr, to, open: None };
        door.opens().await;
        door
    }

    async fn opens(&mut self) {
        let (to, listener) = (self.to, TcpListener::bind(self.addr).await.unwrap());
        self.open = Some(tokio::spawn(async move {
            // Dropped with this task, and every connection with it.
            let mut through = JoinSet::new();
            loop {
                let (mut from, _) = listener.accept().await.unwrap();
                through.spawn(async move {
                    let mut to = TcpStream::connect(to).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                });
            }
        }));
    }

    async fn shuts(&mut self) {
        if let Some(open) = self.open.take() {
            open.abort();
            let _ = open.await;
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(open) = &self.open {
            open.abort();
        }
    }
}

#[tokio::test]
async fn what_finds_nobody_to_connect_to_has_not_arrived() {
    let platform = Platform::start().await;
    let mut door = Door::to(&platform).await;
    let url = format!("http://{}", door.addr);
    let through = |setup: crate::support::Setup| {
        setup.set("CHANNELS__TGD_REFUSED__API_URL", &url).set("PIPELINE__AMBIGUOUS_SEND", "drop")
    };
    let world = World::on(platform, "tgd_refused", through).await;
    world.bridge.sandbox.set_latency(Duration::from_millis(500));
    world.platform.says(ANN, ANN, "hello");
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    door.shuts().await;
    let tried = async || world.counted("bridge_sends_total", &[("result", "retry")]).await > 1;
    until("it is tried in vain", tried).await;
    assert_eq!(world.state().await, "reconnecting");
    door.opens().await;
    assert_eq!(world.gets(ANN, 1).await, ["Turn 1: you said \"hello\""]);
    world.rests().await;
    assert_eq!(world.platform.attempts("sendmessage").len(), 1);
    assert_eq!(in_doubt(&world, "dropped").await, 0);
}
