//! Brings the media of a turn into the store: bounded, off the intake path, each size-checked by its channel.

use std::time::Duration;

use crate::contract::channel::FetchError;
use crate::contract::store::StoreError;
use crate::model::inbound::{InboundEvent, MediaPlace, MediaRef};
use crate::model::turn::{Turn, TurnEvent};
use crate::pipeline::shared::{ChannelEntry, Shared};

/// How often a fetch that failed for a passing reason is tried within one attempt of the turn.
const TRIES: u32 = 3;

/// A fetch that takes longer than this has failed. Channels have shorter timeouts of their own.
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) enum FetchFailure {
    /// A passing failure outlasted the tries: the turn is released and tried again.
    Later(String),
    Store(StoreError),
}

/// Whether a turn has pictures that are still at the platform.
pub(crate) fn is_needed(turn: &Turn) -> bool {
    turn.events.iter().any(|event| match &event.event {
        InboundEvent::Message(message) | InboundEvent::Edit { message, .. } => message.media.iter().any(is_remote),
        _ => false,
    })
}

fn is_remote(media: &MediaRef) -> bool {
    media.kind.is_picture() && matches!(media.place, MediaPlace::Remote(_))
}

/// Fetches what is remote. What is gone becomes [`MediaPlace::Absent`], what is too large [`MediaPlace::TooLarge`]; the turn
/// is asked about the rest. What was fetched before a failure stays fetched.
pub(crate) async fn fetch_media(shared: &Shared, entry: &ChannelEntry, turn: &mut Turn) -> Result<(), FetchFailure> {
    for event in &mut turn.events {
        let (changed, failed) = fetch_event(shared, entry, event).await;
        if changed {
            shared.store.put_event(turn.seq, event).await.map_err(FetchFailure::Store)?;
        }
        failed?;
    }
    Ok(())
}

async fn fetch_event(shared: &Shared, entry: &ChannelEntry, event: &mut TurnEvent) -> (bool, Result<(), FetchFailure>) {
    let (InboundEvent::Message(message) | InboundEvent::Edit { message, .. }) = &mut event.event else {
        return (false, Ok(()));
    };
    let mut changed = false;
    for media in message.media.iter_mut().filter(|media| is_remote(media)) {
        match fetch_one(shared, entry, media).await {
            Ok(place) => (media.place, changed) = (place, true),
            Err(failure) => return (changed, Err(failure)),
        }
    }
    (changed, Ok(()))
}

async fn fetch_one(shared: &Shared, entry: &ChannelEntry, media: &MediaRef) -> Result<MediaPlace, FetchFailure> {
    let max_bytes = shared.rules.images.max_bytes;
    if media.bytes.is_some_and(|bytes| bytes > max_bytes) {
        return Ok(MediaPlace::TooLarge);
    }
    let mut tries = 0;
    let bytes = loop {
        match fetch_once(entry, media, max_bytes).await {
            Ok(bytes) if bytes.len() as u64 > max_bytes => return Ok(MediaPlace::TooLarge),
            Ok(bytes) => break bytes,
            Err(FetchError::TooLarge { .. }) => return Ok(MediaPlace::TooLarge),
            Err(FetchError::Gone(error)) => {
                tracing::info!(error, "a picture is gone");
                return Ok(MediaPlace::Absent);
            }
            Err(FetchError::Transient(error)) => {
                tries += 1;
                if tries >= TRIES {
                    return Err(FetchFailure::Later(error));
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(100 << tries)).await;
    };
    match shared.store.put_media(bytes).await {
        Ok(id) => Ok(MediaPlace::Stored(id)),
        // Not to be tried at once: every try downloads it again.
        Err(error @ StoreError::MediaFull { .. }) => Err(FetchFailure::Later(error.to_string())),
        Err(error) => Err(FetchFailure::Store(error)),
    }
}

/// One download. A slow platform holds up its own channel's downloads at most.
async fn fetch_once(entry: &ChannelEntry, media: &MediaRef, max_bytes: u64) -> Result<bytes::Bytes, FetchError> {
    // The semaphore is never closed, so the error cannot occur; without a permit we would still only fetch.
    let _permit = entry.fetches.acquire().await;
    let fetching = tokio::time::timeout(TIMEOUT, entry.channel.fetch(media, max_bytes));
    fetching.await.unwrap_or_else(|_| Err(FetchError::Transient(format!("not fetched within {TIMEOUT:?}"))))
}
