//! What every HTTP surface shares, over real sockets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit};
use axum::routing::{get, post};
use axum::{Extension, Router};
use caigunn_bridge::http::problem::with_fallbacks;
use caigunn_bridge::http::{BearerKeys, Connection, JsonBody, Problem, ServerLimits, serve};
use caigunn_bridge::model::Secret;
use futures_util::stream;
use http::HeaderMap;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

#[derive(Deserialize)]
struct Named {
    name: String,
}

fn app() -> Router {
    let keys = BearerKeys::new([("shop", Secret::new("k-shop"))]);
    with_fallbacks(
        Router::new()
            .route("/", get(async || "hello"))
            .route("/peer", get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string()))
            .route("/hang", get(std::future::pending::<()>))
            .route(
                "/slow",
                get(async || {
                    tokio::time::sleep(Duration::from_millis(150)).await;
                    "done"
                }),
            )
            .route("/reset", get(async |Extension(connection): Extension<Connection>| connection.reset()))
            .route(
                "/key",
                get(async move |headers: HeaderMap| keys.authenticate(&headers).map(|name| name.to_string())),
            )
            .route("/name", post(async |JsonBody(named): JsonBody<Named>| named.name))
            .route("/endless", get(async || Body::from_stream(stream::repeat(Ok::<_, Infallible>(vec![b'x'; 65_536])))))
            .route("/busy", get(async || Problem::unavailable(Duration::from_secs(3))))
            .layer(DefaultBodyLimit::max(64)),
    )
}

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    async fn start(limits: ServerLimits) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, app(), limits, stop.clone()));
        Self { address, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn quick() -> ServerLimits {
    ServerLimits {
        header_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_millis(700),
        body_timeout: Duration::from_millis(200),
        write_timeout: Duration::from_millis(400),
        grace: Duration::from_millis(300),
        ..ServerLimits::default()
    }
}

/// Reads until the text has arrived.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    let reading = async {
        while !String::from_utf8_lossy(&all).contains(text) {
            let n = stream.read(&mut buffer).await.unwrap();
            assert!(n > 0, "closed after {:?}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&buffer[..n]);
        }
        String::from_utf8_lossy(&all).into_owned()
    };
    tokio::time::timeout(Duration::from_secs(5), reading).await.expect("an answer")
}

/// How long the server kept the connection open.
async fn until_closed(stream: &mut TcpStream) -> Duration {
    let start = Instant::now();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.expect("a closed end");
    start.elapsed()
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_and_a_slow_one_is_not() {
    let server = Running::start(quick()).await;
    let ask = b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut mute = server.connect().await;
    mute.write_all(ask).await.unwrap();
    let mut slow = server.connect().await;
    slow.write_all(ask).await.unwrap();
    // More than the kernel keeps for it, and for longer than the bound.
    let mut buffer = vec![0; 1 << 20];
    for _ in 0..20 {
        slow.read_exact(&mut buffer).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What was sent before can still be read, then comes the end.
    until_closed(&mut mute).await;
}

#[tokio::test]
async fn a_half_sent_head_is_cut_even_when_it_trickles() {
    let server = Running::start(quick()).await;
    let mut silent = server.connect().await;
    silent.write_all(b"GET / HT").await.unwrap();
    let mut mute = server.connect().await;

    let (mut reader, mut writer) = server.connect().await.into_split();
    let trickle = tokio::spawn(async move {
        writer.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        while writer.write_all(b"a: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    });
    let start = Instant::now();
    let mut rest = Vec::new();
    let (a, b, _) = tokio::join!(until_closed(&mut silent), until_closed(&mut mute), async {
        tokio::time::timeout(Duration::from_secs(5), reader.read_to_end(&mut rest)).await.expect("a closed end")
    });
    for took in [a, b, start.elapsed()] {
        assert!((150..600).contains(&took.as_millis()), "{took:?}");
    }
    trickle.await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_outlives_the_header_timeout_but_a_late_head_does_not() {
    let server = Running::start(quick()).await;
    let mut idle = server.connect().await;
    idle.write_all(ASK).await.unwrap();
    read_until(&mut idle, "hello").await;
    let mut half = server.connect().await;
    half.write_all(ASK).await.unwrap();
    read_until(&mut half, "hello").await;

    tokio::time::sleep(Duration::from_millis(300)).await;
    idle.write_all(ASK).await.unwrap();
    read_until(&mut idle, "hello").await;
    half.write_all(b"GET / ").await.unwrap();
    let (idle, half) = tokio::join!(until_closed(&mut idle), until_closed(&mut half));
    assert!((150..450).contains(&half.as_millis()), "{half:?}");
    assert!((600..1500).contains(&idle.as_millis()), "{idle:?}");
}

#[tokio::test]
async fn a_slow_answer_is_not_mistaken_for_a_slow_head() {
    let limits = ServerLimits { header_timeout: Duration::from_millis(50), ..quick() };
    let server = Running::start(limits).await;
    let answer = client().get(server.url("/slow")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "done");
}

#[tokio::test]
async fn over_the_bound_a_connection_waits_and_is_served_when_a_slot_is_free() {
    let limits = ServerLimits { max_connections: 1, ..ServerLimits::default() };
    let server = Running::start(limits).await;
    let mut first = server.connect().await;
    first.write_all(ASK).await.unwrap();
    read_until(&mut first, "hello").await;

    let mut second = server.connect().await;
    second.write_all(ASK).await.unwrap();
    let mut byte = [0; 1];
    let early = tokio::time::timeout(Duration::from_millis(150), second.read(&mut byte)).await;
    assert!(early.is_err(), "served over the bound");
    drop(first);
    read_until(&mut second, "hello").await;
}

#[tokio::test]
async fn stopping_lets_an_answer_out_and_cuts_what_hangs_within_the_grace() {
    let server = Running::start(quick()).await;
    let mut hanging = server.connect().await;
    hanging.write_all(b"GET /hang HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut idle = server.connect().await;
    idle.write_all(ASK).await.unwrap();
    read_until(&mut idle, "hello").await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;

    let start = Instant::now();
    server.stop.cancel();
    let answer = read_until(&mut slow, "done").await;
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(until_closed(&mut idle).await < Duration::from_millis(250));
    until_closed(&mut hanging).await;
    server.task.await.unwrap().unwrap();
    assert!((250..1000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn oversize_heads_are_answered_with_431() {
    let server = Running::start(ServerLimits::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(20_000)).as_bytes()).await.unwrap();
    read_until(&mut stream, "HTTP/1.1 431").await;
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let server = Running::start(ServerLimits::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /reset HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let error = stream.read_to_end(&mut rest).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn the_peer_is_known() {
    let server = Running::start(ServerLimits::default()).await;
    let answer = client().get(server.url("/peer")).send().await.unwrap().text().await.unwrap();
    assert_eq!(answer.parse::<SocketAddr>().unwrap().ip(), server.address.ip());
}

#[tokio::test]
async fn bearer_keys_guard_over_the_wire() {
    let server = Running::start(ServerLimits::default()).await;
    let answer = client().get(server.url("/key")).bearer_auth("k-shop").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "shop");
    let refused = client().get(server.url("/key")).bearer_auth("k-other").send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(refused.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    assert_eq!(problem(refused).await, ("unauthorized".into(), 401));
}

/// The code and status of a problem answer.
async fn problem(answer: reqwest::Response) -> (String, u64) {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let status = u64::from(answer.status().as_u16());
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["status"], status);
    (body["code"].as_str().unwrap().to_owned(), status)
}

#[tokio::test]
async fn every_refusal_is_a_problem() {
    let server = Running::start(ServerLimits::default()).await;
    let (http, json) = (client(), "application/json");
    let post =
        |kind: &'static str, body: String| http.post(server.url("/name")).header("content-type", kind).body(body);

    let ok = post(json, r#"{"name":"x"}"#.into()).send().await.unwrap();
    assert_eq!(ok.text().await.unwrap(), "x");
    let cases = [
        (post(json, r#"{"name":"#.into()), "bad_request", 400),
        (post(json, r#"{"name":7}"#.into()), "invalid", 422),
        (post("text/plain", r#"{"name":"x"}"#.into()), "unsupported_media_type", 415),
        (post(json, format!(r#"{{"name":"{}"}}"#, "x".repeat(100))), "too_large", 413),
        (http.get(server.url("/nowhere")), "not_found", 404),
        (http.get(server.url("/busy")), "unavailable", 503),
    ];
    for (request, code, status) in cases {
        assert_eq!(problem(request.send().await.unwrap()).await, (code.to_owned(), status));
    }
    let wrong = http.delete(server.url("/name")).send().await.unwrap();
    assert_eq!(wrong.headers()["allow"], "POST");
    assert_eq!(problem(wrong).await, ("method_not_allowed".into(), 405));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_408() {
    let server = Running::start(quick()).await;
    let mut stream = server.connect().await;
    stream
        .write_all(
            b"POST /name HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{\"na",
        )
        .await
        .unwrap();
    let answer = read_until(&mut stream, "body_timeout").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}
