//! The least that can stand in the place of a Bot API server: it makes up messages, hands them out, and takes answers. It checks
//! nothing; that is what the fake server of the tests is for.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;

use crate::flow::Flow;
use crate::wire::whole;

pub(crate) const TOKEN: &str = "42:0123456789012345678901234567890123";

/// No chat has the bot's own number.
const FIRST_CHAT: i64 = 1_000;

#[derive(Default)]
struct Server {
    /// Numbered by their place beyond what was acknowledged.
    updates: RefCell<VecDeque<(u64, String)>>,
    last: Cell<u64>,
    more: Notify,
    flow: Flow,
}

/// Serves on one thread until it is killed; prints its address first.
pub(crate) async fn run() -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind("127.0.0.1:0".parse()?)?;
    let listener = socket.listen(4_096)?;
    println!("{}", listener.local_addr()?);
    let server = Rc::new(Server::default());
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            loop {
                let (stream, _) = listener.accept().await?;
                let server = Rc::clone(&server);
                tokio::task::spawn_local(async move { serve(&server, stream).await });
            }
        })
        .await
}

async fn serve(server: &Server, mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut got = Vec::with_capacity(8 * 1024);
    loop {
        let (head, end) = loop {
            if let Some(found) = whole(&got) {
                break found;
            }
            if stream.read_buf(&mut got).await? == 0 {
                return Ok(());
            }
        };
        let request = std::str::from_utf8(&got[..end])?;
        let path = request.split(' ').nth(1).context("a path")?;
        let body = &request[head..];
        let answer = match path.strip_prefix("/bench/") {
            Some(order) => server.flow.obey(order, |chat| server.write(chat)).await?,
            None => server.call(path.rsplit('/').next().unwrap_or_default(), body).await,
        };
        got.clear();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all(&[head.as_bytes(), answer.as_bytes()].concat()).await?;
    }
}

impl Server {
    async fn call(&self, method: &str, body: &str) -> String {
        match method.to_ascii_lowercase().as_str() {
            "getupdates" => self.updates(number(body, "offset"), number(body, "timeout").unwrap_or(0)).await,
            "sendmessage" => {
                let chat = number(body, "chat_id").unwrap_or_default();
                self.take(chat);
                format!(r#"{{"ok":true,"result":{{"message_id":1,"date":1700000000,"chat":{{"id":{chat},"type":"private","first_name":"Ann"}},"text":"…"}}}}"#)
            }
            "getme" => r#"{"ok":true,"result":{"id":42,"is_bot":true,"first_name":"Cai","username":"CaiBot","can_join_groups":true,"can_read_all_group_messages":false,"supports_inline_queries":false,"has_main_web_app":false}}"#.to_owned(),
            "getwebhookinfo" => r#"{"ok":true,"result":{"url":"","has_custom_certificate":false,"pending_update_count":0}}"#.to_owned(),
            _ => r#"{"ok":true,"result":true}"#.to_owned(),
        }
    }

    async fn updates(&self, offset: Option<i64>, timeout: i64) -> String {
        let offset = u64::try_from(offset.unwrap_or(0)).unwrap_or(0);
        let until = tokio::time::Instant::now() + Duration::from_secs(timeout.unsigned_abs());
        loop {
            {
                let mut updates = self.updates.borrow_mut();
                while updates.front().is_some_and(|(id, _)| *id < offset) {
                    updates.pop_front();
                }
                if !updates.is_empty() || tokio::time::Instant::now() >= until {
                    let mut answer = String::from(r#"{"ok":true,"result":["#);
                    for (n, (_, update)) in updates.iter().take(100).enumerate() {
                        if n > 0 {
                            answer.push(',');
                        }
                        answer.push_str(update);
                    }
                    answer.push_str("]}");
                    return answer;
                }
            }
            let _ = tokio::time::timeout_at(until, self.more.notified()).await;
        }
    }

    fn write(&self, number: u64) {
        let chat = FIRST_CHAT + i64::try_from(number).unwrap_or(0);
        let id = self.last.get() + 1;
        self.last.set(id);
        let mut update = String::new();
        let _ = write!(
            update,
            r#"{{"update_id":{id},"message":{{"message_id":{id},"from":{{"id":{chat},"is_bot":false,"first_name":"Ann","last_name":"Lee","username":"ann{chat}","language_code":"en"}},"chat":{{"id":{chat},"first_name":"Ann","last_name":"Lee","username":"ann{chat}","type":"private"}},"date":1700000000,"text":"Message {id}: what are your opening hours on public holidays?"}}}}"#
        );
        self.updates.borrow_mut().push_back((id, update));
        self.flow.wrote(number);
        self.more.notify_one();
    }

    /// An answer has come.
    fn take(&self, chat: i64) {
        let chat = u64::try_from(chat - FIRST_CHAT).unwrap_or(0);
        if self.flow.take(chat) {
            self.write(chat);
        }
    }
}

/// The number of a key in a flat piece of JSON.
fn number(body: &str, key: &str) -> Option<i64> {
    let at = body.find(&format!("\"{key}\":"))? + key.len() + 3;
    let rest = body[at..].trim_start_matches([' ', '"']);
    let end = rest.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}
