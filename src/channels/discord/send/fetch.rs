//! One file, read from wherever Discord keeps it.
//!
//! Links of files are signed and expire (<https://docs.discord.com/developers/reference#signed-attachment-cdn-urls>); the message
//! that a file came with has a fresh one.

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use crate::channels::discord::Discord;
use crate::channels::discord::api::{Call, CallError};
use crate::channels::discord::ids::{FileRef, Snowflake};
use crate::channels::discord::send::id_of;
use crate::contract::channel::FetchError;

impl Discord {
    pub(super) async fn read_file(&self, file: &FileRef, max_bytes: u64) -> Result<Bytes, FetchError> {
        match (self.download(&file.url, max_bytes).await, file.of) {
            (Err(FetchError::Gone(_)), Some((channel, message, attachment))) => {
                let link = self.fresh_link(channel, message, attachment).await?;
                self.download(&link, max_bytes).await
            }
            (read, _) => read,
        }
    }

    async fn fresh_link(
        &self,
        channel: Snowflake,
        message: Snowflake,
        attachment: Snowflake,
    ) -> Result<String, FetchError> {
        let path = format!("channels/{channel}/messages/{message}");
        let message = match self.api.ask::<Value>(Call::get(&path)).await {
            Ok(answer) => answer.body,
            // Deleted, or the bot may not read it any more; a token that is refused may be replaced.
            Err(CallError::Refused { status: status @ (400 | 403 | 404), code, message, .. }) => {
                return Err(FetchError::Gone(format!(
                    "the message cannot be read again: {message} ({status}, code {code})"
                )));
            }
            Err(error) => return Err(FetchError::Transient(error.to_string())),
        };
        // Those that it passes on came with it as well.
        let passed_on = message["message_snapshots"].as_array().into_iter().flatten().map(|one| &one["message"]);
        let mut files =
            passed_on.chain([&message]).flat_map(|message| message["attachments"].as_array().into_iter().flatten());
        let file = files.find(|file| id_of(file) == Some(attachment));
        let link = file.and_then(|file| file["url"].as_str());
        link.map(str::to_owned).ok_or_else(|| FetchError::Gone("the message has this file no longer".to_owned()))
    }

    async fn download(&self, url: &str, max_bytes: u64) -> Result<Bytes, FetchError> {
        if !reqwest::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            return Err(FetchError::Gone("the link is none that can be read".to_owned()));
        }
        let transient = |error: CallError| FetchError::Transient(error.to_string());
        let mut response = self.api.file(url).await.map_err(transient)?;
        match response.status().as_u16() {
            200 => {}
            403 | 404 | 410 => {
                return Err(FetchError::Gone("the link has expired, or the file was deleted".to_owned()));
            }
            status => return Err(FetchError::Transient(format!("the file is answered with {status}"))),
        }
        if response.content_length().is_some_and(|bytes| bytes > max_bytes) {
            return Err(FetchError::TooLarge { max_bytes });
        }
        let mut bytes = BytesMut::new();
        while let Some(piece) = self.api.piece(&mut response).await.map_err(transient)? {
            if (bytes.len() + piece.len()) as u64 > max_bytes {
                return Err(FetchError::TooLarge { max_bytes });
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }
}
