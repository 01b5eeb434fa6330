//! The way to the gateway: servers that say nothing, and proxies.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A server that takes connections, opens the WebSocket if it is told to, and says nothing. Answers its address and how many came.
async fn silent(opens: bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let came = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let _open = if opens {
                    (tokio_tungstenite::accept_async(stream).await.ok(), None)
                } else {
                    (None, Some(stream))
                };
                std::future::pending::<()>().await;
            });
        }
    });
    (url, came)
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_for_the_general_address() {
    let platform = platform().await;
    let mut shard = Bot::new(&platform, QUICK).listens(None);
    let mut session = shard.begins().await;
    shard.stops().await;
    platform.says(ROOM, ANN, "meanwhile");
    for opens in [false, true] {
        let (url, came) = silent(opens).await;
        session.url = url.into();
        let soon = Duration::from_millis(300);
        let bot = Bot::new(&platform, Timing { connect: soon, hello: soon, ..QUICK });
        let mut shard = bot.listens(Some(session.clone()));
        until("it says so", async || bot.trouble().contains(if opens { "HELLO" } else { "in time" })).await;
        assert_eq!(shard.text().await, "meanwhile");
        assert_eq!(came.load(Ordering::Relaxed), 2);
        shard.stops().await;
    }
    assert_eq!((platform.identifies(), platform.resumes()), (1, 2));
    clean(&platform);
}

#[tokio::test]
async fn a_login_that_is_not_answered_is_not_waited_for() {
    let platform = platform().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let soon = Duration::from_millis(300);
    let bot = Bot::new(&platform, Timing { resumed: soon, ..QUICK });
    let shard = bot.listens(Some(Session { id: "stored".into(), url: url.into(), seq: 1 }));
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    let hello = json!({ "op": 10, "d": { "heartbeat_interval": 41_250 } });
    futures_util::SinkExt::send(&mut socket, hello.to_string().into()).await.unwrap();
    until("it says so", async || bot.trouble().contains("does not answer the login")).await;
    shard.stops().await;
}

/// A proxy: for `CONNECT`, and for calls to `http:` addresses. Answers its port, and the heads of what it was asked.
async fn proxy() -> (u16, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heads = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(relay(stream, Arc::clone(&heads)));
        }
    });
    (port, asked)
}

async fn relay(mut client: TcpStream, asked: Arc<std::sync::Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let text = String::from_utf8(head).unwrap();
    let at = text.split(' ').nth(1).unwrap().trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let mut server = TcpStream::connect(at).await.unwrap();
    if text.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    } else {
        server.write_all(text.as_bytes()).await.unwrap();
    }
    asked.lock().unwrap().push(text);
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

#[tokio::test]
async fn a_proxy_takes_the_calls_and_the_gateway() {
    let platform = platform().await;
    let (port, asked) = proxy().await;
    let proxy = format!("http://ann:s%40cret@127.0.0.1:{port}");
    let section = json!({ "token": TOKEN, "api_url": platform.url(), "proxy": proxy });
    let mut shard = Bot::with(section, QUICK).listens(None);
    shard.begins().await;
    platform.drops_connections();
    shard.hears("RESUMED").await;
    platform.says(ROOM, ANN, "through");
    assert_eq!(shard.text().await, "through");
    let asked = asked.lock().unwrap().clone();
    let tunnels: Vec<_> = asked.iter().filter(|head| head.starts_with("CONNECT ")).collect();
    assert_eq!((tunnels.len(), platform.connections().len()), (2, 2), "{asked:?}");
    assert!(asked.iter().all(|head| head.contains("Basic YW5uOnNAY3JldA==")), "{asked:?}");
    clean(&platform);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_without_its_password() {
    let platform = platform().await;
    let port = crate::support::leaks::refusing_proxy().await;
    let proxy = format!("http://ann:s%40cret@127.0.0.1:{port}");
    let section = json!({ "token": TOKEN, "api_url": platform.url(), "proxy": proxy });
    let bot = Bot::with(section, QUICK);
    let session = Session { id: "stored".into(), url: platform.gateway_url().into(), seq: 1 };
    let shard = bot.listens(Some(session));
    until("it says so", async || bot.trouble().contains("proxy authorization required")).await;
    let trouble = bot.trouble();
    assert!(trouble.contains("through the proxy at 127.0.0.1"), "{trouble}");
    for secret in ["cret", "YW5u", TOKEN, "stored"] {
        assert!(!trouble.contains(secret), "{trouble}");
    }
    shard.stops().await;
    assert_eq!(platform.connections().len(), 0);
    clean(&platform);
}
