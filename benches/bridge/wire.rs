//! HTTP/1.1 written by hand on both ends: what is not measured must cost as little as it can.

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The API key of the load generator.
pub(crate) const KEY: &str = "key-of-the-load-generator";

/// The end of the head and of the body of what has arrived, once all of it has.
pub(crate) fn whole(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let length = std::str::from_utf8(&bytes[..head]).ok()?.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok()).flatten()
    });
    let end = head + length.unwrap_or(0);
    (bytes.len() >= end).then_some((head, end))
}

/// One kept-alive connection of a client.
pub(crate) struct Connection {
    stream: TcpStream,
    got: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, got: Vec::with_capacity(4096) })
    }

    /// Sends a request and answers the status and the body.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<(u16, &str)> {
        self.stream.write_all(request).await?;
        self.got.clear();
        loop {
            if self.stream.read_buf(&mut self.got).await? == 0 {
                bail!("the connection was closed in the midst of an answer");
            }
            if let Some((head, end)) = whole(&self.got) {
                let status = std::str::from_utf8(self.got.get(9..12).context("a status line")?)?.parse()?;
                return Ok((status, std::str::from_utf8(&self.got[head..end])?));
            }
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<String> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
        let (status, body) = self.exchange(request.as_bytes()).await?;
        if status != 200 {
            bail!("GET {path}: {status} {body}");
        }
        Ok(body.to_owned())
    }
}

/// A message of a user, as the bridge's HTTP channel and the floor take it.
pub(crate) fn message(request: &mut Vec<u8>, user: &str, n: u64, prefer: &str) {
    let body = format!(r#"{{"user":"{user}","text":"Message {n}: what are your opening hours on public holidays?"}}"#);
    request.clear();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n{prefer}content-length: {}\r\n\r\n",
        KEY,
        body.len()
    );
    request.extend_from_slice(head.as_bytes());
    request.extend_from_slice(body.as_bytes());
}
