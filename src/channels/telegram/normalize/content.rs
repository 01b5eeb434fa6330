//! What comes with a message: pictures, other things, and the message that it answers.

use crate::channels::telegram::wire::{Identity, Message, Photo};
use crate::model::inbound::{self, MediaPlace};
use crate::model::{MediaKind, MediaRef};

/// The largest file that the Bot API hands out (<https://core.telegram.org/bots/api#getfile>).
pub(in crate::channels::telegram) const MAX_DOWNLOAD: u64 = 20 << 20;

/// Everything in a message that is not text. What has no field of its own here is a file that nobody can read.
pub(super) fn media(message: &Message) -> Vec<MediaRef> {
    let absent = |kind| vec![MediaRef { kind, place: MediaPlace::Absent, name: None, bytes: None }];
    if let Some(photo) = message.photo.as_deref().and_then(best) {
        return vec![remote(MediaKind::Image, &photo.file_id, None, photo.file_size)];
    }
    // An animation is written as a document as well.
    if message.animation.is_some() || message.video.is_some() || message.video_note.is_some() {
        return absent(MediaKind::Video);
    }
    if let Some(document) = &message.document {
        let is_image = document.mime_type.as_deref().is_some_and(|mime| mime.starts_with("image/"));
        if is_image {
            return vec![remote(MediaKind::Image, &document.file_id, document.file_name.clone(), document.file_size)];
        }
        let name = document.file_name.clone();
        return vec![MediaRef { kind: MediaKind::File, place: MediaPlace::Absent, name, bytes: document.file_size }];
    }
    if let Some(sticker) = &message.sticker {
        return if sticker.is_animated || sticker.is_video {
            absent(MediaKind::Video)
        } else {
            vec![remote(MediaKind::Sticker, &sticker.file_id, None, sticker.file_size)]
        };
    }
    let kinds = [
        (message.voice.is_some(), MediaKind::Voice),
        (message.audio.is_some(), MediaKind::Audio),
        (message.location.is_some(), MediaKind::Location),
        (message.contact.is_some(), MediaKind::ContactCard),
        (message.poll.is_some(), MediaKind::Poll),
        (message.text.is_none() && message.caption.is_none(), MediaKind::File),
    ];
    kinds.into_iter().find(|(there, _)| *there).map(|(_, kind)| absent(kind)).unwrap_or_default()
}

/// A reference is the file's id, which stays; links to it expire.
fn remote(kind: MediaKind, file_id: &str, name: Option<String>, bytes: Option<u64>) -> MediaRef {
    let too_large = bytes.is_some_and(|bytes| bytes > MAX_DOWNLOAD);
    let place = if too_large { MediaPlace::TooLarge } else { MediaPlace::Remote(file_id.to_owned()) };
    MediaRef { kind, place, name, bytes }
}

/// The largest of a photo's sizes that can be downloaded.
fn best(sizes: &[Photo]) -> Option<&Photo> {
    let area = |photo: &&Photo| u64::from(photo.width) * u64::from(photo.height);
    let fits = |photo: &&Photo| photo.file_size.is_none_or(|bytes| bytes <= MAX_DOWNLOAD);
    sizes.iter().filter(fits).max_by_key(area).or_else(|| sizes.iter().max_by_key(area))
}

/// Passes the message along that this one answers. The bot's own words it knows, unless a part of them was picked out.
pub(super) fn add_quoted(asked: &mut inbound::Message, message: &Message, bot: &Identity) {
    let original = message.reply_to_message.as_deref().filter(|original| original.forum_topic_created.is_none());
    let own = original.is_some_and(|original| original.from.as_ref().is_some_and(|user| user.id == bot.id));
    let picked = message.quote.as_ref().filter(|quote| quote.is_manual || !own);
    let whole = || original.filter(|_| !own).and_then(|original| original.text.as_ref().or(original.caption.as_ref()));
    asked.quoted = picked.map(|quote| &quote.text).or_else(whole).cloned().filter(|text| !text.trim().is_empty());
    if let Some(original) = original.filter(|_| !own && asked.media.is_empty()) {
        asked.media = media(original).into_iter().filter(|media| media.kind.is_picture()).collect();
    }
    if asked.text.is_empty() && asked.media.is_empty() {
        asked.text = asked.quoted.take().unwrap_or_default();
    }
    // "@bot" in reply to a voice message: what it cannot hear it says.
    if let Some(original) = original.filter(|_| !own && asked.text.is_empty() && asked.media.is_empty()) {
        asked.media = media(original);
    }
}
