//! `healthcheck`, as a container engine runs it.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::place;
use crate::support::process::{bare, ran, steady_addr};

#[tokio::test]
async fn a_running_bridge_is_healthy_and_a_stopped_one_is_not() {
    let port = steady_addr().port();
    let place = place().await.set("SERVER__LISTEN", &format!("0.0.0.0:{port}"));
    let (daemon, _) = place.start().await;
    let asked = place.run(&["healthcheck"]).await;
    assert_eq!((asked.code, asked.out.as_str(), asked.err.as_str()), (0, "healthy\n", ""));

    // The listener's address is all that it needs to know; what is wrong elsewhere does not matter, nor does a proxy.
    let mut command = bare(&["healthcheck"]);
    command.env("CAIGUNN_BRIDGE__SERVER__LISTEN", format!("127.0.0.1:{port}"));
    command.env("CAIGUNN_BRIDGE__BOTS__MAIN__API_KEY_FILE", "/nowhere/at/all");
    command.env("http_proxy", "http://127.0.0.1:1").env("HTTP_PROXY", "http://127.0.0.1:1");
    assert_eq!(ran(command).await.code, 0);

    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
    let asked = place.run(&["healthcheck"]).await;
    assert_eq!(asked.code, 1);
    assert!(asked.out.starts_with("unhealthy: http://127.0.0.1:") && asked.out.lines().count() == 1, "{asked:?}");
}

#[tokio::test]
async fn without_the_page_an_answer_is_enough() {
    let addr = steady_addr();
    let place = place().await.set("SERVER__LISTEN", &addr.to_string()).set("SERVER__HEALTH", "false");
    let (_daemon, _) = place.start().await;
    let asked = place.run(&["healthcheck"]).await;
    assert_eq!(asked.code, 0, "{asked:?}");
    assert!(asked.out.contains("`server.health` is off"), "{asked:?}");
    let named = bare(&["healthcheck", "--url", &format!("http://{addr}/healthz")]);
    assert_eq!(ran(named).await.code, 1, "whoever names a page wants that one");
}

/// A server that answers every connection with these bytes, or not at all.
async fn answering(with: Option<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            match with {
                Some(bytes) => drop(stream.write_all(bytes.as_bytes()).await),
                None => open.push(stream),
            }
        }
    });
    addr
}

#[tokio::test]
async fn what_is_wrong_is_said_in_one_line() {
    let sick = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 66\r\nconnection: close\r\n\r\n\
                {\"status\":\"unavailable\",\"reasons\":[\"the dispatcher has stopped\"]}  ";
    for (answer, said) in [
        (Some(sick), "unhealthy: the dispatcher has stopped\n"),
        (Some("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"), "answers 502 Bad Gateway\n"),
        (Some("SSH-2.0-no\r\n\r\n"), "invalid HTTP"),
        (None, "no answer within 3 s\n"),
    ] {
        let url = format!("http://{}/healthz", answering(answer).await);
        let asked = ran(bare(&["healthcheck", "--url", &url])).await;
        assert_eq!((asked.code, asked.err.as_str()), (1, ""), "{asked:?}");
        assert!(asked.out.contains(said) && asked.out.lines().count() == 1, "{asked:?}");
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_asked_is_named() {
    let asked = place().await.run(&["healthcheck"]).await;
    assert_eq!(asked.code, 1);
    assert!(asked.out.contains("port 0") && asked.out.contains("--url"), "{asked:?}");
}
