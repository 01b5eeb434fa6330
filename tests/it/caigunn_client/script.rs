//! A server that records what it is sent, byte for byte, and plays what it is told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

#[derive(Debug, Clone)]
pub(super) struct Recorded {
    /// Counts the connections from 0.
    pub(super) connection: usize,
    pub(super) method: String,
    pub(super) target: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Recorded {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is sent twice");
        value
    }

    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub(super) fn is_refresh(&self) -> bool {
        self.path().ends_with("/user/token/refresh")
    }
}

#[derive(Debug, Clone)]
pub(super) enum Play {
    /// Status line and headers as given, and the body with its length; the connection stays open.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// An answer, after which the server closes the connection without announcing it.
    ThenClose(Box<Play>),
    /// These bytes, then the end of the connection.
    Raw(Vec<u8>),
    /// These bytes, then a reset.
    Reset(Vec<u8>),
    /// These bytes one by one with a pause before each.
    Drip(Vec<u8>, Duration),
    Hang,
    /// Something after a while.
    Later(Duration, Box<Play>),
}

pub(super) fn json(body: impl Into<String>) -> Play {
    status(200, body)
}

pub(super) fn status(code: u16, body: impl Into<String>) -> Play {
    let body: String = body.into();
    Play::Answer(code, vec![("content-type", "application/json".into())], body.into_bytes())
}

pub(super) fn said(text: &str) -> Play {
    json(serde_json::json!({ "text": text }).to_string())
}

type Script = dyn Fn(&Recorded, usize) -> Play + Send + Sync;

pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Recorded>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Plays what `script` says to each request, given with its number from 0.
    pub(super) async fn start(script: impl Fn(&Recorded, usize) -> Play + Send + Sync + 'static) -> Self {
        Self::start_slow(Duration::ZERO, script).await
    }

    /// The same, but rests once on every connection, after the first bytes it reads.
    pub(super) async fn start_slow(
        rest: Duration,
        script: impl Fn(&Recorded, usize) -> Play + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Recorded>>> = Arc::default();
        let script: Arc<Script> = Arc::new(script);
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let connections = AtomicUsize::new(0);
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let connection = connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, connection, Arc::clone(&log), Arc::clone(&script), rest));
            }
        });
        Self { address, seen, task }
    }

    /// Plays the same to every request.
    pub(super) async fn always(play: Play) -> Self {
        Self::start(move |_, _| play.clone()).await
    }

    pub(super) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Recorded> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn refreshes(&self) -> usize {
        self.seen.lock().unwrap().iter().filter(|request| request.is_refresh()).count()
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    log: Arc<Mutex<Vec<Recorded>>>,
    script: Arc<Script>,
    mut rest: Duration,
) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let request = read_request(&mut stream, &mut buffer, connection, &mut rest).await?;
        let number = {
            let mut log = log.lock().unwrap();
            log.push(request.clone());
            log.len() - 1
        };
        play(&mut stream, script(&request, number)).await?;
    }
}

async fn read_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    connection: usize,
    rest: &mut Duration,
) -> Option<Recorded> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        more(stream, buffer, rest).await?;
    };
    let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<_> =
        lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned())).collect();
    let length: usize =
        headers.iter().find(|(n, _)| n == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    assert!(!headers.iter().any(|(n, _)| n == "transfer-encoding"), "a body's length is announced");
    buffer.drain(..end + 4);
    while buffer.len() < length {
        more(stream, buffer, rest).await?;
    }
    let body = buffer.drain(..length).collect();
    Some(Recorded { connection, method, target, headers, body })
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>, rest: &mut Duration) -> Option<()> {
    buffer.reserve(256 * 1024);
    let read = stream.read_buf(buffer).await.ok()?;
    tokio::time::sleep(std::mem::take(rest)).await;
    (read > 0).then_some(())
}

/// `None` ends the connection.
async fn play(stream: &mut TcpStream, play: Play) -> Option<()> {
    match play {
        Play::Answer(code, headers, body) => {
            let mut head = format!("HTTP/1.1 {code} Scripted\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            head.push_str("\r\n");
            stream.write_all(&[head.into_bytes(), body].concat()).await.ok()
        }
        Play::ThenClose(first) => {
            Box::pin(self::play(stream, *first)).await;
            None
        }
        Play::Raw(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            None
        }
        Play::Reset(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            // What was written arrives before the reset throws away what was not read.
            tokio::time::sleep(Duration::from_millis(50)).await;
            stream.set_zero_linger().ok()?;
            None
        }
        Play::Drip(bytes, pause) => {
            for byte in bytes {
                tokio::time::sleep(pause).await;
                stream.write_all(&[byte]).await.ok()?;
            }
            Some(())
        }
        Play::Hang => std::future::pending().await,
        Play::Later(pause, then) => {
            tokio::time::sleep(pause).await;
            Box::pin(self::play(stream, *then)).await
        }
    }
}
