//! The mistakes that one makes in the section of a Telegram channel: each names its key, its line, and what to do.

use caigunn_bridge::app::App;
use caigunn_bridge::config::{Loaded, Sources};

use super::platform::TOKEN;

/// A good configuration up to line 8; the rest of the channel's section begins in line 9.
const BEGIN: &str = r#"[accounts.main]
access_token = "a"
[bots.main]
account = "main"
api_key = "k"
[channels.tg]
kind = "telegram"
bot = "main"
"#;

fn load(rest: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    std::fs::write(&file, format!("{BEGIN}{rest}\n")).unwrap();
    App::builder().load(&Sources { file: Some(file), ..Sources::default() }).unwrap()
}

/// What is said of a section, one mistake a line.
fn said(rest: &str) -> String {
    let loaded = load(rest);
    let mistakes = loaded.broken.get("tg").map(|mistakes| mistakes.0.clone()).unwrap_or_default();
    let lines = mistakes.into_iter().map(|mistake| {
        let line = mistake.origin.to_string().rsplit("bridge.toml").next().unwrap_or_default().to_owned();
        format!("{line} {} {} | {}", mistake.key, mistake.reason, mistake.hint.unwrap_or_default())
    });
    lines.collect::<Vec<_>>().join("\n").replace(TOKEN, "[the token]")
}

/// The same of several sections, each below what it says.
fn all_said(common: &str, sections: &[&str]) -> String {
    let said = sections
        .iter()
        .map(|rest| format!("{}\n{}\n", rest.replace(TOKEN, "[the token]"), said(&format!("{common}{rest}"))));
    said.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_token() {
    let with_words = format!("token = \"Use this token: {TOKEN}\"");
    let sections = ["", "token = \"12345678 AAbb\"", &with_words, "token_file = \"/run/secrets/nothing-here\""];
    insta::assert_snapshot!(all_said("", &sections));
}

#[test]
fn the_webhook() {
    let common = format!("token = \"{TOKEN}\"\nreceive = \"webhook\"\n");
    insta::assert_snapshot!(all_said(
        &common,
        &[
            "",
            "webhook_url = \"http://bot.example.com\"",
            "webhook_url = \"https://bot.example.com:8081\"",
            "webhook_url = \"https://bot.example.com/telegram\"",
            "webhook_url = \"bot.example.com\"",
        ]
    ));
    let good = [
        "webhook_url = \"https://bot.example.com/\"",
        "api_url = \"http://127.0.0.1:8081/\"\nwebhook_url = \"http://10.0.0.2:8080\"",
    ];
    assert_eq!(good.map(|rest| said(&format!("{common}{rest}"))), ["", ""], "a slash too many; a server of one's own");
}

#[test]
fn the_rest() {
    insta::assert_snapshot!(all_said(
        &format!("token = \"{TOKEN}\"\n"),
        &[
            "always_in = -1001",
            "always_in = [-1001, \"@mygroup\", 1001]",
            "patterns = [\"(a\", \"ok\", \"[\"]",
            "api_url = \"telegram\"\nproxy = \"http://a b\"",
            "group = \"always\"\ngroups = \"allways\"\npoll_timeout = 30\nmax_messages = 0",
        ]
    ));
}

#[test]
fn names_in_place_of_ids_are_warned_of() {
    let loaded = load(&format!("token = \"{TOKEN}\"\n[channels.tg.access]\nallow_users = [7, \"@ann\"]"));
    assert!(loaded.broken.is_empty());
    let warned: Vec<String> =
        loaded.warnings.iter().map(|warning| format!("{} {}", warning.key, warning.reason)).collect();
    let wanted = "channels.tg.access.allow_users lists \"@ann\", which looks like no id";
    assert!(warned.iter().any(|warning| warning == wanted), "{warned:?}");
}

#[test]
fn the_environment_is_enough() {
    let pairs = [
        ("ACCOUNTS__MAIN__ACCESS_TOKEN", "a"),
        ("BOTS__MAIN__ACCOUNT", "main"),
        ("BOTS__MAIN__API_KEY", "k"),
        ("CHANNELS__TELEGRAM__KIND", "telegram"),
        ("CHANNELS__TELEGRAM__BOT", "main"),
        ("CHANNELS__TELEGRAM__TOKEN", TOKEN),
        ("CHANNELS__TELEGRAM__ALWAYS_IN", "-1001,-1002"),
    ];
    let env = pairs.map(|(key, value)| (format!("CAIGUNN_BRIDGE__{key}").into(), value.into()));
    let loaded = App::builder().load(&Sources { env: env.into(), ..Sources::default() }).unwrap();
    assert!(loaded.broken.is_empty(), "{:?}", loaded.broken);
    assert!(loaded.config.channels.contains_key("telegram"));
}
