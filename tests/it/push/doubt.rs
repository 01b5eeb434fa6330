//! Sends of which nobody knows whether they arrived, on a platform that knows a repeated one; and what a message costs.

use super::World;
use super::platform::Fault;
use crate::support::until;

async fn in_doubt(world: &World, result: &str) -> u64 {
    world.counted("bridge_sends_in_doubt_total", &[("result", result)]).await
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
