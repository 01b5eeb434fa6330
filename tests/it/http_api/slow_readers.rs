//! Clients of a stream that read slowly, or not at all.

use caigunn_bridge::sandbox::SandboxOptions;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::KEY;
use crate::support::process::Place;
use crate::support::sse::Stream;

const MESSAGES: usize = 160;
const LENGTH: usize = 60_000;

#[tokio::test]
async fn who_does_not_read_holds_up_nobody_and_no_memory() {
    let place = Place::new(SandboxOptions::default()).await.set("CHANNELS__WEB__MAX_TEXT", "200000");
    let (daemon, addr) = place.start().await;
    let say = async |text: String| {
        let request = place.client.post(format!("http://{addr}/v1/messages")).bearer_auth(KEY);
        let response = request.json(&json!({ "user": "alice", "text": text })).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.json::<Value>().await.unwrap()["state"], "answered");
    };
    for n in 0..MESSAGES {
        say(format!("{n} {}", "x".repeat(LENGTH))).await;
    }
    let path = "/v1/conversations/alice/events";
    let before = daemon.memory();
    let mut mute = Vec::new();
    for _ in 0..7 {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let head = format!("GET {path}?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // It has begun; from now on nobody reads.
        stream.read_exact(&mut [0; 100]).await.unwrap();
        mute.push(stream);
    }
    // The eighth is told all that there is, and what is said meanwhile.
    let request = place.client.get(format!("http://{addr}{path}?after=0")).bearer_auth(KEY);
    let mut stream = Stream::open(request).await;
    let mut heard = 0;
    while stream.next().await.unwrap().name == "message" {
        heard += 1;
    }
    assert_eq!(heard, 2 * MESSAGES, "all of it, then `state`");
    say("and now?".to_owned()).await;
    assert_eq!(stream.expect("message").await.text(), "and now?");
    let (all, held) = (2 * (MESSAGES * LENGTH) as u64, daemon.memory().saturating_sub(before));
    assert!(held < 7 * all / 2, "{held} bytes are held for 7 streams of {all}");
}
