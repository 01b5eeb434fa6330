//! A client of Server-Sent Events, after the HTML standard, as strict as a test can be.

use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use serde_json::Value;

use crate::support::PATIENCE;

/// One event of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) data: Value,
}

impl Event {
    /// The text of a `message`.
    pub(crate) fn text(&self) -> &str {
        self.data["text"].as_str().unwrap_or_default()
    }
}

pub(crate) struct Stream {
    response: Response,
    buffer: String,
    /// What a browser would send as `Last-Event-ID`.
    pub(crate) last_id: String,
}

impl Stream {
    pub(crate) async fn open(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{:?}", response.text().await);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, buffer: String::new(), last_id: String::new() }
    }

    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("an event comes, or the end")
    }

    /// Nothing comes for a while.
    pub(crate) async fn is_silent(&mut self, during: Duration) {
        let heard = tokio::time::timeout(during, self.read()).await;
        assert!(heard.is_err(), "{heard:?}");
    }

    /// The next event, which is to have this name.
    pub(crate) async fn expect(&mut self, name: &str) -> Event {
        let event = self.next().await.unwrap_or_else(|| panic!("the stream ends before `{name}`"));
        assert_eq!(event.name, name, "{event:?}");
        event
    }

    /// The texts of the next messages, up to and with `last`; other events are passed over.
    pub(crate) async fn texts_up_to(&mut self, last: &str) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ends before {last:?}: {texts:?}"));
            if event.name == "message" {
                texts.push(event.text().to_owned());
                if event.text() == last {
                    return texts;
                }
            }
        }
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.parse() {
                return Some(event);
            }
            // A stream that is cut ends like one that is closed.
            let chunk = self.response.chunk().await.ok().flatten()?;
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    fn parse(&mut self) -> Option<Event> {
        while let Some(end) = self.buffer.find("\n\n") {
            let block: String = self.buffer.drain(..end + 2).collect();
            let (mut id, mut name, mut data) = (None, String::new(), String::new());
            for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with(':')) {
                let (field, value) = line.split_once(':').unwrap_or((line, ""));
                let value = value.strip_prefix(' ').unwrap_or(value);
                match field {
                    "id" => id = Some(value.to_owned()),
                    "event" => name = value.to_owned(),
                    "data" => data.push_str(value),
                    other => panic!("`{other}` is no field of an event"),
                }
            }
            if let Some(id) = &id {
                self.last_id.clone_from(id);
            }
            if !data.is_empty() {
                let data = serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"));
                return Some(Event { id, name, data });
            }
        }
        None
    }
}
