//! The people: each writes message after message and does not let go before it is answered.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::KEY;

/// How long to wait before a request that came to nothing is made again.
const AGAIN: Duration = Duration::from_millis(40);

#[derive(Clone)]
pub(super) struct Message {
    pub(super) user: String,
    pub(super) text: String,
    /// As PNG files.
    pub(super) pictures: Vec<Vec<u8>>,
    key: String,
    respond_async: bool,
    /// How many kills must have happened before it is sent.
    after_kills: usize,
    /// And how much later.
    pause: Duration,
}

/// A message with its end.
pub(super) struct Said {
    pub(super) message: Message,
    /// Its place among the person's messages.
    pub(super) n: usize,
    pub(super) id: String,
    pub(super) answer: Value,
}

pub(super) struct Person {
    messages: Vec<Message>,
    /// Sends all without waiting for the answers.
    hasty: bool,
}

impl Person {
    pub(super) fn new(number: usize, each: usize, pictures: bool, kills: usize, mut dice: fastrand::Rng) -> Self {
        let user = format!("user{number:02}");
        let hasty = number.is_multiple_of(4);
        let mut releases: Vec<usize> = (0..each).map(|_| dice.usize(0..kills)).collect();
        releases.sort_unstable();
        let messages = (0..each).map(|n| Message {
            text: match n % 3 {
                // Several of each person's messages are alike.
                2 if !pictures => format!("{user} says it again"),
                _ => format!("{user} says {n}"),
            },
            pictures: if pictures { (0..=n % 2).map(|_| picture(&mut dice)).collect() } else { Vec::new() },
            key: format!("{user}-{n}"),
            respond_async: hasty || dice.bool(),
            after_kills: if hasty { releases[0] } else { releases[n] },
            pause: Duration::from_millis(if hasty { 0 } else { dice.u64(0..300) }),
            user: user.clone(),
        });
        Self { messages: messages.collect(), hasty }
    }

    /// Sends everything and waits for every answer.
    pub(super) async fn talk(self, line: Line, mut kills: watch::Receiver<usize>) -> Vec<Said> {
        let mut said = Vec::new();
        let mut open = Vec::new();
        for (n, message) in self.messages.into_iter().enumerate() {
            kills.wait_for(|kills| *kills >= message.after_kills).await.unwrap();
            tokio::time::sleep(message.pause).await;
            let mut ids = BTreeSet::new();
            let answer = line.post(&message, &mut ids).await;
            open.push((n, message, ids, answer));
            if !self.hasty {
                for one in open.drain(..) {
                    said.push(line.answered(one).await);
                }
            }
        }
        for one in open {
            said.push(line.answered(one).await);
        }
        said
    }
}

fn picture(dice: &mut fastrand::Rng) -> Vec<u8> {
    let colour = image::Rgb([dice.u8(..), dice.u8(..), dice.u8(..)]);
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(24, 16, colour).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The way to the bridge, whether it lives at the moment or not.
pub(super) struct Line {
    addr: SocketAddr,
    client: reqwest::Client,
}

/// A message that was accepted: the ids it was given, and its answer if that came along.
type Open = (usize, Message, BTreeSet<String>, Option<Value>);

impl Line {
    pub(super) fn new(addr: SocketAddr, client: reqwest::Client) -> Self {
        Self { addr, client }
    }

    pub(super) fn request(&self, message: &Message) -> RequestBuilder {
        let request = self.client.post(format!("http://{}/v1/messages", self.addr)).bearer_auth(KEY);
        let request = request.header("Idempotency-Key", &message.key);
        let request = if message.respond_async { request.header("Prefer", "respond-async") } else { request };
        if message.pictures.is_empty() {
            return request.json(&json!({ "user": message.user, "text": message.text }));
        }
        let form = Form::new().text("user", message.user.clone()).text("text", message.text.clone());
        let files = message.pictures.iter().map(|bytes| Part::bytes(bytes.clone()).file_name("picture.png"));
        request.multipart(files.fold(form, |form, file| form.part("images", file)))
    }

    /// Makes the same request until it was accepted.
    async fn post(&self, message: &Message, ids: &mut BTreeSet<String>) -> Option<Value> {
        loop {
            let Some(response) = made(self.request(message)).await else { continue };
            let location = response.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
            ids.extend(location.as_deref().map(|location| location.strip_prefix("/v1/messages/").unwrap().to_owned()));
            match response.status().as_u16() {
                200 => {
                    let Ok(view) = response.json::<Value>().await else { continue };
                    ids.insert(view["id"].as_str().unwrap().to_owned());
                    return Some(view);
                }
                202 => return None,
                409 if location.is_some() => return None,
                409 | 503 => tokio::time::sleep(AGAIN).await,
                status => panic!("{}: {status}: {:?}", message.key, response.text().await),
            }
        }
    }

    /// Reads a message until it has ended.
    async fn answered(&self, (n, message, ids, answer): Open) -> Said {
        assert_eq!(ids.len(), 1, "{}: one message, one id: {ids:?}", message.key);
        let id = ids.into_iter().next().unwrap();
        if let Some(answer) = answer {
            return Said { message, n, id, answer };
        }
        loop {
            let request = self.client.get(format!("http://{}/v1/messages/{id}", self.addr)).bearer_auth(KEY);
            let Some(response) = made(request.header("Prefer", "wait=5")).await else { continue };
            match response.status().as_u16() {
                200 => {
                    let Ok(answer) = response.json::<Value>().await else { continue };
                    return Said { message, n, id, answer };
                }
                202 => {}
                503 => tokio::time::sleep(AGAIN).await,
                status => panic!("{}, accepted as {id}: {status}: {:?}", message.key, response.text().await),
            }
        }
    }
}

/// The response, or a pause: nobody is there at the moment.
async fn made(request: RequestBuilder) -> Option<Response> {
    match request.send().await {
        Ok(response) => Some(response),
        Err(_) => {
            tokio::time::sleep(AGAIN).await;
            None
        }
    }
}
