//! Session tokens: what a browser may do with one, and what not.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::sse::Stream;
use crate::support::{Bridge, KEY, OTHER_KEY, Setup, problem};

fn mint(bridge: &Bridge, key: &str, wanted: &Value) -> RequestBuilder {
    bridge.client.post(bridge.url("/v1/sessions")).bearer_auth(key).json(wanted)
}

async fn minted(bridge: &Bridge, wanted: Value) -> String {
    let response = mint(bridge, KEY, &wanted).send().await.unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned()
}

async fn refused(request: RequestBuilder) -> (u16, String) {
    let (status, document) = problem(request.send().await.unwrap()).await;
    (status, document["code"].as_str().unwrap().to_owned())
}

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn a_browser_talks_for_one_user_in_one_conversation() {
    let bridge = Bridge::new().await;
    let wanted =
        json!({ "user": "alice", "conversation": "order 7", "nickname": "Alice", "lang": "zh-TW", "ttl": 120 });
    let response: Value = mint(&bridge, KEY, &wanted).send().await.unwrap().json().await.unwrap();
    let token = response["token"].as_str().unwrap();
    assert!(token.starts_with("cgs_") && (118..=120).contains(&response["expires_in"].as_u64().unwrap()), "{response}");
    assert_eq!((&response["user"], &response["conversation"]), (&json!("alice"), &json!("order 7")));
    let whose: Value = bridge.get(token, "/v1/session").send().await.unwrap().json().await.unwrap();
    let about = json!({ "user": "alice", "conversation": "order 7", "nickname": "Alice", "lang": "zh-TW",
                        "expires_at": response["expires_at"], "expires_in": whose["expires_in"] });
    assert_eq!(whose, about);

    let answered = bridge.post(token, &json!({ "text": "hi" })).send().await.unwrap();
    assert_eq!(answered.status(), 200);
    let answered: Value = answered.json().await.unwrap();
    let asked = bridge.asks().pop().unwrap();
    assert_eq!(asked.nickname.as_deref(), Some("Alice"));
    // The site's backend sees the same conversation.
    let id = answered["id"].as_str().unwrap();
    assert_eq!(bridge.get(KEY, &format!("/v1/messages/{id}")).send().await.unwrap().status(), 200);
    let same = json!({ "user": "alice", "conversation": "order 7", "text": "again" });
    let again: Value = bridge.post(KEY, &same).send().await.unwrap().json().await.unwrap();
    assert!(again["text"].as_str().unwrap().starts_with("Turn 2"), "{again}");
    let mut events = Stream::open(bridge.get(token, "/v1/conversations/alice/events?last=1")).await;
    assert_eq!(events.expect("message").await.data["text"], again["text"]);
    let history: Value =
        bridge.get(token, "/v1/conversations/alice/history").send().await.unwrap().json().await.unwrap();
    assert_eq!(history["messages"].as_array().unwrap().len(), 2);
    let reset = bridge.client.post(bridge.url("/v1/conversations/alice/reset")).bearer_auth(token);
    assert_eq!(reset.send().await.unwrap().status(), 200);
    // Its own names may be repeated.
    let repeated = json!({ "user": "alice", "conversation": "order 7", "nickname": "Alice", "text": "hi" });
    assert_eq!(bridge.post(token, &repeated).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn it_reaches_nothing_else() {
    let bridge = Bridge::new().await;
    let others: Value = bridge.say("bob", "private").await;
    let elsewhere = json!({ "user": "alice", "conversation": "c", "text": "private" });
    let elsewhere: Value = bridge.post(KEY, &elsewhere).send().await.unwrap().json().await.unwrap();
    let token = minted(&bridge, json!({ "user": "alice" })).await;
    for body in [
        json!({ "user": "bob", "text": "hi" }),
        json!({ "user": "", "text": "hi" }),
        json!({ "user": "alice", "conversation": "c", "text": "hi" }),
        json!({ "nickname": "The Admin", "text": "hi" }),
    ] {
        assert_eq!(refused(bridge.post(&token, &body)).await, code(403, "not_allowed"), "{body}");
    }
    for path in ["bob/events", "bob/history", "alice/events?conversation=c", "alice/history?conversation=c"] {
        let request = bridge.get(&token, &format!("/v1/conversations/{path}"));
        assert_eq!(refused(request).await, code(403, "not_allowed"), "{path}");
    }
    let reset = bridge.client.post(bridge.url("/v1/conversations/bob/reset")).bearer_auth(&token);
    assert_eq!(refused(reset).await, code(403, "not_allowed"));
    for id in [&others["id"], &elsewhere["id"]] {
        let path = format!("/v1/messages/{}", id.as_str().unwrap());
        assert_eq!(refused(bridge.get(&token, &path)).await, code(404, "not_found"));
        assert_eq!(refused(bridge.get(&token, &format!("{path}/images/0"))).await, code(404, "not_found"));
    }
    assert_eq!(refused(mint(&bridge, &token, &json!({ "user": "alice" }))).await, code(403, "not_allowed"));
    assert_eq!(refused(bridge.get(KEY, "/v1/session")).await, code(403, "not_allowed"));
    assert_eq!(bridge.asks().len(), 2, "nothing of it was asked");
}

#[tokio::test]
async fn a_browser_whose_token_is_not_good_is_told_where_to_get_one() {
    let mut bridge = Bridge::new().await;
    let token = minted(&bridge, json!({ "user": "alice" })).await;
    let mut stream = Stream::open(bridge.get(&token, "/v1/conversations/alice/events")).await;
    stream.expect("state").await;
    let refused = async |bridge: &Bridge, token: &str| {
        let (status, document) = problem(bridge.get(token, "/v1/session").send().await.unwrap()).await;
        assert_eq!((status, &document["code"]), (401, &json!("unauthorized")), "{document}");
        document["hint"].as_str().unwrap().to_owned()
    };
    let ask = "Ask your site for another session token.";
    for wrong in ["cgs_nonsense", &format!("{token}x"), "cgs_"] {
        assert_eq!(refused(&bridge, wrong).await, ask, "{wrong}");
    }
    assert!(refused(&bridge, "key-that-nobody-has-01").await.contains("`keys`"));
    bridge.reloads(&[("CHANNELS__WEB__KEYS__SHOP__KEY", "another-key-of-the-shop-0123")]).await;
    assert_eq!(stream.next().await, None, "the stream ends with the key");
    assert_eq!(refused(&bridge, &token).await, ask);
}

#[tokio::test]
async fn an_idempotency_key_is_the_users_own() {
    let bridge = Bridge::new().await;
    let (alice, bob) =
        (minted(&bridge, json!({ "user": "alice" })).await, minted(&bridge, json!({ "user": "bob" })).await);
    let send = async |token: &str, text: &str| {
        let request = bridge.post(token, &json!({ "text": text })).header("Idempotency-Key", "1");
        request.send().await.unwrap()
    };
    assert_eq!(send(&alice, "hi").await.status(), 200);
    assert_eq!(send(&bob, "ho").await.status(), 200, "another user's key is another key");
    let again = send(&alice, "hi").await;
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(send(&alice, "other").await.status(), 422);
    assert_eq!(bridge.asks().len(), 2);
}

#[tokio::test]
async fn it_ends_with_its_time_and_with_its_api_key() {
    let mut bridge = Setup::default().set("CHANNELS__WEB__SESSION_TTL", "1m").start().await;
    let token = minted(&bridge, json!({ "user": "alice" })).await;
    assert_eq!(bridge.post(&token, &json!({ "text": "hi" })).send().await.unwrap().status(), 200);
    bridge.start_again(&[]).await;
    assert_eq!(bridge.post(&token, &json!({ "text": "hi" })).send().await.unwrap().status(), 200, "over a restart");
    for wrong in [&token[..token.len() - 2], &format!("{token}A"), &token.replace("cgs_", "cgs_A"), "cgs_", "cgs_a.b"] {
        assert_eq!(refused(bridge.get(wrong, "/v1/session")).await, code(401, "unauthorized"), "{wrong}");
    }
    let swapped = [("CHANNELS__WEB__KEYS__SHOP__KEY", "another-key-of-the-shop-0123")];
    bridge.start_again(&swapped).await;
    assert_eq!(refused(bridge.post(&token, &json!({ "text": "hi" }))).await, code(401, "unauthorized"));
    for (body, status) in [
        (json!({ "user": "alice", "ttl": 59 }), 422),
        (json!({ "user": "alice", "ttl": 86_401 }), 422),
        (json!({ "user": "" }), 422),
        (json!({ "user": "alice", "nickname": "x".repeat(257) }), 422),
        (json!({ "ttl": 60 }), 422),
        (json!({ "user": "alice", "admin": true }), 422),
    ] {
        assert_eq!(refused(mint(&bridge, OTHER_KEY, &body)).await.0, status, "{body}");
    }
}

#[tokio::test]
async fn the_stream_of_an_expired_session_says_so_and_ends() {
    // The shortest life is a minute: this token was signed a minute ago.
    let bridge = Bridge::new().await;
    let token = expiring(Duration::from_millis(900));
    let mut events = Stream::open(bridge.get(&token, "/v1/conversations/alice/events")).await;
    events.expect("state").await;
    events.expect("expired").await;
    assert_eq!(events.next().await, None);
    assert_eq!(refused(bridge.get(&token, "/v1/session")).await, code(401, "session_expired"));
}

/// A token as the bridge signs it, from outside: whoever has the API key can make one.
fn expiring(after: Duration) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use hmac::{Hmac, Mac};
    use sha2::{Digest, Sha256};
    let ends = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap() + after;
    let claims = json!({ "c": "web", "k": "shop", "u": "alice", "e": ends.as_millis() as u64 });
    let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
    let key = Sha256::new().chain_update("caigunn-bridge session\0").chain_update(KEY).finalize();
    let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(&payload).finalize().into_bytes();
    format!("cgs_{payload}.{}", URL_SAFE_NO_PAD.encode(mac))
}

#[tokio::test]
async fn guests_of_the_playground_are_people_of_their_own() {
    let mut bridge = Setup::default().set("CHANNELS__WEB__PLAYGROUND", "true").start().await;
    let come = async |bridge: &Bridge, token: Option<&str>| {
        let response =
            bridge.client.post(bridge.url("/chat/session")).json(&json!({ "token": token })).send().await.unwrap();
        assert_eq!(response.status(), 201);
        response.json::<Value>().await.unwrap()
    };
    let (one, two) = (come(&bridge, None).await, come(&bridge, None).await);
    assert_ne!(one["user"], two["user"]);
    let (token, user) = (one["token"].as_str().unwrap(), one["user"].as_str().unwrap());
    assert_eq!(bridge.post(token, &json!({ "text": "hi" })).send().await.unwrap().status(), 200);
    let asked = bridge.asks().pop().unwrap();
    assert_eq!(asked.uid.as_deref(), Some(&*format!("web-guest-{user}")));
    bridge.start_again(&[]).await;
    assert_eq!(come(&bridge, Some(token)).await["user"], one["user"], "the same guest, over a restart");
    let forged = two["token"].as_str().unwrap().replace("cgs_", "cgs_e");
    for stranger in [forged.as_str(), "", &expiring(Duration::from_secs(60))] {
        let came = come(&bridge, Some(stranger)).await;
        assert!(came["user"] != one["user"] && came["user"] != two["user"] && came["user"] != "alice", "{stranger}");
    }
    bridge.start_again(&[("CHANNELS__WEB__PLAYGROUND", "")]).await;
    assert_eq!(refused(bridge.get(token, "/v1/session")).await, code(401, "unauthorized"));
    let gone = bridge.client.post(bridge.url("/chat/session")).json(&json!({}));
    assert_eq!(refused(gone).await, code(404, "not_found"));
}
