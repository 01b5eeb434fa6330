//! The search for what must not come out, and servers that repeat what they were asked.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Every place of a text, with some of what follows it.
pub(crate) fn places(haystack: &[u8], needle: &str) -> Vec<String> {
    let found = haystack.windows(needle.len()).enumerate().filter(|(_, window)| *window == needle.as_bytes());
    let shown = |at: usize| &haystack[at..haystack.len().min(at + 80)];
    found.map(|(at, _)| String::from_utf8_lossy(shown(at)).into_owned()).collect()
}

pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

/// A server that answers whatever it is asked with what is made of the head of the request; never, with nothing. Answers its
/// port.
pub(crate) async fn server(answer: fn(&str) -> String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = vec![0; 16 * 1024];
                let read = stream.read(&mut head).await.unwrap_or_default();
                let answer = answer(&String::from_utf8_lossy(&head[..read]));
                if answer.is_empty() {
                    std::future::pending::<()>().await;
                }
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    port
}

pub(crate) fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// A proxy that refuses everybody, repeating what it was sent.
pub(crate) async fn refusing_proxy() -> u16 {
    server(|head| http("407 Proxy Authentication Required", head)).await
}
