//! Every text of our own that a chat user can see, in one place. The configuration can override each (`texts.<lang>.<key>`).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

/// A language that the texts exist in.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum Lang {
    #[default]
    #[serde(rename = "en")]
    En,
    #[serde(rename = "zh-TW")]
    ZhTw,
}

impl Lang {
    pub const ALL: [Self; 2] = [Self::En, Self::ZhTw];

    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::ZhTw => "zh-TW",
        }
    }

    /// The language of a BCP 47 tag (`zh-Hant`, `zh_HK`, `en-GB`), if the texts exist in it. Simplified Chinese is not
    /// mapped to the traditional script; a bare `zh` is, because it is the only Chinese there is.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let tag = tag.trim().to_ascii_lowercase().replace('_', "-");
        let mut parts = tag.split('-');
        match parts.next()? {
            "en" => Some(Self::En),
            "zh" => {
                let simplified = parts.any(|part| matches!(part, "hans" | "cn" | "sg" | "my"));
                (!simplified).then_some(Self::ZhTw)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $key:literal, $en:literal, $zh:literal;)*) => {
        /// The texts by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Text {
            $($(#[$doc])* $name,)*
        }

        impl Text {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The key under `texts.<lang>`.
            pub fn key(self) -> &'static str {
                match self {
                    $(Self::$name => $key,)*
                }
            }

            /// The built-in wording.
            pub fn built_in(self, lang: Lang) -> &'static str {
                match (self, lang) {
                    $((Self::$name, Lang::En) => $en, (Self::$name, Lang::ZhTw) => $zh,)*
                }
            }
        }
    };
}

texts! {
    /// An operator's help text stands above the list of commands.
    Help = "help",
        "Write to me, or send me a picture. There are also:",
        "直接輸入文字或傳送圖片給我就可以了。另外還有：";
    /// Said when the bot is started or added to a chat.
    Welcome = "welcome",
        "Hello! Write to me, or send me a picture, and I will answer. /help shows what else I can do.",
        "您好！直接輸入文字或傳送圖片給我，我就會回覆您。輸入 /help 可以看看我還能做什麼。";
    CommandHelp = "command_help", "what I can do", "說明我能做什麼";
    CommandReset = "command_reset", "start a new conversation", "開始新的對話";
    CommandHistory = "command_history", "the last messages of this conversation", "顯示這段對話最近的訊息";
    CommandLang = "command_lang", "the language of my notices", "設定通知的語言";
    CommandId = "command_id", "your id, for support", "顯示您的識別碼，供客服人員查詢";
    /// Where the platform has forms for commands, what stands beside their fields (the next four, too).
    CommandAsk = "command_ask", "Ask me something", "向我提問";
    CommandAskText = "command_ask_text", "Your question", "您的問題";
    CommandAskImage = "command_ask_image", "A picture to look at", "要看的圖片";
    CommandHistoryCount = "command_history_count", "How many exchanges", "顯示幾則對話";
    CommandLangChoice = "command_lang_choice", "The language", "語言";
    ResetDone = "reset_done", "Done: this is a new conversation.", "好的，已經開始新的對話。";
    LangSet = "lang_set", "I will use English for notices.", "之後的通知會使用繁體中文。";
    LangChoices = "lang_choices", "Choose one: /lang en or /lang zh-TW", "請選擇：/lang en 或 /lang zh-TW";
    HistoryEmpty = "history_empty", "There is nothing in this conversation yet.", "這段對話目前還沒有任何訊息。";
    HistoryUnavailable = "history_unavailable",
        "I cannot read the history just now. Please try again later.",
        "目前無法讀取歷史訊息，請稍後再試。";
    /// `{id}` is the contact's uid.
    IdIs = "id_is", "Your id is {id}", "您的識別碼是 {id}";
    /// Below it, where the platform has chats: `{chat}` is the number that `access` and the like go by.
    ChatIs = "chat_is", "This chat has the number {chat}", "這個聊天室的編號是 {chat}";
    TooManyPending = "too_many_pending",
        "That is a lot at once: I have not read your latest messages. Please wait for my answers, then send them again.",
        "訊息有點多，最新的幾則我還沒有讀到。請等我回覆之後再傳一次。";
    RateLimited = "rate_limited",
        "You are writing faster than I can read. Please wait a minute, then send the last message again.",
        "您傳得太快了，請等一分鐘後再傳一次最後的訊息。";
    TooOld = "too_old",
        "Sorry, I was away for a while and did not get to your message. Please send it again if it still matters.",
        "抱歉，我剛才離線了一段時間，沒有處理到您的訊息。如果仍有需要，請再傳一次。";
    GaveUp = "gave_up",
        "Sorry, I could not get an answer just now. Please try again later.",
        "抱歉，目前無法取得回覆，請稍後再試。";
    Refused = "refused",
        "Sorry, I could not process this message.",
        "抱歉，我無法處理這則訊息。";
    UnreadableImage = "unreadable_image",
        "I could not read this picture. Please send a PNG or JPEG of moderate size.",
        "我無法讀取這張圖片，請傳送大小適中的 PNG 或 JPEG 檔。";
    /// One of several pictures failed; `{n}` is its number.
    OneUnreadable = "one_unreadable",
        "(I could not read picture {n}.)",
        "（第 {n} 張圖片無法讀取。）";
    MediaUnavailable = "media_unavailable",
        "I could not load the picture. Please send it again.",
        "圖片無法載入，請再傳一次。";
    UnsupportedContent = "unsupported_content",
        "I can read text and pictures only.",
        "我只能讀取文字和圖片。";
    RestUndeliverable = "rest_undeliverable",
        "(The rest of this answer could not be delivered.)",
        "（這則回覆的其餘部分無法送出。）";
    AdminsOnly = "admins_only",
        "Only administrators may use this command.",
        "只有管理員可以使用這個指令。";
    /// What someone is told whom the channel's access list does not let in; empty by default, and then nothing is said.
    NotAllowed = "not_allowed", "", "";
    /// What they are told, while that is empty, where the platform demands an answer (Discord's slash commands).
    NotForYou = "not_for_you",
        "You cannot use this here.",
        "您無法在這裡使用這個功能。";
    /// Said where the platform demands an answer at once and the message could not be taken: nothing of it is kept.
    TryAgain = "try_again",
        "I cannot take this at the moment. Please try again in a minute.",
        "我現在無法處理，請一分鐘後再試一次。";
    /// What is asked of the chatbot when a picture comes without words, if the operator sets it; empty by default.
    ImagePrompt = "image_prompt", "", "";
}

/// The texts as configured.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    overrides: HashMap<(Lang, &'static str), String>,
}

impl Texts {
    /// Overrides by language tag and key; what is unknown comes back for the caller to report.
    pub fn with_overrides(overrides: impl IntoIterator<Item = (Lang, String, String)>) -> (Self, Vec<(Lang, String)>) {
        let mut texts = Self::default();
        let mut unknown = Vec::new();
        for (lang, key, value) in overrides {
            match Text::ALL.iter().find(|text| text.key() == key) {
                Some(text) => {
                    texts.overrides.insert((lang, text.key()), value);
                }
                None => unknown.push((lang, key)),
            }
        }
        (texts, unknown)
    }

    pub fn get(&self, lang: Lang, text: Text) -> &str {
        self.overrides.get(&(lang, text.key())).map_or_else(|| text.built_in(lang), String::as_str)
    }
}

/// The texts in force: a reload replaces them for everybody who holds this. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct LiveTexts(Arc<ArcSwap<Texts>>);

impl LiveTexts {
    pub fn new(texts: Texts) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(texts)))
    }

    /// As it is now; not to be kept.
    pub fn get(&self, lang: Lang, text: Text) -> String {
        self.0.load().get(lang, text).to_owned()
    }

    pub fn replace(&self, texts: Texts) {
        self.0.store(Arc::new(texts));
    }
}

#[cfg(test)]
mod tests {
    use super::{Lang, LiveTexts, Text, Texts};

    #[test]
    fn language_tags_map_to_what_there_is() {
        for tag in ["zh-TW", "zh-Hant", "zh_HK", "zh-hant-hk", "ZH", "zh-MO"] {
            assert_eq!(Lang::from_tag(tag), Some(Lang::ZhTw), "{tag}");
        }
        for tag in ["en", "en-GB", "EN_us"] {
            assert_eq!(Lang::from_tag(tag), Some(Lang::En), "{tag}");
        }
        for tag in ["", "de", "zh-CN", "zh-Hans", "zh-Hans-HK"] {
            assert_eq!(Lang::from_tag(tag), None, "{tag}");
        }
    }

    #[test]
    fn an_override_wins_and_an_unknown_key_is_reported() {
        let (texts, unknown) = Texts::with_overrides([
            (Lang::En, "gave_up".into(), "Later, please.".into()),
            (Lang::En, "gave_upp".into(), "?".into()),
        ]);
        assert_eq!(texts.get(Lang::En, Text::GaveUp), "Later, please.");
        assert_eq!(texts.get(Lang::ZhTw, Text::GaveUp), Text::GaveUp.built_in(Lang::ZhTw));
        assert_eq!(unknown, [(Lang::En, "gave_upp".to_owned())]);
    }

    #[test]
    fn whoever_holds_the_texts_gets_those_that_replace_them() {
        let texts = LiveTexts::default();
        let held = texts.clone();
        texts.replace(Texts::with_overrides([(Lang::En, "gave_up".into(), "Later, please.".into())]).0);
        assert_eq!(held.get(Lang::En, Text::GaveUp), "Later, please.");
    }
}
