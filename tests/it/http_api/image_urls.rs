//! Pictures by URL, through the whole bridge. Every way around the guard: `src/http/fetch/tests.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use caigunn_bridge::sandbox::Call;
use image::ImageFormat;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Bridge, KEY, Setup, picture, problem};

/// A server of pictures; counts its calls.
async fn server(ip: &str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut head = vec![0; 8 * 1024];
                let read = stream.read(&mut head).await.unwrap_or_default();
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let (status, body) = match head.split(' ').nth(1).unwrap() {
                    "/picture" => ("200 OK\r\nContent-Type: text/plain".to_owned(), picture(ImageFormat::Png)),
                    "/large" => ("200 OK".to_owned(), vec![7; 300_000]),
                    "/text" => ("200 OK\r\nContent-Type: image/png".to_owned(), b"no picture".to_vec()),
                    path if path.starts_with("/to/") => {
                        (format!("307 There\r\nLocation: http://{}", &path[4..]), Vec::new())
                    }
                    _ => ("404 Not Found".to_owned(), Vec::new()),
                };
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(&[head.into_bytes(), body].concat()).await;
            });
        }
    });
    (port, calls)
}

async fn bridge() -> Bridge {
    let setup = Setup::default()
        .set("CHANNELS__WEB__IMAGE_URLS", "true")
        .set("CHANNELS__WEB__IMAGE_NETWORKS", "127.0.0.2, 10.77.0.0/16")
        .set("PIPELINE__IMAGE__MAX_BYTES", "200KiB");
    setup.start().await
}

fn shown(urls: &[&str]) -> Value {
    let images: Vec<Value> = urls.iter().map(|url| json!({ "url": url })).collect();
    json!({ "user": "alice", "images": images })
}

#[tokio::test]
async fn a_picture_is_fetched_from_an_allowed_network_and_shown() {
    let bridge = bridge().await;
    let (port, _) = server("127.0.0.2").await;
    let url = format!("http://127.0.0.2:{port}/picture");
    let request = || bridge.post(KEY, &shown(&[&url])).header("Idempotency-Key", "k");
    let answer: Value = request().send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["state"], "answered", "{answer}");
    let asks = bridge.asks();
    assert_eq!((asks.len(), asks[0].call, asks[0].image_format), (1, Call::Vision, Some("png")));
    assert_eq!(request().send().await.unwrap().headers()["idempotent-replayed"], "true");
    let other = bridge.post(KEY, &shown(&[&format!("{url}?2")])).header("Idempotency-Key", "k");
    let (status, document) = problem(other.send().await.unwrap()).await;
    assert_eq!((status, &document["code"]), (422, &json!("idempotency_key_reused")));
}

#[tokio::test]
async fn what_fails_at_the_fetch_is_explained() {
    let bridge = bridge().await;
    let (port, _) = server("127.0.0.2").await;
    let (within, calls) = server("127.0.0.1").await;
    for (url, reason) in [
        (format!("http://localhost:{within}/picture"), "media_unavailable"),
        (format!("http://127.0.0.2:{port}/to/127.0.0.1:{within}/picture"), "media_unavailable"),
        (format!("http://127.0.0.2:{port}/to/localhost:{within}/picture"), "media_unavailable"),
        (format!("http://127.0.0.2:{port}/nowhere"), "media_unavailable"),
        ("http://no-such-host.invalid/picture".to_owned(), "media_unavailable"),
        (format!("http://127.0.0.2:{port}/large"), "unreadable_image"),
        (format!("http://127.0.0.2:{port}/text"), "unreadable_image"),
    ] {
        let answer: Value = bridge.post(KEY, &shown(&[&url])).send().await.unwrap().json().await.unwrap();
        assert_eq!((&answer["state"], &answer["reason"]), (&json!("explained"), &json!(reason)), "{url}: {answer}");
        assert!(!answer["text"].as_str().unwrap().contains("127.0.0.1"), "{answer}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0, "nobody has called what is within");
    assert!(bridge.asks().iter().all(|ask| ask.call != Call::Vision || ask.image_bytes.is_none()));
}

#[tokio::test]
async fn what_is_wrong_at_sight_is_refused_at_once() {
    let bridge = bridge().await;
    for url in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0177.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://good@127.0.0.2/",
        "ftp://example.com/",
        "x.png",
        "",
    ] {
        let (status, document) =
            problem(bridge.post(KEY, &shown(&["http://1.1.1.1/", url])).send().await.unwrap()).await;
        assert_eq!((status, &document["code"]), (422, &json!("invalid")), "{url}");
        assert!(document["detail"].as_str().unwrap().contains("`images[1].url`"), "{document}");
    }
    for image in [json!({ "url": "http://1.1.1.1/", "data": "AAAA" }), json!({ "name": "x" }), json!({})] {
        let body = json!({ "user": "alice", "images": [image] });
        let (status, document) = problem(bridge.post(KEY, &body).send().await.unwrap()).await;
        assert_eq!((status, document["detail"].as_str().unwrap().contains("images[0]")), (422, true), "{document}");
    }
    assert!(bridge.asks().is_empty());
}

#[tokio::test]
async fn unless_the_operator_allows_them_there_are_none() {
    let bridge = Bridge::new().await;
    let (status, document) = problem(bridge.post(KEY, &shown(&["https://1.1.1.1/x.png"])).send().await.unwrap()).await;
    assert_eq!((status, &document["code"]), (422, &json!("invalid")));
    assert!(document["hint"].as_str().unwrap().contains("image_urls"), "{document}");
}
