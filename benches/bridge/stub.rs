//! A server that answers every call alike: the least that can stand in CaiGunn's place.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::wire::whole;

pub(crate) const ANSWER: &str = r#"{"text":"We are open from 10 to 18 o'clock on public holidays, except on New Year's Eve and on the first three days of the Lunar New Year. You can reach us by telephone then."}"#;

struct Stub {
    latency: Cell<Duration>,
    open: Cell<usize>,
    asked: Cell<u64>,
    /// While set, nothing is answered.
    held: watch::Sender<bool>,
}

/// Serves on one thread until it is killed; prints its address first.
pub(crate) async fn run() -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind("127.0.0.1:0".parse()?)?;
    // Thousands connect within a moment; a full queue would cost each of them a second.
    let listener = socket.listen(65_535)?;
    println!("{}", listener.local_addr()?);
    let stub = Rc::new(Stub {
        latency: Cell::default(),
        open: Cell::default(),
        asked: Cell::default(),
        held: watch::Sender::new(false),
    });
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            loop {
                let (stream, _) = listener.accept().await?;
                let stub = Rc::clone(&stub);
                tokio::task::spawn_local(async move { serve(&stub, stream).await });
            }
        })
        .await
}

async fn serve(stub: &Stub, mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut got = Vec::with_capacity(1024);
    loop {
        while whole(&got).is_none() {
            if stream.read_buf(&mut got).await? == 0 {
                return Ok(());
            }
        }
        let control = got.strip_prefix(b"GET /stub/").and_then(|rest| rest.split(|byte| *byte == b' ').next());
        let body = match control {
            Some(order) => stub.obey(std::str::from_utf8(order)?),
            None => stub.talk().await,
        };
        got.clear();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await?;
    }
}

impl Stub {
    async fn talk(&self) -> String {
        self.open.set(self.open.get() + 1);
        self.asked.set(self.asked.get() + 1);
        if *self.held.borrow() {
            // The sender lives as long as the process.
            let _ = self.held.subscribe().wait_for(|held| !held).await;
        }
        if !self.latency.get().is_zero() {
            tokio::time::sleep(self.latency.get()).await;
        }
        self.open.set(self.open.get() - 1);
        ANSWER.to_owned()
    }

    /// `hold`, `release`, `open`, `asked`, or a latency in milliseconds.
    fn obey(&self, order: &str) -> String {
        match order {
            "open" => return self.open.get().to_string(),
            "asked" => return self.asked.get().to_string(),
            "hold" | "release" => {
                self.held.send_replace(order == "hold");
            }
            latency => self.latency.set(Duration::from_millis(latency.parse().unwrap_or_default())),
        }
        String::new()
    }
}
