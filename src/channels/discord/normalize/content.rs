//! What comes with a message: files, stickers, and the message that it answers or passes on.

use crate::channels::discord::config::OFFICIAL_CDN;
use crate::channels::discord::ids::{FileRef, Snowflake};
use crate::channels::discord::normalize::text::{self, Names};
use crate::channels::discord::normalize::{Rules, Scene, absent};
use crate::channels::discord::places::Places;
use crate::channels::discord::wire::{Attachment, Message, Sticker, User, flags};
use crate::model::inbound::{self, MediaPlace};
use crate::model::{MediaKind, MediaRef};

/// The largest picture that is read, in bytes.
const MAX_DOWNLOAD: u64 = 20 << 20;

/// Everything in a message that is not text. Embeds are what Discord adds to links.
pub(super) fn media(message: &Message, rules: &Rules) -> Vec<MediaRef> {
    let of = Some((message.channel_id, message.id));
    let mut media = files(&message.attachments, message.flags, of);
    media.extend(message.sticker_items.iter().map(|item| sticker(item, rules)));
    if message.poll.is_some() {
        media.push(absent(MediaKind::Poll, None, None));
    }
    media
}

/// Files of a message, or of nothing that could be read again.
pub(super) fn files<'a>(
    attachments: impl IntoIterator<Item = &'a Attachment>,
    flags: u64,
    of: Option<(Snowflake, Snowflake)>,
) -> Vec<MediaRef> {
    let file = |attachment: &Attachment| {
        let kind = match kind(attachment) {
            MediaKind::Audio if flags & flags::IS_VOICE_MESSAGE != 0 => MediaKind::Voice,
            kind => kind,
        };
        let name = attachment.title.clone().or_else(|| attachment.filename.clone());
        if kind != MediaKind::Image || attachment.url.is_empty() {
            return absent(kind, name, attachment.size);
        }
        let place = if attachment.size.is_some_and(|bytes| bytes > MAX_DOWNLOAD) {
            MediaPlace::TooLarge
        } else {
            let of = of.map(|(channel, message)| (channel, message, attachment.id));
            MediaPlace::Remote(FileRef { of, url: attachment.url.clone() }.written())
        };
        MediaRef { kind, place, name, bytes: attachment.size }
    };
    attachments.into_iter().map(file).collect()
}

/// By its media type, or by its name where Discord tells none.
fn kind(attachment: &Attachment) -> MediaKind {
    if let Some(mime) = attachment.content_type.as_deref() {
        return match mime.split('/').next().map(str::trim) {
            Some("image") => MediaKind::Image,
            Some("audio") => MediaKind::Audio,
            Some("video") => MediaKind::Video,
            _ => MediaKind::File,
        };
    }
    let name = attachment.filename.as_deref().unwrap_or_default().to_ascii_lowercase();
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("png" | "jpg" | "jpeg" | "webp" | "gif" | "bmp" | "tif" | "tiff" | "heic" | "avif") => MediaKind::Image,
        Some("mp3" | "ogg" | "oga" | "opus" | "wav" | "m4a" | "flac" | "aac") => MediaKind::Audio,
        Some("mp4" | "m4v" | "mov" | "webm" | "mkv" | "avi") => MediaKind::Video,
        _ => MediaKind::File,
    }
}

/// Stickers have links that do not expire. Those of GIFs are elsewhere
/// (<https://docs.discord.com/developers/reference#image-formatting-cdn-endpoints>).
fn sticker(item: &Sticker, rules: &Rules) -> MediaRef {
    let id = item.id;
    let url = match item.format_type {
        1 | 2 => format!("{}/stickers/{id}.png", rules.cdn_url),
        4 if rules.cdn_url == OFFICIAL_CDN => format!("https://media.discordapp.net/stickers/{id}.gif"),
        4 => format!("{}/stickers/{id}.gif", rules.cdn_url),
        // Lottie is a program for drawing, not a picture.
        _ => return absent(MediaKind::Video, item.name.clone(), None),
    };
    let place = MediaPlace::Remote(FileRef { of: None, url }.written());
    MediaRef { kind: MediaKind::Sticker, place, name: item.name.clone(), bytes: None }
}

/// What somebody refers to.
struct Original {
    text: String,
    media: Vec<MediaRef>,
}

/// Passes the message along that this one answers, but for the bot's own words, which it knows. A message that somebody passes
/// on has no words of its own.
pub(super) fn add_quoted(
    asked: &mut inbound::Message,
    message: &Message,
    scene: &Scene,
    places: &Places,
    rules: &Rules,
) {
    let Some(original) = forwarded(message, scene, places, rules).or_else(|| replied_to(message, scene, places, rules))
    else {
        return;
    };
    asked.quoted = Some(original.text).filter(|text| !text.is_empty());
    let mut others = original.media;
    if asked.media.is_empty() {
        asked.media = others.extract_if(.., |media| media.kind.is_picture()).collect();
    }
    if asked.text.is_empty() && asked.media.is_empty() {
        asked.text = asked.quoted.take().unwrap_or_default();
    }
    // The bot is called in reply to a voice message: what it cannot hear it says.
    if asked.text.is_empty() && asked.media.is_empty() {
        asked.media = others;
    }
}

fn replied_to(message: &Message, scene: &Scene, places: &Places, rules: &Rules) -> Option<Original> {
    let original = message.referenced_message.as_deref().filter(|_| rules.quotes)?;
    if original.author.as_ref().is_some_and(|author| author.id == rules.bot) {
        return None;
    }
    let said = || Original {
        text: readable(&original.content, &original.mentions, scene, places),
        media: media(original, rules),
    };
    Some(forwarded(original, scene, places, rules).unwrap_or_else(said))
}

fn forwarded(message: &Message, scene: &Scene, places: &Places, rules: &Rules) -> Option<Original> {
    if message.message_snapshots.is_empty() {
        return None;
    }
    let mut original = Original { text: String::new(), media: Vec::new() };
    for snapshot in &message.message_snapshots {
        let part = &snapshot.message;
        let text = readable(&part.content, &part.mentions, scene, places);
        if !original.text.is_empty() && !text.is_empty() {
            original.text.push('\n');
        }
        original.text.push_str(&text);
        // The message that passes them on is the one to read again for a new link.
        original.media.extend(files(&part.attachments, part.flags, Some((message.channel_id, message.id))));
        original.media.extend(part.sticker_items.iter().map(|item| sticker(item, rules)));
    }
    Some(original)
}

/// With all names, the bot's too.
fn readable(content: &str, users: &[User], scene: &Scene, places: &Places) -> String {
    text::said(content, &Names { taken_out: None, own_role: None, users, guild: scene.guild, places })
}
