//! What is read of a body before it is known whether it is any good.

use serde_json::json;

use crate::support::{KEY, Setup, problem};

#[tokio::test]
async fn a_request_for_a_token_is_small() {
    let bridge = Setup::default().set("CHANNELS__WEB__PLAYGROUND", "true").start().await;
    let large = "x".repeat(1 << 20);
    let guest = bridge.client.post(bridge.url("/chat/session")).json(&json!({ "token": large }));
    assert_eq!(problem(guest.send().await.unwrap()).await.0, 413);
    let minted = bridge.client.post(bridge.url("/v1/sessions")).bearer_auth(KEY).json(&json!({ "user": large }));
    assert_eq!(problem(minted.send().await.unwrap()).await.0, 413);
    // The longest one that there can be is no large one.
    let (long, odd) = ("\"".repeat(256), "\u{1}".repeat(256));
    let longest = json!({ "user": long, "conversation": long, "nickname": odd });
    let minted = bridge.client.post(bridge.url("/v1/sessions")).bearer_auth(KEY).json(&longest).send().await.unwrap();
    let token = minted.json::<serde_json::Value>().await.unwrap()["token"].as_str().unwrap().to_owned();
    assert_eq!(bridge.get(&token, "/v1/session").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn millions_of_images_are_too_many_at_sight() {
    let bridge = crate::support::Bridge::new().await;
    for (images, why) in [(json!(vec![""; 1 << 20]), "images"), (json!([vec![0; 1 << 20]]), "base64 text")] {
        let (status, document) =
            problem(bridge.post(KEY, &json!({ "user": "a", "images": images })).send().await.unwrap()).await;
        assert_eq!((status, document["detail"].as_str().unwrap().contains(why)), (422, true), "{document}");
    }
    let few = json!({ "user": "a", "images": vec![""; 11] });
    let (status, document) = problem(bridge.post(KEY, &few).send().await.unwrap()).await;
    assert_eq!((status, &document["detail"]), (422, &json!("`images` has 11 entries; the limit is 10")));
}
