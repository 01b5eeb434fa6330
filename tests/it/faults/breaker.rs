//! A backend that is gone: turns wait instead of failing, and another bot does not notice.

use std::time::Duration;

use caigunn_bridge::sandbox::{Sandbox, SandboxOptions};
use serde_json::Value;
use tokio::net::TcpSocket;

use crate::faults::{bot, metric};
use crate::support::{KEY, Setup, until};

#[tokio::test]
async fn an_open_breaker_makes_turns_wait_and_costs_no_patience() {
    // Bound and not yet listening: every connection is refused, and nobody else can take the port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let bridge = Setup::default()
        .set("PIPELINE__GIVE_UP_AFTER", "1s")
        .set("PIPELINE__BREAKER__OPEN_FOR", "100ms")
        .set("ACCOUNTS__DARK__ACCESS_TOKEN", "sandbox-token")
        .set("ACCOUNTS__DARK__BASE_URL", &format!("http://{}", socket.local_addr().unwrap()))
        .set("BOTS__DARK__ACCOUNT", "dark")
        .set("BOTS__DARK__API_KEY", "sandbox-key")
        .set("CHANNELS__DARK__KIND", "http")
        .set("CHANNELS__DARK__PATH", "/dark")
        .set("CHANNELS__DARK__BOT", "dark")
        .set("CHANNELS__DARK__KEYS__SHOP__KEY", KEY)
        .start()
        .await;
    let dark = async |user: &str| {
        let body = serde_json::json!({ "user": user, "text": "hi" });
        let request =
            bridge.client.post(bridge.url("/dark/v1/messages")).bearer_auth(KEY).header("Prefer", "respond-async");
        let response = request.json(&body).send().await.unwrap();
        assert_eq!(response.status(), 202);
        response.headers()["location"].to_str().unwrap().to_owned()
    };
    let mut waiting = Vec::new();
    for user in ["a", "b", "c"] {
        waiting.push(dark(user).await);
    }
    until("the breaker is open", async || bot(&bridge, "dark").await["state"] == "unreachable").await;
    assert!(metric(&bridge, r#"bridge_breaker_opened_total{bot="dark"}"#).await >= 1.0);
    let ready = bridge.ready().await;
    assert_eq!(ready["status"], "ok", "one bot that is gone does not stop the bridge");
    assert!(ready["warnings"].to_string().contains("bot dark: unreachable"), "{ready}");

    // Longer than the patience: it must not be used up.
    let until_then = tokio::time::Instant::now() + Duration::from_millis(1_800);
    let mut n = 0;
    while tokio::time::Instant::now() < until_then {
        n += 1;
        assert_eq!(
            bridge.say("alice", "hi").await["text"],
            format!("Turn {n}: you said \"hi\""),
            "the other bot goes on"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    waiting.push(dark("d").await);
    for location in &waiting {
        let view: Value = bridge.get(KEY, location).send().await.unwrap().json().await.unwrap();
        assert_eq!(view["state"], "pending", "{view}");
    }

    let back = Sandbox::start(socket.listen(1024).unwrap(), SandboxOptions::default()).await.unwrap();
    for location in &waiting {
        let view: Value =
            bridge.get(KEY, location).header("Prefer", "wait=20").send().await.unwrap().json().await.unwrap();
        assert_eq!(view["text"], r#"Turn 1: you said "hi""#, "{view}");
    }
    assert_eq!(back.log().len(), 4, "each was asked once");
    assert_eq!(bot(&bridge, "dark").await["state"], "ready");
    assert!(bridge.ready().await.get("warnings").is_none());
}
