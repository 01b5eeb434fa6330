//! `check --online`: what it says of the bot, of who else has it, and of what to do.

use caigunn_bridge::sandbox::SandboxOptions;

use super::platform::{BAD_GATEWAY, Fault, TOKEN};
use super::setting::Outside;
use crate::support::process::Place;

async fn outside(keys: &[(&str, &str)]) -> Outside {
    let set = |place: Place| {
        let place = place.unset("CHANNELS__WEB__");
        keys.iter().fold(place, |place, (key, value)| place.set(&format!("CHANNELS__TG__{key}"), value))
    };
    Outside::with(SandboxOptions::default(), set).await
}

/// What is said of the channel.
async fn check(outside: &Outside) -> String {
    let ran = outside.place.run(&["check", "--online"]).await;
    let secret = TOKEN.split_once(':').unwrap().1;
    for text in [&ran.out, &ran.err] {
        assert!(!text.contains(secret), "{text}");
    }
    let about = ran.out.lines().take_while(|line| !line.is_empty());
    let about = about.skip_while(|line| !line.contains("channel tg")).collect::<Vec<_>>().join("\n");
    let said = format!("{about}\n{}exit code {}", ran.err, ran.code);
    let host = outside.platform.url().trim_start_matches("http://");
    said.replace(host, "[server]")
}

#[tokio::test]
async fn a_bot_that_is_well() {
    let outside = outside(&[]).await;
    insta::assert_snapshot!(check(&outside).await, @r"
    ok    channel tg: Telegram accepts the token: @bridge_test_bot (Bridge), id 123456789
    ok    channel tg: privacy mode is on: in groups it sees mentions, replies and commands, which is all it needs
    ok    channel tg: no webhook is set: the bridge polls
    exit code 0
    ");
    outside.platform.reads_all(true);
    insta::assert_snapshot!(check(&outside).await, @r"
    ok    channel tg: Telegram accepts the token: @bridge_test_bot (Bridge), id 123456789
    ok    channel tg: privacy mode is off: in groups it sees every message
    ok    channel tg: no webhook is set: the bridge polls
    exit code 0
    ");
    assert!(outside.platform.polls().is_empty(), "a check takes nobody's messages");
    assert_eq!(outside.platform.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn privacy_mode_that_hides_what_is_wanted() {
    for keys in [("GROUPS", "always"), ("PATTERNS", "^bot"), ("ALWAYS_IN", "-100123")] {
        let outside = outside(&[keys]).await;
        let said = check(&outside).await;
        assert!(said.contains("WRONG channel tg: privacy mode is on") && said.contains("/setprivacy"), "{said}");
        outside.platform.reads_all(true);
        let said = check(&outside).await;
        assert!(said.contains("privacy mode is off") && said.ends_with("exit code 0"), "{said}");
    }
    insta::assert_snapshot!(check(&outside(&[("GROUPS", "always")]).await).await, @r"
    ok    channel tg: Telegram accepts the token: @bridge_test_bot (Bridge), id 123456789
    WRONG channel tg: privacy mode is on: in groups Telegram shows the bot only mentions, replies and commands
          hint: turn it off with @BotFather (/setprivacy) and add the bot to the group again, or make it an administrator there
    ok    channel tg: no webhook is set: the bridge polls
    exit code 4
    ");
}

#[tokio::test]
async fn a_webhook_elsewhere() {
    let polling = outside(&[]).await;
    polling.platform.sets_webhook("https://other.example.org/hook/secret-path");
    insta::assert_snapshot!(check(&polling).await, @r"
    ok    channel tg: Telegram accepts the token: @bridge_test_bot (Bridge), id 123456789
    ok    channel tg: privacy mode is on: in groups it sees mentions, replies and commands, which is all it needs
    WRONG channel tg: a webhook at other.example.org receives this bot's messages
          hint: if another program is there, stop it and set `channels.tg.take_over = true`, or give the bridge a bot of its own; if it is the bridge's own from earlier, the bridge replaces it when it runs
    exit code 4
    ");
    let taking = outside(&[("TAKE_OVER", "true")]).await;
    taking.platform.sets_webhook("https://other.example.org/hook/secret-path");
    insta::assert_snapshot!(check(&taking).await, @r"
    ok    channel tg: Telegram accepts the token: @bridge_test_bot (Bridge), id 123456789
    ok    channel tg: privacy mode is on: in groups it sees mentions, replies and commands, which is all it needs
    ok    channel tg: a webhook at other.example.org is set: the bridge takes the bot over when it runs (`take_over`)
    exit code 0
    ");
}

#[tokio::test]
async fn a_webhook_of_its_own() {
    let hook = outside(&[("RECEIVE", "webhook"), ("WEBHOOK_URL", "https://bot.example.com")]).await;
    insta::assert_snapshot!(check(&hook).await, @r"
    ok    channel tg: Telegram accepts the token: @bridge_test_bot (Bridge), id 123456789
    ok    channel tg: privacy mode is on: in groups it sees mentions, replies and commands, which is all it needs
    ok    channel tg: no webhook is set yet: the bridge sets it when it runs
    exit code 0
    ");
    let daemon = hook.start().await;
    crate::support::until("the webhook is set", async || hook.platform.webhook().is_some()).await;
    insta::assert_snapshot!(check(&hook).await, @r"
    ok    channel tg: Telegram accepts the token: @bridge_test_bot (Bridge), id 123456789
    ok    channel tg: privacy mode is on: in groups it sees mentions, replies and commands, which is all it needs
    ok    channel tg: its webhook is set, nothing waits
    exit code 0
    ");
    // Nobody is there: what Telegram says of its deliveries is passed on.
    hook.platform.says(7, 7, "hello");
    crate::support::until("a delivery has failed", async || !hook.platform.deliveries().is_empty()).await;
    insta::assert_snapshot!(check(&hook).await, @r"
    ok    channel tg: Telegram accepts the token: @bridge_test_bot (Bridge), id 123456789
    ok    channel tg: privacy mode is on: in groups it sees mentions, replies and commands, which is all it needs
    ok    channel tg: its webhook is set, 1 update waits
    WRONG channel tg: Telegram could not deliver to the webhook: Failed to resolve host (1 update waits)
          hint: does the bridge run, and can Telegram reach it at `webhook_url` from the internet?
    exit code 4
    ");
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
    // Back to polling, before the bridge has run again: its own webhook is no stranger's.
    let back = Outside { place: hook.place.set("CHANNELS__TG__RECEIVE", "polling"), platform: hook.platform };
    insta::assert_snapshot!(check(&back).await, @r"
    ok    channel tg: Telegram accepts the token: @bridge_test_bot (Bridge), id 123456789
    ok    channel tg: privacy mode is on: in groups it sees mentions, replies and commands, which is all it needs
    ok    channel tg: its own webhook is still set: the bridge takes it away when it runs, and polls
    exit code 0
    ");
}

#[tokio::test]
async fn a_token_that_is_refused_and_a_server_that_is_not_there() {
    let outside = outside(&[]).await;
    outside.platform.set_token("123456789:AAAnotherTokenOfTheTests_0123456789");
    insta::assert_snapshot!(check(&outside).await, @r"
    WRONG channel tg: Telegram refuses the token: Unauthorized (401)
          hint: set `channels.tg.token` to the token from @BotFather (/token shows it)
    exit code 4
    ");
    outside.platform.set_token(TOKEN);
    outside.platform.fails("getMe", None, Fault::Answer(502, BAD_GATEWAY), 1);
    insta::assert_snapshot!(check(&outside).await, @r"
    WRONG channel tg: the Bot API server [server]: answered with 502: not what the Bot API writes (no JSON)
          hint: can this machine reach it (`api_url`)? Is a proxy needed (`proxy`)?
    exit code 4
    ");
    outside.platform.fails("getMe", None, Fault::Hang, 1);
    insta::assert_snapshot!(check(&outside).await, @r"
    WRONG channel tg: the Bot API server [server]: no answer in time
          hint: can this machine reach it (`api_url`)? Is a proxy needed (`proxy`)?
    exit code 4
    ");
    let absent = Outside { place: outside.place.set("CHANNELS__TG__API_URL", "http://127.0.0.1:9"), ..outside };
    insta::assert_snapshot!(check(&absent).await, @r"
    WRONG channel tg: the Bot API server 127.0.0.1:9: cannot connect: Connection refused (os error 111)
          hint: can this machine reach it (`api_url`)? Is a proxy needed (`proxy`)?
    exit code 4
    ");
}
