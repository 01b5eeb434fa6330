//! Brings the media of a turn into the store: bounded, off the intake path, each size-checked by its channel.

use std::time::Duration;

use crate::contract::channel::FetchError;
use crate::contract::store::StoreError;
use crate::model::inbound::{InboundEvent, MediaPlace, MediaRef};
use crate::model::turn::{Turn, TurnEvent};
use crate::pipeline::shared::{ChannelEntry, Shared};

/// How often a fetch that failed for a passing reason is tried within one attempt of the turn.
const TRIES: u32 = 3;

#[derive(Debug)]
pub(crate) enum FetchFailure {
    /// A passing failure outlasted the tries: the turn is released and tried again.
    Later(String),
    Store(StoreError),
}

/// Fetches what is remote. What is gone or too large becomes [`MediaPlace::Absent`]; the turn is asked about the rest.
pub(crate) async fn fetch_media(shared: &Shared, entry: &ChannelEntry, turn: &mut Turn) -> Result<(), FetchFailure> {
    for event in &mut turn.events {
        if fetch_event(shared, entry, event).await? {
            shared.store.put_event(turn.seq, event).await.map_err(FetchFailure::Store)?;
        }
    }
    Ok(())
}

async fn fetch_event(shared: &Shared, entry: &ChannelEntry, event: &mut TurnEvent) -> Result<bool, FetchFailure> {
    let (InboundEvent::Message(message) | InboundEvent::Edit { message, .. }) = &mut event.event else { return Ok(false) };
    let mut changed = false;
    for media in &mut message.media {
        if media.kind.is_picture() && matches!(media.place, MediaPlace::Remote(_)) {
            media.place = fetch_one(shared, entry, media).await?;
            changed = true;
        }
    }
    Ok(changed)
}

async fn fetch_one(shared: &Shared, entry: &ChannelEntry, media: &MediaRef) -> Result<MediaPlace, FetchFailure> {
    let max_bytes = shared.rules.images.max_bytes;
    if media.bytes.is_some_and(|bytes| bytes > max_bytes) {
        return Ok(MediaPlace::Absent);
    }
    let mut tries = 0;
    let bytes = loop {
        // The semaphore is never closed, so the error arm cannot be reached; without a permit we would still only fetch.
        let _permit = shared.fetches.acquire().await;
        match entry.channel.fetch(media, max_bytes).await {
            Ok(bytes) => break bytes,
            Err(FetchError::TooLarge { .. } | FetchError::Gone(_)) => return Ok(MediaPlace::Absent),
            Err(FetchError::Transient(error)) => {
                tries += 1;
                if tries >= TRIES {
                    return Err(FetchFailure::Later(error));
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(200 << tries)).await;
    };
    shared.store.put_media(bytes).await.map(MediaPlace::Stored).map_err(FetchFailure::Store)
}
