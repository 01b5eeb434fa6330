//! Somebody's receiver of callbacks: strict about what a request must be, and scripted in what it answers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::until;

/// A request, with what it was answered.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
    pub(super) at: Instant,
    pub(super) answered: &'static str,
}

impl Got {
    pub(super) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(super) fn text(&self) -> String {
        self.json()["data"]["text"].as_str().unwrap().to_owned()
    }
}

/// Says nothing at all.
pub(super) const HANGS: &str = "";
/// Cuts the connection off after it has read the request.
pub(super) const RESETS: &str = "reset";
pub(super) const TAKES: &str = "204 No Content";

#[derive(Default)]
struct State {
    got: Vec<Got>,
    /// Of the next requests: status line and further headers.
    next: VecDeque<&'static str>,
    /// Of all others.
    always: Option<&'static str>,
}

#[derive(Clone)]
pub(super) struct Receiver {
    url: String,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let receiver = Self { url, state: Arc::clone(&state) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&state)));
            }
        });
        receiver
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The next requests are answered so, one each.
    pub(super) fn next(&self, answers: &[&'static str]) {
        self.state.lock().unwrap().next.extend(answers);
    }

    /// Every request is answered so.
    pub(super) fn always(&self, answer: &'static str) {
        let mut state = self.state.lock().unwrap();
        state.next.clear();
        state.always = Some(answer);
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.state.lock().unwrap().got.clone()
    }

    /// Waits for so many requests.
    pub(super) async fn gets(&self, count: usize) -> Vec<Got> {
        until(&format!("{count} callbacks"), async || self.got().len() >= count).await;
        self.got()
    }

    /// The texts that it has taken, in order.
    pub(super) fn taken(&self) -> Vec<String> {
        self.got().iter().filter(|got| got.answered == TAKES).map(Got::text).collect()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut read = Vec::new();
    let (head, length) = loop {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(n) if n > 0 => read.extend_from_slice(&chunk[..n]),
            _ => return,
        }
        let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(read[..end].to_vec()).unwrap();
        let mut lengths =
            head.lines().filter_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let length: usize = lengths.next().expect("a request has a length");
        break (head, end + 4 + length);
    };
    while read.len() < length {
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk).await.unwrap();
        assert!(n > 0, "the body is whole");
        read.extend_from_slice(&chunk[..n]);
    }
    let body = String::from_utf8(read[head.len() + 4..length].to_vec()).unwrap();
    let (first, rest) = head.split_once("\r\n").unwrap();
    let pairs = rest.lines().map(|line| line.split_once(':').unwrap());
    let headers: BTreeMap<_, _> = pairs.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
    assert!(first.starts_with("POST ") && first.ends_with(" HTTP/1.1"), "{first}");
    assert_eq!(headers["content-type"], "application/json");
    assert!(headers["user-agent"].starts_with("caigunn-bridge/"));
    assert!(!headers.contains_key("authorization"));
    let answer = {
        let mut state = state.lock().unwrap();
        let answer = state.next.pop_front().or(state.always).unwrap_or(TAKES);
        let path = first.split(' ').nth(1).unwrap().to_owned();
        state.got.push(Got { path, headers, body, at: Instant::now(), answered: answer });
        answer
    };
    match answer {
        HANGS => tokio::time::sleep(Duration::from_secs(600)).await,
        RESETS => stream.set_zero_linger().unwrap(),
        answer => {
            let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }
}
