//! Streams of events while their channel is built anew, or goes.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::sse::Stream;
use crate::support::{Bridge, KEY, Setup, problem};

fn events(bridge: &Bridge, token: &str, user: &str) -> RequestBuilder {
    bridge.client.get(bridge.url(&format!("/v1/conversations/{user}/events?after=0"))).bearer_auth(token)
}

/// What is heard until the stream ends.
async fn to_the_end(stream: &mut Stream, heard: &mut Vec<(i64, String)>) {
    while let Some(event) = stream.next().await {
        if event.name == "message" {
            heard.push((event.data["n"].as_i64().unwrap(), event.text().to_owned()));
        }
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_channel_and_goes_on_with_the_next_one() {
    let mut bridge = Bridge::new().await;
    bridge.sandbox.set_latency(Duration::from_millis(40));
    let mut heard = Vec::new();
    let mut stream = Stream::open(events(&bridge, KEY, "alice")).await;
    for round in 0..4 {
        for n in 0..4 {
            bridge.hand_in("alice", &format!("{round}.{n}")).await;
        }
        // In the midst of the answers.
        let changes = bridge.reloads(&[("CHANNELS__WEB__MAX_IMAGES", &(round + 1).to_string())]).await;
        assert_eq!(changes, ["channel web restarted"]);
        to_the_end(&mut stream, &mut heard).await;
        let mut next = events(&bridge, KEY, "alice");
        if !stream.last_id.is_empty() {
            next = next.header("Last-Event-ID", &stream.last_id);
        }
        let last_id = stream.last_id;
        stream = Stream::open(next).await;
        stream.last_id = last_id;
    }
    bridge.say("alice", "the end").await;
    bridge.reloads(&[("CHANNELS__WEB__MAX_IMAGES", "")]).await;
    // The last replies may be on their way when the channel goes.
    to_the_end(&mut stream, &mut heard).await;
    let mut rest = Stream::open(events(&bridge, KEY, "alice").header("Last-Event-ID", &stream.last_id)).await;
    while let Some(event) = rest.next().await.filter(|event| event.name == "message") {
        heard.push((event.data["n"].as_i64().unwrap(), event.text().to_owned()));
    }
    let mut all = Stream::open(bridge.get(KEY, "/v1/conversations/alice/events?last=200")).await;
    let mut stored = Vec::new();
    while let Some(event) = all.next().await.filter(|event| event.name == "message") {
        stored.push((event.data["n"].as_i64().unwrap(), event.text().to_owned()));
    }
    assert_eq!(heard, stored, "exactly what is stored, in order, once");
    assert_eq!(stored.len(), 2 * 17, "17 messages, each with an answer");
}

#[tokio::test]
async fn streams_end_with_the_key_the_playground_and_the_channel_that_let_them_in() {
    let setup = Setup::default().set("CHANNELS__WEB__PLAYGROUND", "true");
    let mut bridge = setup
        .set("CHANNELS__SHOP__KIND", "http")
        .set("CHANNELS__SHOP__BOT", "main")
        .set("CHANNELS__SHOP__PATH", "/shop")
        .set("CHANNELS__SHOP__KEYS__X__KEY", KEY)
        .start()
        .await;
    let token = async |bridge: &Bridge, path: &str| {
        let request = bridge.client.post(bridge.url(path)).bearer_auth(KEY);
        let body = if path.ends_with("chat/session") { json!({}) } else { json!({ "user": "alice" }) };
        let minted: Value = request.json(&body).send().await.unwrap().json().await.unwrap();
        (minted["token"].as_str().unwrap().to_owned(), minted["user"].as_str().unwrap().to_owned())
    };
    let (alice, _) = token(&bridge, "/v1/sessions").await;
    let (guest, guest_user) = token(&bridge, "/chat/session").await;
    let (shopper, _) = token(&bridge, "/shop/v1/sessions").await;

    // The same key on two channels: a token is good on its own.
    for (token, path) in [(&alice, "/shop/v1/session"), (&shopper, "/v1/session")] {
        assert_eq!(problem(bridge.get(token, path).send().await.unwrap()).await.0, 401, "{path}");
    }

    let mut open = Stream::open(events(&bridge, &alice, "alice")).await;
    let mut of_guest = Stream::open(events(&bridge, &guest, &guest_user)).await;
    let request = bridge.client.get(bridge.url("/shop/v1/conversations/alice/events")).bearer_auth(&shopper);
    let mut of_shop = Stream::open(request).await;
    for stream in [&mut open, &mut of_guest, &mut of_shop] {
        stream.expect("state").await;
    }
    let changes =
        [("CHANNELS__WEB__KEYS__SHOP__KEY", "another-key-of-the-shop-0123"), ("CHANNELS__WEB__PLAYGROUND", "")];
    assert_eq!(bridge.reloads(&changes).await, ["channel web restarted"]);
    for (stream, token) in [(&mut open, &alice), (&mut of_guest, &guest)] {
        assert_eq!(stream.next().await, None);
        assert_eq!(problem(bridge.get(token, "/v1/session").send().await.unwrap()).await.0, 401);
    }
    of_shop.is_silent(Duration::from_millis(200)).await;
    assert_eq!(bridge.reloads(&[("CHANNELS__SHOP__", "")]).await, ["channel shop stopped"]);
    assert_eq!(of_shop.next().await, None);
    assert_eq!(problem(bridge.get(&shopper, "/shop/v1/session").send().await.unwrap()).await.0, 404);
}
