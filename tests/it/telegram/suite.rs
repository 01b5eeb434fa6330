//! Telegram in the suite of all channels.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::platform::{self, BOT_NAME, Draft, TOKEN};
use crate::channel_suite::{Chat, Fault, Need, On, Platform, Sent, channel_suite};
use crate::support::Setup;

struct Telegram {
    platform: platform::Platform,
    /// What people wrote, by chat and number.
    written: Mutex<Vec<(i64, i64)>>,
}

fn chat_id(chat: Chat) -> i64 {
    match chat {
        Chat::With(n) => 1_000 + i64::from(n),
        Chat::Group => -1_001_000_000_001,
    }
}

fn draft(chat: Chat) -> Draft {
    let writer = if chat == Chat::Group { Chat::With(0) } else { chat };
    Draft::new(chat_id(chat), chat_id(writer))
}

impl Telegram {
    fn sends(&self, chat: Chat, draft: Draft) -> String {
        let message = self.platform.sends(draft);
        self.written.lock().unwrap().push((chat_id(chat), message));
        message.to_string()
    }
}

impl Platform for Telegram {
    const NAME: &'static str = "telegram";
    const TOKEN: &'static str = TOKEN;
    /// A 429 does not say whom it is about.
    const LACKS: &'static [Need] = &[Need::BotLimits];
    const MOST: usize = 4096;
    const TYPING_LASTS: Duration = Duration::from_secs(5);
    const TIMEOUT_KEY: &'static str = "TIMEOUT";
    const ALBUM_KEY: &'static str = "ALBUM_WAIT";

    async fn start() -> Self {
        let platform = platform::Platform::start().await;
        platform.supergroup(chat_id(Chat::Group), "Friends");
        Self { platform, written: Mutex::default() }
    }

    fn configure(&self, setup: Setup, id: &str) -> Setup {
        super::keys(id, &self.platform).iter().fold(setup, |setup, (key, value)| setup.set(key, value))
    }

    async fn bridge_is_at(&self, url: &str) {
        self.platform.webhook_goes_to(url);
    }

    fn says(&self, chat: Chat, text: &str) -> String {
        self.sends(chat, draft(chat).text(text))
    }

    fn addresses(&self, text: &str) -> String {
        self.sends(Chat::Group, draft(Chat::Group).text(&format!("@{BOT_NAME} {text}")))
    }

    fn shows(&self, chat: Chat, picture: &[u8], caption: &str, album: Option<&str>) -> String {
        let mut draft = draft(chat).photo(self.platform.photo(picture));
        if let Some(album) = album {
            draft = draft.album(album);
        }
        self.sends(chat, if caption.is_empty() { draft } else { draft.caption(caption) })
    }

    fn speaks(&self, chat: Chat) {
        self.sends(chat, draft(chat).media("voice", self.platform.keeps("voice", "oga", "not looked at")));
    }

    fn edits(&self, chat: Chat, message: &str, text: &str) {
        self.platform.edits(chat_id(chat), message.parse().unwrap(), text);
    }

    fn redelivers(&self) -> u64 {
        let written = self.written.lock().unwrap();
        for (chat, message) in &*written {
            self.platform.repeats(*chat, *message);
        }
        written.len() as u64
    }

    fn acknowledged_all(&self) -> bool {
        self.platform.pending() == 0
    }

    fn links_expire(&self, times: u32) {
        self.platform.links_expire(times);
    }

    fn sent(&self, chat: Chat) -> Vec<Sent> {
        let sent = self.platform.sent(chat_id(chat)).into_iter();
        let reply = |reply: Option<i64>| reply.map(|message| message.to_string());
        sent.map(|sent| Sent { text: sent.text, formatted: sent.html, reply_to: reply(sent.reply_to) }).collect()
    }

    fn attempts(&self, chat: Chat) -> Vec<Instant> {
        let calls = self.platform.attempts("sendMessage").into_iter();
        calls.filter(|call| call.chat == Some(chat_id(chat))).map(|call| call.at).collect()
    }

    fn fails(&self, fault: Fault, on: On<'_>, times: u32) {
        let fault = match fault {
            Fault::ChatLimit(pause) => platform::Fault::RetryAfter(pause.as_secs()),
            Fault::BotLimit(pause) => platform::Fault::RetryAfterAll(pause.as_secs()),
            Fault::Reset => platform::Fault::Reset,
            Fault::SentThenReset => platform::Fault::ProcessedThenReset,
            Fault::Hang => platform::Fault::Hang,
            Fault::SentThenHang => platform::Fault::ProcessedThenHang,
            Fault::Busy => platform::Fault::Refuse(500, "Internal Server Error"),
            Fault::RejectsMarkup => {
                let unreadable = "Bad Request: can't parse entities: Unsupported start tag \"b\" at byte offset 0";
                platform::Fault::Refuse(400, unreadable)
            }
            Fault::Rejects => platform::Fault::Refuse(400, "Bad Request: wrong message"),
        };
        match on {
            On::To(chat) => self.platform.fails("sendMessage", Some(chat_id(chat)), fault, times),
            On::Text(part) => self.platform.fails_on("sendMessage", part, fault, times),
        }
    }

    fn heals(&self) {
        self.platform.heals();
    }

    fn shuts_out(&self, chat: Chat, out: bool) {
        if out {
            self.platform.shuts_out(chat_id(chat));
        } else {
            self.platform.lets_in(chat_id(chat));
        }
    }

    fn refuses_token(&self, refused: bool) {
        self.platform.set_token(if refused { "123456789:AAanother_0123456789_0123456789_012" } else { TOKEN });
    }

    fn typing(&self, chat: Chat) -> usize {
        self.platform.typing(chat_id(chat)).len()
    }

    fn overlaps(&self) -> u64 {
        self.platform.overlaps()
    }

    fn violations(&self) -> Vec<String> {
        self.platform.violations()
    }
}

channel_suite!(Telegram, skips: ["a_limit_of_the_bot_delays_all"]);
