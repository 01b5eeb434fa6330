//! What the bot says. The same words in the same turn get the same answer.

use std::fmt::Write as _;

/// The most characters of a `long` answer.
const MAX_LONG: usize = 1_000_000;

const HELP: &str = "I am the CaiGunn sandbox: I stand in for a real chatbot, and I tell you what I received.\n\
    Try: a picture (I name its size and colours), \"long 5000\" (an answer of 5000 characters), \"empty\" (no answer), \
    \"what is this?\".";
const HELP_ZH: &str = "我是 CaiGunn 沙盒：我代替真正的聊天機器人，並告訴你我收到了什麼。\n\
    試試看：傳一張圖片（我會說出尺寸和顏色）、「long 5000」（5000 字的回覆）、「empty」（沒有回覆）、「這是什麼？」。";
const ABOUT: &str = "This is caigunn-bridge: it brings your message to a CaiGunn chatbot and the answer back to you, and it \
    loses nothing on the way. Right now a sandbox answers; with a CaiGunn account your own chatbot does.";
const ABOUT_ZH: &str = "這是 caigunn-bridge：它把你的訊息送到 CaiGunn 聊天機器人，再把回覆帶回來，途中不會遺失任何訊息。\
    現在由沙盒回答；有了 CaiGunn 帳號，就由你自己的聊天機器人回答。";
const WHO: &str = "I am a sandbox chatbot, behind caigunn-bridge. I am no model: I only repeat and count.";
const WHO_ZH: &str = "我是 caigunn-bridge 背後的沙盒聊天機器人。我不是模型，只會複述和計數。";
const HELLO: &str = "Hello! I am the sandbox chatbot. Say \"help\" to see what I can do.";
const HELLO_ZH: &str = "你好！我是沙盒聊天機器人。輸入「幫助」看看我會什麼。";

/// The answer to a text, as the `turn`th of its conversation.
pub(super) fn to_text(turn: u64, text: &str) -> String {
    let asked = text.trim().trim_end_matches(['?', '!', '.', '？', '！', '。']).to_lowercase();
    let known = match asked.as_str() {
        "help" | "/help" => HELP,
        "幫助" | "說明" | "求助" => HELP_ZH,
        "what is this" | "what's this" | "about" => ABOUT,
        "這是什麼" | "這是甚麼" | "這是什麼東西" => ABOUT_ZH,
        "who are you" => WHO,
        "你是誰" => WHO_ZH,
        "hi bot" | "hello bot" => HELLO,
        "你好" | "哈囉" | "嗨" => HELLO_ZH,
        "empty" => "",
        _ => return long(&asked).unwrap_or_else(|| format!("Turn {turn}: you said \"{text}\"")),
    };
    known.to_owned()
}

/// The answer to a picture.
pub(super) fn to_picture(turn: u64, picture: &str, caption: &str) -> String {
    let mut answer = format!("Turn {turn}: you sent {picture}");
    if !caption.is_empty() {
        let _ = write!(answer, " and wrote \"{caption}\"");
    }
    answer
}

/// `long 5000`: exactly so many characters, in numbered lines, so that a lost or doubled one is seen.
fn long(asked: &str) -> Option<String> {
    let length = asked.strip_prefix("long ")?.trim().parse::<usize>().ok()?.min(MAX_LONG);
    let mut answer = String::with_capacity(length + 80);
    let mut line = 1;
    while answer.len() < length {
        let _ = writeln!(answer, "{line}. The quick brown fox jumps over the lazy dog.");
        line += 1;
    }
    // All of it is ASCII: bytes are characters.
    answer.truncate(length);
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_tell_what_was_received() {
        assert_eq!(to_text(3, "hello"), "Turn 3: you said \"hello\"");
        assert_eq!(to_text(1, "empty"), "");
        assert_eq!(to_text(1, "Help!"), HELP);
        assert_eq!(to_text(1, "這是什麼？"), ABOUT_ZH);
        assert_eq!(to_picture(2, "a PNG", ""), "Turn 2: you sent a PNG");
        assert_eq!(to_picture(2, "a PNG", "cat"), "Turn 2: you sent a PNG and wrote \"cat\"");
    }

    #[test]
    fn long_answers_have_exactly_the_length_asked_for() {
        for length in [0, 1, 79, 5_000] {
            assert_eq!(to_text(1, &format!("long {length}")).chars().count(), length);
        }
        assert!(to_text(1, "long 200").contains("\n2. The"));
        assert_eq!(to_text(1, "long story"), "Turn 1: you said \"long story\"");
    }
}
