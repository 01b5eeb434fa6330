//! The pager in the suite of all channels.

use std::time::{Duration, Instant};

use serde_json::json;

use super::pager;
use super::pager::config::MAX_TEXT;
use super::platform::{self, TOKEN};
use crate::channel_suite::{Chat, Fault, Need, On, Platform, Sent, channel_suite};
use crate::support::Setup;

struct Pager(platform::Platform);

/// The name of a chat; a person's is that of their own.
fn name(chat: Chat) -> String {
    match chat {
        Chat::With(n) => format!("p{n}"),
        Chat::Group => "group1".to_owned(),
    }
}

impl Pager {
    fn writes(&self, chat: Chat, mention: bool, mut fields: serde_json::Value) -> String {
        fields["chat"] = name(chat).into();
        fields["group"] = (chat == Chat::Group).into();
        fields["mention"] = mention.into();
        let writer = if chat == Chat::Group { Chat::With(0) } else { chat };
        self.0.says_with(&name(writer), fields)
    }
}

impl Platform for Pager {
    const NAME: &'static str = pager::KIND;
    const TOKEN: &'static str = TOKEN;
    const LACKS: &'static [Need] = &[];
    const MOST: usize = MAX_TEXT;
    const TYPING_LASTS: Duration = Duration::from_secs(1);
    const TIMEOUT_KEY: &'static str = "TIMEOUT";
    const ALBUM_KEY: &'static str = "ALBUM";

    async fn start() -> Self {
        Self(platform::Platform::start().await)
    }

    fn configure(&self, setup: Setup, id: &str) -> Setup {
        super::channel(setup, id, &self.0)
    }

    /// The pager is polled.
    async fn bridge_is_at(&self, _: &str) {}

    fn says(&self, chat: Chat, text: &str) -> String {
        self.writes(chat, false, json!({ "text": text }))
    }

    fn addresses(&self, text: &str) -> String {
        self.writes(Chat::Group, true, json!({ "text": text }))
    }

    fn shows(&self, chat: Chat, picture: &[u8], caption: &str, album: Option<&str>) -> String {
        self.0.keeps_file("picture", picture.to_vec());
        let media = json!([{ "kind": "image", "file": "picture" }]);
        self.writes(chat, false, json!({ "text": caption, "album": album, "media": media }))
    }

    fn speaks(&self, chat: Chat) {
        self.writes(chat, false, json!({ "media": [{ "kind": "voice", "file": "spoken" }] }));
    }

    fn edits(&self, chat: Chat, message: &str, text: &str) {
        // Any number that grows.
        let revision = self.0.happened();
        let edit = json!({ "type": "edit", "message": message, "revision": revision, "text": text });
        self.0.happens(&name(chat), edit);
    }

    fn redelivers(&self) -> u64 {
        let told = self.0.happened();
        self.0.repeats_itself();
        told
    }

    fn acknowledged_all(&self) -> bool {
        self.0.acknowledged() >= self.0.happened()
    }

    fn links_expire(&self, times: u32) {
        self.0.links_expire(times);
    }

    fn sent(&self, chat: Chat) -> Vec<Sent> {
        let delivered = self.0.delivered().into_iter().filter(|got| got.chat == name(chat));
        delivered.map(|got| Sent { text: got.text, formatted: got.stars, reply_to: got.reply_to }).collect()
    }

    fn attempts(&self, chat: Chat) -> Vec<Instant> {
        self.0.attempts(&name(chat)).iter().map(|attempt| attempt.at).collect()
    }

    fn fails(&self, fault: Fault, on: On<'_>, times: u32) {
        let ms = |pause: Duration| u64::try_from(pause.as_millis()).unwrap();
        let fault = match fault {
            Fault::ChatLimit(pause) => platform::Fault::RateLimited { scope: "chat", ms: ms(pause) },
            Fault::BotLimit(pause) => platform::Fault::RateLimited { scope: "bot", ms: ms(pause) },
            Fault::Reset => platform::Fault::Reset,
            Fault::SentThenReset => platform::Fault::SentThenReset,
            Fault::Hang => platform::Fault::Hang,
            Fault::SentThenHang => platform::Fault::SentThenHang,
            Fault::Busy => platform::Fault::Refuse(503, "busy"),
            Fault::RejectsMarkup => platform::Fault::Refuse(400, "markup"),
            Fault::Rejects => platform::Fault::Refuse(400, "policy"),
        };
        match on {
            On::To(chat) => self.0.fails(fault, Some(&name(chat)), times),
            On::Text(part) => self.0.fails_on(fault, None, Some(part), times),
        }
    }

    fn heals(&self) {
        self.0.heals();
    }

    fn shuts_out(&self, chat: Chat, out: bool) {
        if out {
            self.0.fails(platform::Fault::Refuse(403, "gone"), Some(&name(chat)), 0);
        } else {
            self.0.heals();
        }
    }

    fn refuses_token(&self, refused: bool) {
        self.0.set_token(if refused { "another" } else { TOKEN });
    }

    fn typing(&self, chat: Chat) -> usize {
        self.0.typing(&name(chat)).len()
    }

    fn overlaps(&self) -> u64 {
        self.0.overlaps()
    }

    fn violations(&self) -> Vec<String> {
        self.0.violations()
    }
}

channel_suite!(Pager, skips: [""; 0]);
