//! The WebSocket: opened, read, written, closed; nothing of it hangs.
//!
//! No compression: events are small but for the guilds at the start, and a stream of zlib would cost each shard its buffers and
//! each frame its meaning when one is lost.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header::{HeaderValue, USER_AGENT};
use http::uri::{PathAndQuery, Uri};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::way::{Pipe, Way, root};
use crate::channels::discord::api;

/// The version that is spoken, and how (<https://docs.discord.com/developers/events/gateway#connecting>).
const QUERY: &str = "/?v=10&encoding=json";

/// The largest message that is read. The guilds of a shard come one by one.
const MOST: usize = 64 << 20;

/// How long a message may take to leave. When nobody takes it, the connection is dead.
const LEAVING: Duration = Duration::from_secs(10);

/// How long a farewell may take: a session goes on without one, too.
const FAREWELL: Duration = Duration::from_millis(500);

/// Any code but 1000 and 1001, which would end the session
/// (<https://docs.discord.com/developers/events/gateway#initiating-a-disconnect>).
const KEEPS_SESSION: u16 = 4000;

pub(super) struct Socket(WebSocketStream<Pipe>);

/// What the socket gave.
pub(super) enum Came {
    Text(Utf8Bytes),
    /// The other side closes, with its code.
    Closed(Option<u16>),
    /// Nothing for us: the library answers pings itself.
    Nothing,
    /// Bytes, which a client that asked for JSON is not sent.
    Odd,
    Ended(String),
}

impl Socket {
    pub(super) async fn open(url: &str, way: &Way) -> Result<Self, String> {
        let address = || "the gateway's address cannot be read".to_owned();
        let mut parts = url.parse::<Uri>().map_err(|_| address())?.into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static(QUERY));
        let url = Uri::from_parts(parts).map_err(|_| address())?;
        let pipe = way.connect(&url).await?;
        let host = url.host().unwrap_or_default().to_owned();
        let mut request = url.into_client_request().map_err(|error| root(&error))?;
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(api::USER_AGENT));
        let config = WebSocketConfig::default()
            .max_message_size(Some(MOST))
            .max_frame_size(Some(MOST))
            .read_buffer_size(32 << 10)
            // Each message leaves at once.
            .write_buffer_size(0);
        let opened = client_async_with_config(request, pipe, Some(config)).await;
        let (socket, _) = opened.map_err(|error| format!("{host} does not open the gateway: {}", root(&error)))?;
        Ok(Self(socket))
    }

    /// What comes next. May be given up and called again.
    pub(super) async fn next(&mut self) -> Came {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => Came::Text(text),
            Some(Ok(Message::Close(frame))) => Came::Closed(frame.map(|frame| frame.code.into())),
            Some(Ok(Message::Binary(_))) => Came::Odd,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Came::Nothing,
            Some(Err(error)) => Came::Ended(format!("the connection broke: {}", root(&error))),
            None => Came::Ended("the connection ended".to_owned()),
        }
    }

    pub(super) async fn send(&mut self, text: String) -> Result<(), String> {
        match timeout(LEAVING, self.0.send(Message::text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("the connection broke: {}", root(&error))),
            Err(_) => Err("the connection takes nothing any more".to_owned()),
        }
    }

    /// Says goodbye, or answers the other side's, in a way that the session can be taken up again after.
    pub(super) async fn close(mut self) {
        let frame = CloseFrame { code: KEEPS_SESSION.into(), reason: "".into() };
        let _ = timeout(FAREWELL, self.0.close(Some(frame))).await;
    }
}
