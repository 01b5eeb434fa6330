//! Clients that hang up.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Bridge, KEY, until};

/// Sends the head of a message and so much of its body as given, then hangs up once `then` has come to an end.
async fn send_and_hang_up(bridge: &Bridge, body: &str, sent: usize, then: impl Future<Output = ()>) {
    let mut stream = TcpStream::connect(bridge.addr).await.unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nIdempotency-Key: k\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body.as_bytes()[..sent]).await.unwrap();
    then.await;
    drop(stream);
}

#[tokio::test]
async fn one_that_hangs_up_while_it_waits_loses_nothing() {
    let bridge = Bridge::new().await;
    bridge.sandbox.set_latency(Duration::from_millis(300));
    let message = json!({ "user": "alice", "text": "hi" });
    let body = message.to_string();
    let asked = until("the ask is open", async || bridge.asks().len() == 1);
    send_and_hang_up(&bridge, &body, body.len(), asked).await;
    let mut answer = Value::Null;
    until("the message is answered", async || {
        let again = bridge.post(KEY, &message).header("Idempotency-Key", "k").send().await.unwrap();
        let ended = again.status() == 200;
        if ended {
            assert_eq!(again.headers()["idempotent-replayed"], "true");
            answer = again.json().await.unwrap();
        }
        ended
    })
    .await;
    assert_eq!(answer["text"], r#"Turn 1: you said "hi""#);
    assert_eq!(bridge.asked("hi"), (1, 1));
}

#[tokio::test]
async fn one_that_hangs_up_at_once_is_either_stored_whole_or_not_at_all() {
    let bridge = Bridge::new().await;
    let message = json!({ "user": "alice", "text": "hi" });
    let body = message.to_string();
    for _ in 0..20 {
        send_and_hang_up(&bridge, &body, body.len(), async {}).await;
    }
    until("the message is answered", async || {
        bridge.post(KEY, &message).header("Idempotency-Key", "k").send().await.unwrap().status() == 200
    })
    .await;
    assert_eq!(bridge.asked("hi"), (1, 1));
}

#[tokio::test]
async fn one_that_hangs_up_in_the_middle_of_the_body_stores_nothing() {
    let bridge = Bridge::new().await;
    let body = json!({ "user": "alice", "text": "never seen" }).to_string();
    send_and_hang_up(&bridge, &body, body.len() - 1, async {}).await;
    // The same Idempotency-Key with another content: 422 if anything had been stored.
    let other = json!({ "user": "alice", "text": "hi" });
    let answer = bridge.post(KEY, &other).header("Idempotency-Key", "k").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("idempotent-replayed"));
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["text"], r#"Turn 1: you said "hi""#);
    assert_eq!(bridge.asked("never seen"), (0, 0));
}
