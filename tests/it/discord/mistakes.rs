//! The mistakes that one makes in the section of a Discord channel: each names its key, its line, and what to do.

use caigunn_bridge::app::App;
use caigunn_bridge::config::{Loaded, Sources};

use super::platform::TOKEN;

/// A good configuration up to line 8; the rest of the channel's section begins in line 9.
const BEGIN: &str = r#"[accounts.main]
access_token = "a"
[bots.main]
account = "main"
api_key = "k"
[channels.dc]
kind = "discord"
bot = "main"
"#;

fn load(rest: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    std::fs::write(&file, format!("{BEGIN}{rest}\n")).unwrap();
    App::builder().load(&Sources { file: Some(file), ..Sources::default() }).unwrap()
}

/// What is said of a channel's section, one mistake a line.
fn said_of(channel: &str, rest: &str) -> String {
    let loaded = load(rest);
    let mistakes = loaded.broken.get(channel).map(|mistakes| mistakes.0.clone()).unwrap_or_default();
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
        .map(|rest| format!("{}\n{}\n", rest.replace(TOKEN, "[the token]"), said_of("dc", &format!("{common}{rest}"))));
    said.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_token() {
    let (two, words) = (TOKEN.rsplit_once('.').unwrap().0, format!("token = \"Bot {TOKEN}\""));
    let half = format!("token = \"{two}\"");
    insta::assert_snapshot!(all_said(
        "",
        &[
            "",
            &words,
            &half,
            // A client secret, a public key, an application's id.
            "token = \"8Hqk2vLtYw0xPz3RcN6mBf1sJd5gKa7e\"",
            "token = \"1e0a356058d627ca38a5c8c9648818061d49e49bd9da9e3ab17d98ad4d6bf2d8\"",
            "token = \"1100000000000000001\"",
            "token_file = \"/run/secrets/nothing-here\"",
        ]
    ));
}

#[test]
fn ids_patterns_and_addresses() {
    insta::assert_snapshot!(all_said(
        &format!("token = \"{TOKEN}\"\n"),
        &[
            "always_in = 1100000000000000001",
            "always_in = [1100000000000000001, \"#general\", 12]\nthreads_in = [\"https://discord.com/channels/1/2\"]",
            "commands_in = [\"My Server\"]",
            "patterns = [\"(a\", \"ok\", \"[\"]",
            "api_url = \"discord\"\ncdn_url = \"ftp://cdn\"",
            "api_url = \"https://discord.com/?x\"",
            "proxy = \"http://a b\"",
        ]
    ));
    let good =
        "always_in = [\"1100000000000000001\"]\napi_url = \"https://discord.com/\"\nproxy = \"http://proxy:3128\"";
    assert_eq!(said_of("dc", &format!("token = \"{TOKEN}\"\n{good}")), "", "a slash too many");
}

#[test]
fn the_rest() {
    insta::assert_snapshot!(all_said(
        &format!("token = \"{TOKEN}\"\n"),
        &[
            "guild = 1\nserver = \"always\"\nservers = \"allways\"",
            "private = [\"ask\", \"weather\"]\nlate_edits = \"answer\"\nreplies = true",
            "max_messages = 0\nshards = 0\ncatch_up = \"1y\"\ncatch_up_messages = 20000",
            "timeout = \"10ms\"",
        ]
    ));
}

#[test]
fn two_channels_of_one_bot() {
    // Its token was reset: the old one is the same bot's.
    let old = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.GfAkE_.an-older-token-0123456789abcdefghij";
    let second = format!("token = \"{TOKEN}\"\n[channels.dd]\nkind = \"discord\"\nbot = \"main\"\ntoken = \"{old}\"");
    assert_eq!(said_of("dc", &second), "", "the first one works");
    insta::assert_snapshot!(said_of("dd", &second), @r":13 channels.dd.token belongs to the bot of `channels.dc` | its messages reach one channel only: remove this one, or give it a bot of its own");
    let off = format!("{second}\nenabled = false");
    assert_eq!(said_of("dd", &off), "");
    let another = second.replace("MTEwMDAwMDAwMDAwMDAwMDAwMQ.GfAkE_.an", "MTEwMDAwMDAwMDAwMDAwMDAwMg.GfAkE_.an");
    assert_eq!(said_of("dd", &another), "", "another bot");
}

#[test]
fn names_in_place_of_ids_are_warned_of() {
    let access = "[channels.dc.access]\nallow_users = [80351110224678912, \"@ann\"]\nallow_roles = [\"Moderators\"]";
    let loaded = load(&format!("token = \"{TOKEN}\"\n{access}"));
    assert!(loaded.broken.is_empty());
    let warned = loaded.warnings.iter().map(|warning| format!("{} {}", warning.key, warning.reason));
    insta::assert_snapshot!(warned.collect::<Vec<_>>().join("\n"), @r#"
    accounts.main.access_token is written out in a file that everyone on this machine can read
    channels.dc.access.allow_users lists "@ann", which looks like no id
    "#);
}

#[test]
fn the_environment_is_enough() {
    let pairs = [
        ("ACCOUNTS__MAIN__ACCESS_TOKEN", "a"),
        ("BOTS__MAIN__ACCOUNT", "main"),
        ("BOTS__MAIN__API_KEY", "k"),
        ("CHANNELS__DISCORD__KIND", "discord"),
        ("CHANNELS__DISCORD__BOT", "main"),
        ("CHANNELS__DISCORD__TOKEN", TOKEN),
        ("CHANNELS__DISCORD__ALWAYS_IN", "1100000000000000001,1100000000000000002"),
        ("CHANNELS__DISCORD__PRIVATE", "ask,help"),
    ];
    let env = pairs.map(|(key, value)| (format!("CAIGUNN_BRIDGE__{key}").into(), value.into()));
    let loaded = App::builder().load(&Sources { env: env.into(), ..Sources::default() }).unwrap();
    assert!(loaded.broken.is_empty(), "{:?}", loaded.broken);
    assert!(loaded.config.channels.contains_key("discord"));
}
