//! The least that can stand in Discord's place: a gateway that tells made-up messages, and an API that takes answers. It checks
//! nothing; that is what the fake Discord of the tests is for.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};
use tokio_tungstenite::tungstenite::Message;

use crate::flow::Flow;
use crate::wire::whole;

/// Of the bot 42.
pub(crate) const TOKEN: &str = "NDI.bench0.0123456789012345678901234567";

/// The number of the first chat's channel, minus one.
const CHANNELS: u64 = 1_000_000_000_000_000_000;
const USERS: u64 = 2_000_000_000_000_000_000;
const MESSAGES: u64 = 1_400_000_000_000_000_000;

/// More than are ever on their way at once.
const EVENTS: usize = 65_536;

#[derive(Default)]
struct Server {
    gateway: RefCell<String>,
    told: Cell<u64>,
    seq: Cell<u64>,
    listener: RefCell<Option<mpsc::Sender<String>>>,
    flow: Flow,
}

/// Serves on one thread until it is killed; prints the address of its API first.
pub(crate) async fn run() -> Result<()> {
    let api = TcpListener::bind("127.0.0.1:0").await?;
    let gateway = TcpListener::bind("127.0.0.1:0").await?;
    let server = Rc::new(Server::default());
    *server.gateway.borrow_mut() = format!("ws://{}", gateway.local_addr()?);
    println!("{}", api.local_addr()?);
    let local = LocalSet::new();
    let sockets = Rc::clone(&server);
    local.spawn_local(async move {
        while let Ok((stream, _)) = gateway.accept().await {
            let server = Rc::clone(&sockets);
            spawn_local(async move { tell(&server, stream).await });
        }
    });
    local
        .run_until(async {
            loop {
                let (stream, _) = api.accept().await?;
                let server = Rc::clone(&server);
                spawn_local(async move { serve(&server, stream).await });
            }
        })
        .await
}

/// One connection to the gateway.
async fn tell(server: &Server, stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let (mut sink, mut from) = tokio_tungstenite::accept_async(stream).await?.split();
    sink.send(Message::text(r#"{"op":10,"d":{"heartbeat_interval":41250}}"#)).await?;
    let (sender, mut events) = mpsc::channel::<String>(EVENTS);
    loop {
        tokio::select! {
            event = events.recv() => {
                sink.feed(Message::text(event.context("the sender is here")?)).await?;
                while let Ok(event) = events.try_recv() {
                    sink.feed(Message::text(event)).await?;
                }
                sink.flush().await?;
            }
            message = from.next() => {
                let Some(Ok(message)) = message else { return Ok(()) };
                let Ok(text) = message.to_text() else { continue };
                if text.contains(r#""op":1,"#) || text.contains(r#""op":1}"#) {
                    sink.send(Message::text(r#"{"op":11}"#)).await?;
                } else if text.contains(r#""op":2,"#) || text.contains(r#""op":2}"#) {
                    sink.send(Message::text(server.ready())).await?;
                    *server.listener.borrow_mut() = Some(sender.clone());
                }
            }
        }
    }
}

async fn serve(server: &Server, mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut got = Vec::with_capacity(8 * 1024);
    loop {
        let end = loop {
            if let Some((_, end)) = whole(&got) {
                break end;
            }
            if stream.read_buf(&mut got).await? == 0 {
                return Ok(());
            }
        };
        let request = std::str::from_utf8(&got[..end])?;
        let path = request.split(' ').nth(1).context("a path")?;
        let answer = match path.strip_prefix("/bench/") {
            Some("connected") => (if server.listener.borrow().is_some() { "yes" } else { "no" }).to_owned(),
            Some(order) => server.flow.obey(order, |chat| server.write(chat)).await?,
            None => server.call(path),
        };
        got.clear();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all(&[head.as_bytes(), answer.as_bytes()].concat()).await?;
    }
}

impl Server {
    fn next(&self) -> u64 {
        self.seq.set(self.seq.get() + 1);
        self.seq.get()
    }

    fn ready(&self) -> String {
        let (seq, gateway) = (self.next(), self.gateway.borrow());
        let user = r#"{"id":"42","username":"cai","discriminator":"0","global_name":null,"avatar":null,"bot":true,"verified":true,"mfa_enabled":false,"flags":0}"#;
        format!(
            r#"{{"op":0,"s":{seq},"t":"READY","d":{{"v":10,"user":{user},"guilds":[],"session_id":"s","resume_gateway_url":"{gateway}","application":{{"id":"42","flags":262144}}}}}}"#
        )
    }

    fn call(&self, path: &str) -> String {
        let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
        if let Some(channel) = path.strip_suffix("/messages").and_then(|path| path.rsplit('/').next()) {
            let channel: u64 = channel.parse().unwrap_or(0);
            let chat = channel.saturating_sub(CHANNELS);
            let answer = self.message(channel, 42, "cai", true, "…");
            if self.flow.take(chat) {
                self.write(chat);
            }
            return answer;
        }
        let gateway = self.gateway.borrow();
        match path.rsplit("/v10/").next().unwrap_or_default() {
            "gateway" => format!(r#"{{"url":"{gateway}"}}"#),
            "gateway/bot" => format!(
                r#"{{"url":"{gateway}","shards":1,"session_start_limit":{{"total":1000,"remaining":1000,"reset_after":86400000,"max_concurrency":1}}}}"#
            ),
            "applications/@me" => r#"{"id":"42","name":"cai","flags":262144}"#.to_owned(),
            "users/@me" => {
                r#"{"id":"42","username":"cai","discriminator":"0","global_name":null,"avatar":null,"bot":true}"#
                    .to_owned()
            }
            _ => "[]".to_owned(),
        }
    }

    fn message(&self, channel: u64, user: u64, name: &str, bot: bool, text: &str) -> String {
        self.told.set(self.told.get() + 1);
        let id = MESSAGES + self.told.get();
        format!(
            r#"{{"id":"{id}","channel_id":"{channel}","author":{{"id":"{user}","username":"{name}","discriminator":"0","global_name":"Ann Lee","avatar":null,"bot":{bot}}},"content":"{text}","timestamp":"2026-01-01T00:00:00.000000+00:00","edited_timestamp":null,"tts":false,"mention_everyone":false,"mentions":[],"mention_roles":[],"attachments":[],"embeds":[],"pinned":false,"type":0,"flags":0,"components":[]}}"#
        )
    }

    fn write(&self, chat: u64) {
        let n = self.told.get() + 1;
        let text = format!("Message {n}: what are your opening hours on public holidays?");
        let message = self.message(CHANNELS + chat, USERS + chat, "ann", false, &text);
        let event = format!(r#"{{"op":0,"s":{},"t":"MESSAGE_CREATE","d":{message}}}"#, self.next());
        self.flow.wrote(chat);
        if let Some(listener) = &*self.listener.borrow() {
            // A connection that is gone is noticed by the answers that do not come.
            let _ = listener.try_send(event);
        }
    }
}
