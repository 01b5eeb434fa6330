//! Delivered by Telegram: who may, what is answered when, and a webhook that looks after itself.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::World;
use super::platform::{Draft, TOKEN};
use super::polling::recorded;
use crate::support::until;

const ANN: i64 = 7;

/// What Telegram says of the webhook.
async fn info(world: &World) -> Value {
    let url = format!("{}/bot{TOKEN}/getWebhookInfo", world.platform.url());
    let answer: Value = world.bridge.client.post(url).send().await.unwrap().json().await.unwrap();
    answer["result"].clone()
}

/// Delivers what somebody claims to be Telegram's.
async fn delivers(world: &World, secret: Option<&str>, body: impl Into<reqwest::Body>) -> StatusCode {
    let request = world.bridge.client.post(world.bridge.url(&format!("/telegram/{}", world.id)));
    let request = request.header("content-type", "application/json").body(body);
    let request = match secret {
        Some(secret) => request.header("X-Telegram-Bot-Api-Secret-Token", secret),
        None => request,
    };
    request.send().await.unwrap().status()
}

/// The secret that the webhook was set with; somebody has written by then.
async fn secret(world: &World) -> String {
    world.platform.says(ANN, ANN, "hello");
    world.gets(ANN, 1).await;
    world.platform.deliveries().last().unwrap().secret.clone().unwrap()
}

#[tokio::test]
async fn the_webhook_is_set_with_a_secret_and_what_is_wanted() {
    let world = World::by_webhook("tg_hook_set", |setup| setup).await;
    let secret = secret(&world).await;
    assert!(secret.len() >= 32, "{secret}");
    assert!(!TOKEN.contains(&secret) && !secret.contains(TOKEN));
    let info = info(&world).await;
    assert_eq!(info["url"], "https://bot.example.com/telegram/tg_hook_set");
    assert_eq!(info["max_connections"], 1);
    assert_eq!(info["allowed_updates"], json!(["message", "edited_message", "my_chat_member"]));
    world.is("connected").await;
    assert_eq!((world.platform.webhook_sets(), world.platform.drops()), (1, 0));
    assert!(world.platform.polls().is_empty());
    world.rests().await;
}

#[tokio::test]
async fn several_deliveries_at_once_are_taken() {
    let world = World::by_webhook("tg_hook_many", |setup| {
        setup
            .set("CHANNELS__TG_HOOK_MANY__WEBHOOK_CONNECTIONS", "10")
            .set("CHANNELS__TG_HOOK_MANY__CHANNEL_POSTS", "true")
    })
    .await;
    for chat in 1..=30 {
        world.platform.says(chat, chat, "hello");
    }
    for chat in 1..=30 {
        world.gets(chat, 1).await;
    }
    world.rests().await;
    assert_eq!(world.asked().len(), 30);
    let info = info(&world).await;
    assert_eq!(info["max_connections"], 10);
    assert_eq!(info["allowed_updates"].as_array().unwrap().len(), 5, "posts of channels too");
}

#[tokio::test]
async fn a_webhook_that_was_changed_is_repaired() {
    let world =
        World::by_webhook("tg_hook_repair", |setup| setup.set("CHANNELS__TG_HOOK_REPAIR__WEBHOOK_CHECK", "200ms"))
            .await;
    let own = "https://bot.example.com/telegram/tg_hook_repair";
    secret(&world).await;
    world.platform.removes_webhook();
    world.platform.says(ANN, ANN, "removed");
    world.gets(ANN, 2).await;
    assert_eq!(world.platform.webhook().as_deref(), Some(own));
    // The same address, and neither our secret nor our number of connections.
    world.platform.sets_webhook(own);
    world.platform.says(ANN, ANN, "changed");
    world.gets(ANN, 3).await;
    until("it is as it was", async || info(&world).await["max_connections"] == 1).await;
    // Somebody else's is theirs, until they let go of it.
    world.platform.sets_webhook("https://other.example.org/hook");
    world.is("conflict").await;
    world.platform.says(ANN, ANN, "taken");
    assert!(world.standing().await["detail"].as_str().unwrap().contains("a webhook at other.example.org"));
    world.platform.removes_webhook();
    world.gets(ANN, 4).await;
    world.is("connected").await;
    world.rests().await;
    assert_eq!(world.asked(), ["hello", "removed", "changed", "taken"]);
    assert_eq!(world.platform.drops(), 0);
}

#[tokio::test]
async fn a_webhook_whose_secret_somebody_changed_is_repaired() {
    let world = World::by_webhook("tg_hook_secret", |setup| {
        setup
            .set("CHANNELS__TG_HOOK_SECRET__WEBHOOK_CHECK", "200ms")
            .set("CHANNELS__TG_HOOK_SECRET__WEBHOOK_CONNECTIONS", "40")
    })
    .await;
    secret(&world).await;
    let sets = world.platform.webhook_sets();
    world.platform.sets_webhook("https://bot.example.com/telegram/tg_hook_secret");
    world.platform.says(ANN, ANN, "again");
    world.gets(ANN, 2).await;
    assert!(world.platform.deliveries().iter().any(|delivery| delivery.status == 401));
    assert_eq!(world.platform.webhook_sets(), sets + 1);
    world.is("connected").await;
    world.rests().await;
}

#[tokio::test]
async fn who_does_not_know_the_secret_changes_nothing() {
    let world = World::by_webhook("tg_hook_who", |setup| setup).await;
    let secret = secret(&world).await;
    world.rests().await;
    let before = recorded(&world);
    let forged = json!({
        "update_id": 9, "message": {
            "message_id": 9, "date": 1_700_000_000, "text": "forged", "chat": { "id": ANN, "type": "private" },
            "from": { "id": ANN, "is_bot": false, "first_name": "Ann" },
        },
    });
    let wrong = format!("{}x", &secret[..secret.len() - 1]);
    for given in [None, Some(""), Some(wrong.as_str()), Some(&secret[1..]), Some(TOKEN)] {
        assert_eq!(delivers(&world, given, forged.to_string()).await, 401, "{given:?}");
    }
    assert_eq!(recorded(&world), before);
    assert_eq!(delivers(&world, Some(&secret), "{").await, 400);
    assert_eq!(delivers(&world, Some(&secret), "").await, 400);
    assert_eq!(delivers(&world, Some(&secret), vec![b' '; (1 << 20) + 1]).await, 413);
    let get = world.bridge.client.get(world.bridge.url("/telegram/tg_hook_who")).send().await.unwrap();
    assert_eq!(get.status(), 405);
    assert_eq!(recorded(&world), before);
    // What is no update is nothing that would be any better the next time.
    assert_eq!(delivers(&world, Some(&secret), r#"{"update_id":1,"message":7}"#).await, 200);
    assert_eq!(world.counted("bridge_events_total", &[("result", "unreadable")]).await, 1);
    assert_eq!(delivers(&world, Some(&secret), forged.to_string()).await, 200, "with the secret it is Telegram's");
    world.gets(ANN, 2).await;
    world.rests().await;
    assert_eq!(world.asked(), ["hello", "forged"]);
}

#[tokio::test]
async fn what_cannot_be_stored_is_delivered_again() {
    let world = World::by_webhook("tg_hook_store", |setup| setup).await;
    secret(&world).await;
    world.rests().await;
    let lock = world.database();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    world.platform.says(ANN, ANN, "kept");
    let refused = || world.platform.deliveries().iter().filter(|delivery| delivery.status == 503).count();
    until("it is refused", async || refused() > 0).await;
    assert_eq!(world.platform.pending(), 1);
    lock.execute_batch("ROLLBACK").unwrap();
    world.gets(ANN, 2).await;
    world.rests().await;
    assert_eq!(world.asked(), ["hello", "kept"]);
    assert_eq!(world.platform.sent_count(ANN), 2);
}

#[tokio::test]
async fn an_answer_that_is_lost_on_its_way_does_no_harm() {
    let mut world = World::by_webhook("tg_hook_lost", |setup| setup).await;
    secret(&world).await;
    world.platform.loses_webhook_answers(3);
    for text in ["one", "two"] {
        world.platform.says(ANN, ANN, text);
    }
    world.gets(ANN, 3).await;
    world.rests().await;
    assert_eq!(world.counted("bridge_events_total", &[("result", "duplicate")]).await, 3);
    // The same across a crash right after the commit.
    world.platform.loses_webhook_answers(u32::MAX);
    world.bridge.sandbox.set_latency(std::time::Duration::from_millis(300));
    let before = recorded(&world);
    world.platform.sends(Draft::new(ANN, ANN).text("three"));
    until("it is on disk", async || recorded(&world) > before).await;
    world.bridge.crash().await;
    world.platform.loses_webhook_answers(0);
    world.starts_again(&[]).await;
    world.gets(ANN, 4).await;
    world.rests().await;
    assert_eq!(world.platform.sent_count(ANN), 4);
    assert_eq!(recorded(&world), before + 1);
}

#[tokio::test]
async fn a_token_that_works_again_is_known_from_what_is_sent() {
    let world = World::by_webhook("tg_hook_token", |setup| setup).await;
    until("the webhook is set", async || world.platform.webhook().is_some()).await;
    world.is("connected").await;
    world.platform.set_token("123456789:AAAnotherTokenOfTheTests_0123456789");
    world.platform.says(ANN, ANN, "hello");
    world.is("bad_credentials").await;
    world.platform.set_token(TOKEN);
    world.gets(ANN, 1).await;
    world.is("connected").await;
    world.rests().await;
}
