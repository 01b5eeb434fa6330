//! What comes again, or comes another way than before.

use caigunn_bridge::contract::store::{Intake, Upkeep};

use super::World;
use super::platform::{Draft, Fault, TOKEN};

const ANN: i64 = 7;

#[tokio::test]
async fn a_delivery_that_failed_is_not_passed_by_when_polling_goes_on() {
    let world = World::by_webhook("tg_leaves", |setup| setup).await;
    world.platform.says(ANN, ANN, "Hello");
    world.gets(ANN, 1).await;
    world.rests().await;
    // Telegram delivers what failed again, after later ones: an offset behind these would have it forgotten.
    let bot = TOKEN.split(':').next().unwrap();
    let store = world.beside();
    assert_eq!(store.cursor(&format!("telegram:{bot}:updates")).await.unwrap(), None);
    store.close().await;
}

#[tokio::test]
async fn what_is_wanted_anew_is_asked_for_though_the_first_attempt_fails() {
    let mut world = World::by_webhook("tg_anew", |setup| setup).await;
    world.platform.says(ANN, ANN, "Hello");
    world.gets(ANN, 1).await;
    world.platform.fails("setWebhook", None, Fault::Reset, 1);
    world.starts_again(&[("CHANNELS__TG_ANEW__CHANNEL_POSTS", "true")]).await;
    let news = world.platform.channel(-1_009, "News");
    super::until("the webhook is set again", async || world.platform.attempts("setWebhook").len() >= 3).await;
    world.platform.sends(Draft::new(news, ANN).text("Tea today"));
    world.gets(news, 1).await;
}

#[tokio::test]
async fn what_is_delivered_again_uses_up_no_rate() {
    let world =
        World::with("tg_again", |setup| setup.set("PIPELINE__USER_RATE", "1").set("PIPELINE__USER_BURST", "2")).await;
    let hello = world.platform.says(ANN, ANN, "Hello");
    world.gets(ANN, 1).await;
    for _ in 0..3 {
        world.platform.repeats(ANN, hello);
    }
    world.platform.says(ANN, ANN, "Tea?");
    assert_eq!(world.gets(ANN, 2).await[1], "Turn 2: you said \"Tea?\"");
    world.rests().await;
}

#[tokio::test]
async fn a_webhook_moves_to_another_address_though_the_first_attempt_fails() {
    let mut world = World::by_webhook("tg_moves_hook", |setup| setup).await;
    world.platform.says(ANN, ANN, "Hello");
    world.gets(ANN, 1).await;
    world.platform.fails("setWebhook", None, Fault::Reset, 1);
    world.starts_again(&[("CHANNELS__TG_MOVES_HOOK__WEBHOOK_URL", "https://chat.example.com")]).await;
    super::until("the webhook is set again", async || world.platform.attempts("setWebhook").len() >= 3).await;
    world.platform.says(ANN, ANN, "Tea?");
    world.gets(ANN, 2).await;
}

#[tokio::test]
async fn polls_that_are_not_to_be_held_are_no_hot_loop() {
    let world = World::with("tg_unheld", |setup| setup.set("CHANNELS__TG_UNHELD__POLL_TIMEOUT", "0s")).await;
    world.platform.says(ANN, ANN, "Hello");
    world.gets(ANN, 1).await;
    let before = world.platform.attempts("getUpdates").len();
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let after = world.platform.attempts("getUpdates").len();
    assert!(after - before <= 4, "{before} to {after}");
}
