//! Servers that go wrong, most of them by repeating what they were told.

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::leaks::{http, server};

/// The session of [`gateway`].
pub(super) const SESSION: &str = "session-that-nobody-is-to-know";

fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

/// What is shown behind `Authorization: Bot`.
fn shown(head: &str) -> &str {
    head.lines().find(|line| line.to_lowercase().starts_with("authorization")).unwrap_or_default()
}

/// By the name of the channel that talks to them.
pub(super) async fn servers() -> Vec<(&'static str, String)> {
    let here = |port: u16| format!("http://127.0.0.1:{port}");
    let echo = server(|head| http("500 Internal Server Error", &format!("<html>{head}</html>"))).await;
    vec![
        ("refused", here(1)),
        ("nowhere", "http://discord.invalid".to_owned()),
        ("untrusted", format!("https://127.0.0.1:{echo}")),
        ("echo", here(echo)),
        ("page", here(server(|head| http("200 OK", &format!("<html>{head}</html>"))).await)),
        ("quoted", here(server(|head| http("200 OK", &json!({ "id": shown(head), "url": head }).to_string())).await)),
        (
            "told",
            here(
                server(|head| {
                    let message = format!("no: {} {}", shown(head), path(head));
                    http("400 Bad Request", &json!({ "code": 50_035, "message": message }).to_string())
                })
                .await,
            ),
        ),
        (
            "sent",
            here(
                server(|head| {
                    let url = format!("ws://discord.invalid/{}", shown(head).replace(' ', "-"));
                    let body = json!({ "id": "1", "flags": 0, "url": url, "shards": 1 });
                    http("200 OK", &body.to_string())
                })
                .await,
            ),
        ),
        (
            "moved",
            here(
                server(|head| {
                    format!(
                        "HTTP/1.1 302 Found\r\nLocation: http://discord.invalid{}\r\nContent-Length: 0\r\n\r\n",
                        path(head)
                    )
                })
                .await,
            ),
        ),
        ("garbage", here(server(|head| format!("{head} is no answer\r\n\r\n")).await)),
        ("silent", here(server(|_| String::new()).await)),
    ]
}

/// A gateway that repeats what it is told, in frames and as the reason of its end. Answers its address.
pub(super) async fn gateway() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let own = url.clone();
    tokio::spawn(async move {
        for round in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            let own = own.clone();
            tokio::spawn(async move {
                let Ok(mut socket) = accept_async(stream).await else { return };
                let hello = json!({ "op": 10, "d": { "heartbeat_interval": 1000 } });
                let _ = socket.send(Message::text(hello.to_string())).await;
                let Some(Ok(Message::Text(login))) = socket.next().await else { return };
                let login = login.to_string();
                let ready = json!({ "session_id": SESSION, "resume_gateway_url": own, "guilds": [], "said": login });
                for said in [
                    login.clone(),
                    json!({ "op": login }).to_string(),
                    json!({ "op": 0, "t": "READY", "s": 1, "d": ready }).to_string(),
                    json!({ "op": 0, "t": login, "s": 2, "d": login }).to_string(),
                ] {
                    let _ = socket.send(Message::text(said)).await;
                }
                let reason: String = login.chars().skip(login.find("token").unwrap_or(0)).take(110).collect();
                let code: u16 = if round % 2 == 0 { 4000 } else { 4900 };
                let _ = socket.close(Some(CloseFrame { code: code.into(), reason: reason.into() })).await;
                while let Some(Ok(_)) = socket.next().await {}
            });
        }
    });
    url
}
