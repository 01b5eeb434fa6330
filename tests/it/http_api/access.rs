//! Who is not let in hears so at once, and leaves nothing behind.

use image::ImageFormat;
use reqwest::RequestBuilder;
use serde_json::json;

use crate::support::{KEY, Setup, base64, picture, problem};

async fn refused(request: RequestBuilder) -> String {
    let (status, document) = problem(request.send().await.unwrap()).await;
    assert_eq!((status, &document["code"]), (403, &json!("not_allowed")), "{document}");
    document["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_lists_are_kept_and_commands_are_the_admins() {
    let bridge = Setup::default()
        .set("CHANNELS__WEB__ACCESS__DENY_USERS", "eve")
        .set("CHANNELS__WEB__ACCESS__DENY_CHATS", "closed")
        .set("CHANNELS__WEB__ACCESS__ADMINS", "root")
        .set("CHANNELS__WEB__ACCESS__ADMIN_COMMANDS", "reset")
        .set("PIPELINE__USER_RATE", "1")
        .set("PIPELINE__USER_BURST", "1")
        .start()
        .await;
    for _ in 0..3 {
        refused(bridge.message("eve", "hi").header("Idempotency-Key", "k")).await;
    }
    let image = base64(&picture(ImageFormat::Png));
    let shown = json!({ "user": "eve", "text": "look", "images": [{ "data": image }] });
    refused(bridge.post(KEY, &shown)).await;
    let there = |user: &str| bridge.post(KEY, &json!({ "user": user, "conversation": "closed", "text": "there" }));
    refused(there("alice")).await;
    assert_eq!(there("root").send().await.unwrap().status(), 200, "an admin is let in everywhere");
    bridge.say("root", "and has no rate").await;
    bridge.say("root", "at all").await;
    bridge.say("alice", "who was denied has used nothing up").await;
    let reset =
        |user: &str| bridge.client.post(bridge.url(&format!("/v1/conversations/{user}/reset"))).bearer_auth(KEY);
    let detail = refused(reset("bob")).await;
    assert!(detail.contains("admin"), "{detail}");
    let done = reset("root").send().await.unwrap().json::<serde_json::Value>().await.unwrap();
    assert_eq!((&done["state"], &done["replies"][0]["voice"]), (&json!("answered"), &json!("notice")), "{done}");
    assert!(bridge.asks().iter().all(|ask| ask.uid.as_deref().is_some_and(|uid| !uid.contains("eve"))));
    let files = std::fs::read_dir(bridge.folder().join("bridge.db.media")).unwrap().count();
    assert_eq!(files, 0, "no picture of theirs was stored");
}
