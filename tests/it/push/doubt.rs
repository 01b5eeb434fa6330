//! Sends of which nobody knows whether they arrived, and what a restart leaves.

use std::time::Duration;

use super::World;
use super::platform::Fault;
use crate::support::until;

async fn in_doubt(world: &World, result: &str) -> u64 {
    world.counted("bridge_sends_in_doubt_total", &[("result", result)]).await
}

#[tokio::test]
async fn by_default_it_is_sent_again_and_counted() {
    let world = World::new("pager_resend").await;
    world.platform.fails(Fault::SentThenReset, None, 1);
    world.platform.says("ann", "hello");
    let got = world.gets("ann", 2).await;
    world.rests().await;
    assert_eq!(got[0], got[1], "nothing is lost, a double is possible");
    assert_eq!(in_doubt(&world, "resent").await, 1);
}

#[tokio::test]
async fn at_will_it_is_set_aside_and_the_rest_goes_on() {
    let world = World::with("pager_drop", |setup| setup.set("PIPELINE__AMBIGUOUS_SEND", "drop")).await;
    world.platform.fails(Fault::SentThenReset, None, 1);
    world.platform.says("ann", "long 300");
    world.platform.says("ann", "bye");
    let got = world.gets("ann", 4).await;
    world.rests().await;
    assert!(got[0].starts_with("1. ") && got[1].starts_with("3. ") && got[3].contains("bye"), "{got:?}");
    assert_eq!(in_doubt(&world, "dropped").await, 1);
    let work = world.work().await;
    assert_eq!(work.len(), 1);
    assert_eq!(work[0].reason.as_deref(), Some("in_doubt"));
    let beside = world.beside();
    caigunn_bridge::contract::store::Upkeep::retry(&*beside, work[0].id).await.unwrap();
    let got = world.gets("ann", 5).await;
    assert_eq!(got[4], got[0], "an operator's word is taken");
    world.rests().await;
}

#[tokio::test]
async fn a_platform_that_knows_a_repeated_send_gets_it_again_whatever_the_policy() {
    let world = World::with("pager_nonce", |setup| {
        setup.set("PIPELINE__AMBIGUOUS_SEND", "drop").set("CHANNELS__PAGER_NONCE__NONCE_WINDOW", "1m")
    })
    .await;
    world.platform.dedupes();
    world.platform.fails(Fault::SentThenReset, None, 1);
    world.platform.says("ann", "hello");
    until("it is sent again", async || world.platform.attempts("ann").len() == 2).await;
    world.rests().await;
    assert_eq!(world.platform.texts("ann").len(), 1);
    assert_eq!(in_doubt(&world, "deduped").await, 1);
    assert!(world.work().await.is_empty());
}

#[tokio::test]
async fn a_call_that_hangs_is_in_doubt() {
    let world = World::new("pager_hang").await;
    world.platform.fails(Fault::Hang, Some("ann"), 1);
    world.platform.says("ann", "hello");
    world.platform.says("bob", "hello");
    world.gets("bob", 1).await;
    assert_eq!(world.gets("ann", 1).await.len(), 1);
    world.rests().await;
    assert_eq!(in_doubt(&world, "resent").await, 1);
}

#[tokio::test]
async fn a_restart_sends_what_waits_once_and_in_order() {
    let mut world = World::new("pager_restart").await;
    world.platform.fails(Fault::RateLimited { scope: "chat", ms: 1_500 }, Some("ann"), 1);
    world.platform.says("ann", "long 300");
    world.platform.says("ann", "bye");
    until("the limit is hit", async || !world.platform.attempts("ann").is_empty()).await;
    until("both turns have ended", async || world.open_work().await.len() == 4).await;
    world.bridge.start_again(&[]).await;
    let got = world.gets("ann", 4).await;
    world.rests().await;
    assert!(got[0].starts_with("1. ") && got[3].contains("bye"), "{got:?}");
    assert_eq!(world.platform.texts("ann").len(), 4);
    let calls = world.platform.attempts("ann");
    assert!(calls[1].at - calls[0].at >= Duration::from_millis(1_400), "the platform's pause is kept");
    for result in ["resent", "dropped", "deduped"] {
        assert_eq!(in_doubt(&world, result).await, 0);
    }
}

#[tokio::test]
async fn only_the_open_send_is_in_doubt_after_a_crash() {
    let mut world = World::with("pager_crash", |setup| setup.set("CHANNELS__PAGER_CRASH__TIMEOUT", "30s")).await;
    world.platform.fails(Fault::Hang, Some("ann"), 1);
    world.platform.fails(Fault::RateLimited { scope: "chat", ms: 1_000 }, Some("bob"), 1);
    for user in ["ann", "bob"] {
        world.platform.says(user, "long 300");
        world.platform.says(user, "bye");
    }
    let hit = async || !world.platform.attempts("ann").is_empty() && !world.platform.attempts("bob").is_empty();
    until("one hangs, one is paused", hit).await;
    until("all turns have ended", async || world.open_work().await.len() == 8).await;
    world.bridge.crash().await;
    world.bridge.start_again(&[]).await;
    for user in ["ann", "bob"] {
        let got = world.gets(user, 4).await;
        assert!(got[0].starts_with("1. ") && got[3].contains("bye"), "{got:?}");
    }
    world.rests().await;
    assert_eq!(world.platform.delivered().len(), 8);
    assert_eq!(in_doubt(&world, "resent").await, 1);
}

#[tokio::test]
async fn an_ask_that_a_crash_cut_off_is_answered_once() {
    let mut world = World::new("pager_cut").await;
    world.bridge.sandbox.set_latency(Duration::from_millis(400));
    world.platform.says("ann", "one");
    world.platform.says("ann", "two");
    until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
    world.bridge.crash().await;
    world.bridge.start_again(&[]).await;
    let got = world.gets("ann", 2).await;
    world.rests().await;
    assert!(got[0].contains("one") && got[1].contains("two"), "{got:?}");
    assert_eq!(world.platform.texts("ann").len(), 2);
}

/// The figure is the process's: it is true when this test runs alone.
#[tokio::test]
async fn a_message_costs_few_commits() {
    let world = World::new("pager_commits").await;
    let commits = async || {
        let page = world.bridge.metrics().await;
        let line = page.lines().find(|line| line.starts_with("bridge_store_commits_total")).unwrap_or("0").to_owned();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    world.platform.says("ann", "warm");
    world.gets("ann", 1).await;
    let before = commits().await;
    for n in 0..20 {
        world.platform.says("ann", "hello");
        world.gets("ann", n + 2).await;
    }
    world.rests().await;
    println!("commits per message, one at a time: {:.2}", (commits().await - before) / 20.0);
    let before = commits().await;
    world.platform.says("ann", "long 5000");
    world.rests().await;
    let pieces = world.platform.texts("ann").len() - 21;
    println!("commits for an answer of {pieces} pieces: {}", commits().await - before);
}
