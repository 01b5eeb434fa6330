//! Discord in the suite of all channels.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::platform::{self, BAD_GATEWAY, Draft, Slash, TOKEN, deny};
use super::{GUILD, ROOM, at_bot};
use crate::channel_suite::{Chat, Fault, Need, On, Platform, Sent, channel_suite};
use crate::support::{Setup, picture, until};

struct Discord {
    platform: platform::Platform,
    /// What people wrote to the bot: what a history tells again.
    written: Mutex<Vec<u64>>,
    /// How many histories are to be read before everything has been told again, and since when they all are.
    histories: Mutex<(usize, Option<Instant>)>,
    /// How often the bridge had logged in when it was last waited for.
    logins: Mutex<usize>,
}

fn user(n: u8) -> u64 {
    80_351_110_224_680_000 + u64::from(n)
}

impl Discord {
    fn channel(&self, chat: Chat) -> u64 {
        match chat {
            Chat::With(n) => self.platform.dm(user(n)),
            Chat::Group => ROOM,
        }
    }

    fn draft(&self, chat: Chat) -> Draft {
        let writer = if let Chat::With(n) = chat { n } else { 0 };
        Draft::new(self.channel(chat), user(writer))
    }

    fn sends(&self, draft: Draft, is_for_bot: bool) -> String {
        let message = self.platform.sends(draft);
        if is_for_bot {
            self.written.lock().unwrap().push(message);
        }
        message.to_string()
    }
}

impl Platform for Discord {
    const NAME: &'static str = "discord";
    const TOKEN: &'static str = TOKEN;
    /// What is told is not acknowledged. Files of one message are one message. No text is refused for its formatting.
    /// A nonce makes a repeated send one message.
    const LACKS: &'static [Need] = &[Need::Acknowledgement, Need::Albums, Need::Markup, Need::Doubles];
    const MOST: usize = 2000;
    const TYPING_LASTS: Duration = Duration::from_secs(10);
    const TIMEOUT_KEY: &'static str = "TIMEOUT";
    const ALBUM_KEY: &'static str = "";

    async fn start() -> Self {
        let platform = super::platform().await;
        platform.beats(Duration::from_millis(600));
        for n in 0..32 {
            platform.user(user(n), &format!("Person {n}"));
            platform.member(GUILD, user(n), &[], None);
        }
        Self { platform, written: Mutex::default(), histories: Mutex::default(), logins: Mutex::default() }
    }

    fn configure(&self, setup: Setup, id: &str) -> Setup {
        super::keys(id, &self.platform).iter().fold(setup, |setup, (key, value)| setup.set(key, value))
    }

    /// What nobody listens to is told to nobody.
    async fn bridge_is_at(&self, _url: &str) {
        let before = *self.logins.lock().unwrap();
        let logins = || self.platform.identifies() + self.platform.resumes();
        until("the bridge listens", async || logins() > before && self.platform.connected() == 1).await;
        *self.logins.lock().unwrap() = logins();
    }

    /// Words with a slash are given as commands, as Discord has them.
    fn says(&self, chat: Chat, text: &str) -> String {
        let Some(command) = text.strip_prefix('/') else {
            return self.sends(self.draft(chat).text(text), matches!(chat, Chat::With(_)));
        };
        let (name, args) = command.split_once(' ').unwrap_or((command, ""));
        let Chat::With(n) = chat else { panic!("commands are given in private") };
        let slash = Slash::new(self.channel(chat), user(n), name);
        let option = HashMap::from([("history", "count"), ("lang", "language")]).get(name).copied();
        self.platform.uses(match option.filter(|_| !args.is_empty()) {
            Some(option) => slash.option(option, args),
            None => slash,
        });
        String::new()
    }

    fn addresses(&self, text: &str) -> String {
        self.sends(self.draft(Chat::Group).text(&at_bot(text)), true)
    }

    fn shows(&self, chat: Chat, picture: &[u8], caption: &str, _album: Option<&str>) -> String {
        let file = self.platform.keeps(self.channel(chat), "picture.png", "image/png", picture.to_vec());
        let draft = self.draft(chat).attachment(file);
        self.sends(if caption.is_empty() { draft } else { draft.text(caption) }, true)
    }

    fn speaks(&self, chat: Chat) {
        let voice =
            self.platform.keeps(self.channel(chat), "voice-message.ogg", "audio/ogg", picture(image::ImageFormat::Png));
        self.sends(self.draft(chat).attachment(voice).with("flags", (1 << 13).into()), true);
    }

    fn edits(&self, chat: Chat, message: &str, text: &str) {
        self.platform.edits(self.channel(chat), message.parse().unwrap(), text);
    }

    fn redelivers(&self) -> u64 {
        let mut histories = self.histories.lock().unwrap();
        *histories = (self.platform.attempts("history").len() + 1, None);
        self.platform.forgets_sessions();
        self.platform.drops_connections();
        self.written.lock().unwrap().len() as u64
    }

    fn acknowledged_all(&self) -> bool {
        // A heartbeat says how far the bridge has heard.
        let told = self.platform.told();
        if self.platform.heartbeats().last().is_none_or(|beat| beat.seq.unwrap_or(0) < told) {
            return false;
        }
        let mut histories = self.histories.lock().unwrap();
        let all = self.platform.attempts("history").len() >= histories.0;
        let since = all.then(|| *histories.1.get_or_insert_with(Instant::now));
        // What was read is stored a moment later.
        histories.0 == 0 || since.is_some_and(|since| since.elapsed() > Duration::from_millis(500))
    }

    fn links_expire(&self, times: u32) {
        if times == 0 {
            return;
        }
        self.platform.fails("cdn", None, platform::Fault::Answer(404, "This content is no longer available."), times);
    }

    fn sent(&self, chat: Chat) -> Vec<Sent> {
        let sent = self.platform.sent(self.channel(chat)).into_iter();
        let reply = |reply: Option<u64>| reply.map(|message| message.to_string());
        sent.map(|sent| Sent { text: shown(&sent.text), formatted: true, reply_to: reply(sent.reply_to) }).collect()
    }

    fn attempts(&self, chat: Chat) -> Vec<Instant> {
        let channel = self.channel(chat);
        let calls = self.platform.attempts("send").into_iter();
        calls.filter(|call| call.channel == Some(channel)).map(|call| call.at).collect()
    }

    fn fails(&self, fault: Fault, on: On<'_>, times: u32) {
        let fault = match fault {
            Fault::ChatLimit(pause) => platform::Fault::RetryAfter(pause.as_secs_f64()),
            Fault::BotLimit(pause) => platform::Fault::RetryAfterAll(pause.as_secs_f64()),
            Fault::Reset => platform::Fault::Reset,
            Fault::SentThenReset => platform::Fault::ProcessedThenReset,
            Fault::Hang => platform::Fault::Hang,
            Fault::SentThenHang => platform::Fault::ProcessedThenHang,
            Fault::Busy => platform::Fault::Answer(502, BAD_GATEWAY),
            Fault::RejectsMarkup => panic!("Discord refuses no formatting"),
            Fault::Rejects => platform::Fault::Refuse(400, 50_035, "Invalid Form Body"),
        };
        match on {
            On::To(chat) => self.platform.fails("send", Some(self.channel(chat)), fault, times),
            On::Text(part) => self.platform.fails_on("send", part, fault, times),
        }
    }

    fn heals(&self) {
        self.platform.heals();
    }

    fn shuts_out(&self, chat: Chat, out: bool) {
        match chat {
            Chat::With(n) => self.platform.closes_dms(user(n), out),
            Chat::Group => self.platform.denies(ROOM, if out { deny::SEND_MESSAGES } else { 0 }),
        }
    }

    fn refuses_token(&self, refused: bool) {
        self.platform.set_token(if refused {
            "MTEwMDAwMDAwMDAwMDAwMDAwMQ.GfAkE_.another-token-0123456789"
        } else {
            TOKEN
        });
    }

    fn typing(&self, chat: Chat) -> usize {
        self.platform.typing(self.channel(chat)).len()
    }

    fn overlaps(&self) -> u64 {
        self.platform.overlaps()
    }

    fn violations(&self) -> Vec<String> {
        self.platform.violations()
    }
}

/// As people see it: Discord shows what a backslash stands before as it is.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' || !chars.peek().is_some_and(char::is_ascii_punctuation) {
            shown.push(c);
        }
    }
    shown
}

channel_suite!(Discord, skips: [
    "nothing_is_acknowledged_before_it_is_stored",
    "an_album_is_one_turn_and_a_late_member_another",
    "an_album_is_held_across_a_crash",
    "what_the_markup_refuses_goes_out_plain_and_only_that",
    "at_will_it_is_set_aside_and_the_rest_goes_on",
]);
