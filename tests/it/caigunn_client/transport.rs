//! Faults of the server and of the way to it: each gets the class that promise 4 of the design gives it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use caigunn_bridge::caigunn::{
    ClientOptions, DETAIL_CHARS, Error, ErrorKind, HttpClient, ImagePart, MessagesFilter, Page, RetryClass, UidsFilter,
};
use caigunn_bridge::model::Secret;
use tokio::net::TcpListener;

use super::script::{Play, Server, json, said, status};
use super::{KEY, TOKEN, account, account_with, assert_no_secret, bot, options};
use ErrorKind::{
    BadResponse, BodyTooLarge, Connect, FirstByteTimeout, Interrupted, RateLimited, Redirect, Rejected, Setup,
    TotalTimeout,
};
use RetryClass::{Ambiguous, Final, NotProcessed};

async fn failed(base: &str, options: &ClientOptions) -> Error {
    let account = account_with(base, Some(TOKEN), options, Default::default()).await;
    let error = bot(&account).talk("u", Some("n"), "hi").await.unwrap_err();
    assert_no_secret(&error);
    assert_eq!(error.call, "talk");
    error
}

/// One ask, one request: the server has seen it once.
async fn played(play: Play) -> Error {
    let server = Server::always(play).await;
    let error = failed(&server.base(), &options()).await;
    assert_eq!(server.seen().len(), 1);
    error
}

fn raw(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[tokio::test]
async fn every_status() {
    let cases = [
        (400, Rejected, Final),
        (404, Rejected, Final),
        (405, Rejected, Final),
        (406, Rejected, Final),
        (408, ErrorKind::Server, Ambiguous),
        (422, Rejected, Final),
        (425, RateLimited, NotProcessed),
        (429, RateLimited, NotProcessed),
        (500, ErrorKind::Server, Ambiguous),
        (502, ErrorKind::Server, Ambiguous),
        (503, ErrorKind::Server, Ambiguous),
        (504, ErrorKind::Server, Ambiguous),
    ];
    for (code, kind, class) in cases {
        let error = played(status(code, format!(r#"{{"detail":"{KEY} said no"}}"#))).await;
        assert_eq!((error.kind, error.class, error.status), (kind, class, Some(code)));
        assert_eq!(error.detail, "[secret] said no");
        assert!(error.to_string().starts_with(&format!("talk: HTTP {code} from 127.0.0.1:")), "{error}");
    }
}

#[tokio::test]
async fn retry_after_in_both_forms() {
    let error = played(Play::Answer(429, vec![("retry-after", "17".into())], vec![])).await;
    assert_eq!(error.retry_after, Some(Duration::from_secs(17)));
    let headers = vec![
        ("date", "Sun, 06 Nov 1994 08:49:07 GMT".to_owned()),
        ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT".to_owned()),
    ];
    let error = played(Play::Answer(429, headers.clone(), vec![])).await;
    assert_eq!(error.retry_after, Some(Duration::from_secs(30)));
    let error = played(Play::Answer(503, headers, vec![])).await;
    assert_eq!((error.class, error.retry_after), (Ambiguous, Some(Duration::from_secs(30))));
}

#[tokio::test]
async fn an_error_page_is_an_excerpt() {
    let page = format!("<html>\r\n<h1>502 Bad Gateway</h1>{}", "<p>nginx \u{7}</p>\n".repeat(5000));
    let error = played(Play::Answer(502, vec![("content-type", "text/html".into())], page.into_bytes())).await;
    assert_eq!((error.kind, error.class), (ErrorKind::Server, Ambiguous));
    assert!(error.detail.starts_with("<html> <h1>502 Bad Gateway</h1><p>nginx </p> <p>"), "{}", error.detail);
    assert!(error.detail.chars().count() <= DETAIL_CHARS && !error.detail.contains(char::is_control));
}

#[tokio::test]
async fn an_error_body_that_never_ends_does_not_hold_the_call() {
    let head = "HTTP/1.1 500 x\r\ncontent-length: 100000\r\n\r\noops";
    let server = Server::always(Play::Drip(raw(head), Duration::ZERO)).await;
    let options = ClientOptions { total_timeout: Duration::from_millis(300), ..options() };
    let error = failed(&server.base(), &options).await;
    assert_eq!((error.kind, error.class, &*error.detail), (ErrorKind::Server, Ambiguous, "oops"));
}

#[tokio::test]
async fn a_good_status_with_a_bad_body_is_ambiguous() {
    for body in [r#"{"text":"the start of"#, "", "{}", r#"{"text":5}"#, "<html>login</html>", "[]"] {
        let error = played(json(body)).await;
        assert_eq!((error.kind, error.class, error.status), (BadResponse, Ambiguous, None), "{body}");
        assert!(!error.detail.contains("the start of"), "{}", error.detail);
    }
    let error = played(Play::Answer(204, vec![], vec![])).await;
    assert_eq!((error.kind, error.class), (BadResponse, Ambiguous));
}

#[tokio::test]
async fn an_empty_answer_is_an_answer() {
    for body in [r#"{"text":""}"#, r#"{"text":null}"#] {
        let server = Server::always(status(201, body)).await;
        assert_eq!(bot(&account(&server.base()).await).talk("u", None, "hi").await.unwrap().text, "");
    }
}

#[tokio::test]
async fn an_answer_over_the_bound_is_not_read() {
    let huge = "x".repeat(10 << 20);
    let error = played(json(format!(r#"{{"text":"{huge}"}}"#))).await;
    assert_eq!((error.kind, error.class, error.status), (BodyTooLarge, Ambiguous, Some(200)));
    // Without an announced length.
    let error = played(Play::Raw(raw(&format!("HTTP/1.1 200 x\r\n\r\n{{\"text\":\"{huge}\"}}")))).await;
    assert_eq!((error.kind, error.class), (BodyTooLarge, Ambiguous));
    // Just below it, in many pieces.
    let text = "y".repeat(60_000);
    let chunks: String =
        text.as_bytes().chunks(7_000).map(|c| format!("{:x}\r\n{}\r\n", c.len(), "y".repeat(c.len()))).collect();
    let answer = format!(
        "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{{\"text\":\"\r\n{chunks}2\r\n\"}}\r\n0\r\n\r\n"
    );
    let server = Server::always(Play::Raw(raw(&answer))).await;
    assert_eq!(bot(&account(&server.base()).await).talk("u", None, "hi").await.unwrap().text, text);
}

#[tokio::test]
async fn what_breaks_after_the_request_is_ambiguous() {
    let half = "HTTP/1.1 200 x\r\ncontent-length: 100\r\n\r\n{\"text\":\"ha";
    for (play, code) in [
        (Play::Raw(vec![]), None),
        (Play::Reset(vec![]), None),
        (Play::Raw(raw("HTTP/1.1 20")), None),
        (Play::Raw(raw("SSH-2.0-x\r\n")), None),
        (Play::Raw(raw(half)), Some(200)),
        (Play::Reset(raw(half)), Some(200)),
    ] {
        let error = played(play.clone()).await;
        assert_eq!((error.kind, error.class, error.status), (Interrupted, Ambiguous, code), "{play:?}");
        assert!(!error.detail.is_empty());
    }
}

#[tokio::test]
async fn no_header_in_time() {
    let server = Server::always(Play::Hang).await;
    let options = ClientOptions { first_byte_timeout: Duration::from_millis(150), ..options() };
    let start = Instant::now();
    let error = failed(&server.base(), &options).await;
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!((error.kind, error.class), (FirstByteTimeout, Ambiguous));
    assert!(error.to_string().starts_with("talk: no answer in time from 127.0.0.1:"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn no_end_in_time() {
    let answer = "HTTP/1.1 200 x\r\ncontent-length: 100\r\n\r\n";
    let server = Server::always(Play::Drip(raw(answer), Duration::ZERO)).await;
    let options = ClientOptions { total_timeout: Duration::from_millis(200), ..options() };
    let error = failed(&server.base(), &options).await;
    assert_eq!((error.kind, error.class, error.status), (TotalTimeout, Ambiguous, Some(200)));
    // The header itself comes too slowly, though the first byte's limit is far.
    let server = Server::always(Play::Drip(raw(answer), Duration::from_millis(50))).await;
    let error = failed(&server.base(), &options).await;
    assert_eq!((error.kind, error.class), (TotalTimeout, Ambiguous));
}

#[tokio::test]
async fn the_first_bytes_clock_starts_when_the_request_is_written() {
    // More than the sockets buffer, to a server that rests while it comes: the upload alone outlasts the limit.
    let server = Server::start_slow(Duration::from_millis(700), |_, _| said("seen")).await;
    let options = ClientOptions {
        first_byte_timeout: Duration::from_millis(400),
        total_timeout: Duration::from_secs(60),
        ..options()
    };
    let account = account_with(&server.base(), Some(TOKEN), &options, Default::default()).await;
    let bytes = Bytes::from(vec![1; 16 << 20]);
    let image = ImagePart { bytes, file_name: "a.png".into(), content_type: "image/png".into() };
    let answer = bot(&account).vision("u", None, "", image).await;
    assert_eq!(answer.unwrap().text, "seen");
}

#[tokio::test]
async fn nothing_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = failed(&base, &options()).await;
    assert_eq!((error.kind, error.class, error.status), (Connect, NotProcessed, None));
    assert!(error.detail.contains("refused"), "{error}");
    let bot = bot(&account(&base).await);
    let error = bot.messages("u", Page::default(), MessagesFilter::default()).await.unwrap_err();
    assert_eq!((error.kind, error.class), (Connect, NotProcessed));
}

#[tokio::test]
async fn a_list_that_broke_off_may_be_repeated() {
    for play in [Play::Raw(vec![]), json("{\"uids\":["), status(500, "")] {
        let server = Server::always(play).await;
        let error = bot(&account(&server.base()).await).uids(Page::default(), UidsFilter::default()).await.unwrap_err();
        assert_eq!((error.call, error.class), ("uids", Ambiguous));
        assert_no_secret(error);
    }
}

#[tokio::test]
async fn no_connection_in_time() {
    // Accepts and says nothing, so that the TLS handshake hangs.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    let options = ClientOptions { connect_timeout: Duration::from_millis(150), ..options() };
    let error = failed(&base, &options).await;
    assert_eq!((error.kind, error.class, &*error.detail), (Connect, NotProcessed, "timed out"));
    // The total is the shorter one.
    let options = ClientOptions { total_timeout: Duration::from_millis(100), ..super::options() };
    let error = failed(&base, &options).await;
    assert_eq!((error.kind, error.class), (Connect, NotProcessed));
}

#[tokio::test]
async fn a_failed_tls_handshake_and_an_unknown_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 plain\r\n\r\n").await;
    });
    let error = failed(&base, &options()).await;
    assert_eq!((error.kind, error.class), (Connect, NotProcessed), "{error}");
    let error = failed("http://no-such-host.invalid", &options()).await;
    assert_eq!((error.kind, error.class), (Connect, NotProcessed), "{error}");
}

#[tokio::test]
async fn a_proxy_that_refuses() {
    let proxy = Server::start(|request, _| {
        assert!(request.header("proxy-authorization").is_some());
        Play::Answer(407, vec![("connection", "close".into())], b"who are you?".to_vec())
    })
    .await;
    let url = Secret::new(format!("http://user:proxy-SECRET@{}", proxy.address));
    let options = ClientOptions { proxy: Some(url), ..options() };
    assert!(!format!("{options:?} {:?}", super::http(&options)).contains("SECRET"));
    for base in ["https://caigunn.invalid", "http://caigunn.invalid"] {
        let error = failed(base, &options).await;
        assert_eq!((error.kind, error.class), (Connect, NotProcessed), "{error}");
    }
    let seen = proxy.seen();
    assert_eq!(seen[0].method, "CONNECT");
    assert_eq!(seen[1].target, "http://caigunn.invalid/api/external/chatbot/talk?nickname=n");

    for proxy in ["socks5://user:proxy-SECRET@x", "proxy-SECRET", "http://"] {
        let error = HttpClient::new(&ClientOptions { proxy: Some(Secret::new(proxy)), ..options.clone() }).unwrap_err();
        assert_eq!((error.kind, error.class), (Setup, Final));
        assert_no_secret(error);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Server::always(said("x")).await;
    for code in [301, 302, 307, 308] {
        let error = played(Play::Answer(code, vec![("location", target.base())], vec![])).await;
        assert_eq!((error.kind, error.class), (Redirect, Final));
        assert!(error.detail.contains("base URL"), "{error}");
    }
    assert!(target.seen().is_empty());
}

#[tokio::test]
async fn connections_are_pooled() {
    let server = Server::always(said("x")).await;
    let bot = bot(&account(&server.base()).await);
    for _ in 0..5 {
        bot.talk("u", None, "hi").await.unwrap();
    }
    assert!(server.seen().iter().all(|request| request.connection == 0));
}

#[tokio::test]
async fn a_pooled_connection_that_the_server_closed_is_not_used() {
    let server = Server::always(Play::ThenClose(Box::new(said("x")))).await;
    let bot = bot(&account(&server.base()).await);
    for i in 0..20 {
        // Sometimes the end is noticed before the next ask, sometimes the ask meets it.
        if i % 2 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        match bot.talk("u", None, &format!("ask {i}")).await {
            Ok(_) => {}
            Err(error) => assert_eq!((error.kind, error.class, i % 2), (Interrupted, Ambiguous, 1), "{error}"),
        }
    }
    let mut bodies: Vec<_> = server.seen().into_iter().map(|request| request.body).collect();
    bodies.sort();
    let all = bodies.len();
    bodies.dedup();
    assert_eq!(bodies.len(), all, "an ask was sent twice");
}

#[tokio::test]
async fn an_ask_read_by_a_closing_server_is_ambiguous_and_not_sent_again() {
    // The first answer leaves the connection open; the second ask on it is read, and then the connection is gone.
    for broken in [Play::Raw(vec![]), Play::Reset(vec![])] {
        let server = Server::start(move |_, n| if n == 0 { said("x") } else { broken.clone() }).await;
        let bot = bot(&account(&server.base()).await);
        bot.talk("u", None, "one").await.unwrap();
        let error = bot.talk("u", None, "two").await.unwrap_err();
        assert_eq!((error.kind, error.class), (Interrupted, Ambiguous));
        tokio::time::sleep(Duration::from_millis(50)).await;
        let seen = server.seen();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[1].connection, 0, "the pooled connection was used");
    }
}
