//! What is told of a channel that does not work, and how it comes back.

use std::time::Duration;

use super::platform::TOKEN;
use super::{ANN, World, platform};

/// Another token of the same bot.
const OTHER: &str = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.GfAkE_.another-token-of-the-tests-0123456789";

#[tokio::test]
async fn a_connection_that_is_dead_is_noticed_and_told() {
    let platform = platform().await;
    platform.beats(Duration::from_millis(700));
    let world = World::on(platform, "dc_zombie", |setup| setup).await;
    let channel = world.platform.dm(ANN);
    world.platform.withholds_acks(true);
    world.platform.gateway_is_down(true);
    world.is("reconnecting").await;
    let standing = world.standing().await;
    assert_eq!(standing["ok"], false);
    assert!(!standing["detail"].as_str().unwrap().is_empty(), "{standing}");
    assert_eq!(world.bridge.ready().await["status"], "ok", "another channel works");
    world.bridge.say("ann", "hi").await;
    world.platform.tells(ANN, "meanwhile");
    world.platform.withholds_acks(false);
    world.platform.gateway_is_down(false);
    world.gets(channel, 1).await;
    world.is("connected").await;
    world.rests().await;
    assert_eq!((world.platform.identifies(), world.platform.resumes()), (1, 1));
}

#[tokio::test]
async fn a_token_that_is_refused_from_the_start_is_told_and_stops_nothing_else() {
    let platform = platform().await;
    platform.set_token(OTHER);
    let mut world = World::unconnected(platform, "dc_token", |setup| setup).await;
    world.is("bad_credentials").await;
    let standing = world.standing().await;
    let detail = standing["detail"].as_str().unwrap();
    assert!(detail.contains("channels.dc_token.token") && !detail.contains(TOKEN), "{detail}");
    assert_eq!((standing["ok"].clone(), world.platform.logins().len()), (false.into(), 0));
    world.bridge.say("ann", "hi").await;
    // Each refusal counts towards being locked out.
    let refused = world.platform.invalid_requests();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(world.platform.invalid_requests() <= refused + 2, "{refused}, {}", world.platform.invalid_requests());
    world.starts_again(&[("CHANNELS__DC_TOKEN__TOKEN", OTHER)]).await;
    world.platform.tells(ANN, "hello");
    world.gets(world.platform.dm(ANN), 1).await;
    world.rests().await;
}

#[tokio::test]
async fn a_token_that_is_reset_meanwhile_costs_no_message() {
    let mut world = World::new("dc_token_later").await;
    let channel = world.platform.dm(ANN);
    world.platform.tells(ANN, "before");
    world.gets(channel, 1).await;
    world.rests().await;
    world.platform.set_token(OTHER);
    world.platform.drops_connections();
    world.is("bad_credentials").await;
    world.platform.tells(ANN, "meanwhile");
    world.bridge.say("ann", "hi").await;
    let tried = world.platform.logins().len();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((tried, world.platform.logins().len()), (2, 2));
    world.starts_again(&[("CHANNELS__DC_TOKEN_LATER__TOKEN", OTHER)]).await;
    world.platform.tells(ANN, "after");
    world.gets(channel, 3).await;
    world.rests().await;
    let asked: Vec<String> = world.asked().into_iter().filter(|text| text != "hi").collect();
    assert_eq!(asked, ["before", "meanwhile", "after"]);
}
