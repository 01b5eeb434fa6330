//! `check --online`: what it says of the bot, of how it is connected, and of what to do.

use caigunn_bridge::sandbox::SandboxOptions;

use super::GUILD;
use super::platform::{BAD_GATEWAY, Fault, TOKEN};
use super::setting::Outside;
use crate::support::process::Place;

async fn outside(keys: &[(&str, &str)]) -> Outside {
    let set = |place: Place| {
        let place = place.unset("CHANNELS__WEB__");
        keys.iter().fold(place, |place, (key, value)| place.set(&format!("CHANNELS__DC__{key}"), value))
    };
    Outside::with(SandboxOptions::default(), set).await
}

/// What is said of the channel.
async fn check(outside: &Outside) -> String {
    let ran = outside.place.run(&["check", "--online"]).await;
    for text in [&ran.out, &ran.err] {
        for secret in TOKEN.split('.') {
            assert!(!text.contains(secret), "{text}");
        }
    }
    let about = ran.out.lines().take_while(|line| !line.is_empty());
    let about = about.skip_while(|line| !line.contains("channel dc")).collect::<Vec<_>>().join("\n");
    let said = format!("{about}\n{}exit code {}", ran.err, ran.code);
    let host = outside.platform.url().trim_start_matches("http://");
    said.replace(host, "[server]")
}

#[tokio::test]
async fn a_bot_that_is_well() {
    let outside = outside(&[]).await;
    insta::assert_snapshot!(check(&outside).await, @r"
    ok    channel dc: Discord accepts the token: bridge_test_bot, id 1100000000000000001
    ok    channel dc: the Message Content intent is on: it can read messages that do not mention it
    ok    channel dc: invite it with https://discord.com/oauth2/authorize?client_id=1100000000000000001&scope=bot+applications.commands&permissions=274878008320 (it is in 1 server)
    ok    channel dc: the gateway can be reached: 1 shard, 1000 of 1000 session starts left today
    exit code 0
    ");
    outside.platform.guild(GUILD + 100, "Another");
    outside.platform.recommends_shards(16, 16);
    insta::assert_snapshot!(check(&outside).await, @r"
    ok    channel dc: Discord accepts the token: bridge_test_bot, id 1100000000000000001
    ok    channel dc: the Message Content intent is on: it can read messages that do not mention it
    ok    channel dc: invite it with https://discord.com/oauth2/authorize?client_id=1100000000000000001&scope=bot+applications.commands&permissions=274878008320 (it is in 2 servers)
    ok    channel dc: the gateway can be reached: 16 shards, 1000 of 1000 session starts left today
    exit code 0
    ");
    assert_eq!(outside.platform.connections().len(), 0, "a check uses no session up");
    assert!(outside.platform.attempts("put_commands").is_empty(), "nor does it change anything");
    assert_eq!(outside.platform.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn the_message_content_intent() {
    let off = outside(&[]).await;
    off.platform.grants_message_content(false);
    insta::assert_snapshot!(check(&off).await, @r#"
    ok    channel dc: Discord accepts the token: bridge_test_bot, id 1100000000000000001
    WRONG channel dc: the Message Content intent is off: the bot hears mentions, direct messages and slash commands only
          hint: turn it on in the developer portal (page "Bot", "Message Content Intent") and restart the bridge, or set `channels.dc.message_content = false`
    ok    channel dc: invite it with https://discord.com/oauth2/authorize?client_id=1100000000000000001&scope=bot+applications.commands&permissions=274878008320 (it is in 1 server)
    ok    channel dc: the gateway can be reached: 1 shard, 1000 of 1000 session starts left today
    exit code 4
    "#);
    // Whoever does not want it does not need it.
    let unwanted = outside(&[("MESSAGE_CONTENT", "false")]).await;
    insta::assert_snapshot!(check(&unwanted).await, @r"
    ok    channel dc: Discord accepts the token: bridge_test_bot, id 1100000000000000001
    ok    channel dc: the Message Content intent is on and not used (`channels.dc.message_content = false`)
    ok    channel dc: invite it with https://discord.com/oauth2/authorize?client_id=1100000000000000001&scope=bot+applications.commands&permissions=274878008320 (it is in 1 server)
    ok    channel dc: the gateway can be reached: 1 shard, 1000 of 1000 session starts left today
    exit code 0
    ");
    unwanted.platform.grants_message_content(false);
    insta::assert_snapshot!(check(&unwanted).await, @r"
    ok    channel dc: Discord accepts the token: bridge_test_bot, id 1100000000000000001
    ok    channel dc: the Message Content intent is off: it hears mentions, direct messages and slash commands, which is all it needs
    ok    channel dc: invite it with https://discord.com/oauth2/authorize?client_id=1100000000000000001&scope=bot+applications.commands&permissions=274878008320 (it is in 1 server)
    ok    channel dc: the gateway can be reached: 1 shard, 1000 of 1000 session starts left today
    exit code 0
    ");
    // Nor does one that is only asked by name.
    for (keys, is_wrong) in [
        (&[("FOLLOW_THREADS", "false")][..], false),
        (&[("FOLLOW_THREADS", "false"), ("SERVERS", "always")], true),
        (&[("FOLLOW_THREADS", "false"), ("PATTERNS", "^bot")], true),
        (&[("FOLLOW_THREADS", "false"), ("ALWAYS_IN", "1100000000000000003")], true),
    ] {
        let outside = outside(keys).await;
        outside.platform.grants_message_content(false);
        let said = check(&outside).await;
        assert_eq!(said.contains("WRONG channel dc: the Message Content intent is off"), is_wrong, "{said}");
        assert!(said.ends_with(if is_wrong { "exit code 4" } else { "exit code 0" }), "{said}");
    }
}

#[tokio::test]
async fn the_link_asks_for_the_least() {
    let rooms = ("THREADS_IN", "1100000000000000003");
    let cases = [
        &[][..],
        &[("COMMANDS", "false")],
        &[("LINK_PREVIEWS", "true")],
        &[rooms],
        &[rooms, ("LINK_PREVIEWS", "true"), ("COMMANDS", "false")],
    ];
    let mut links = Vec::new();
    for keys in cases {
        let said = check(&outside(keys).await).await;
        let link = said.split_whitespace().find(|word| word.starts_with("https://")).unwrap().to_owned();
        links.push(link.split_once("&scope=").unwrap().1.to_owned());
    }
    let bits = |bits: &[u32]| bits.iter().map(|bit| 1_u64 << bit).sum::<u64>();
    // View channels, send, send in threads, attach files, read the history; embed links; open threads.
    let (least, embeds, threads) = (bits(&[10, 11, 38, 15, 16]), bits(&[14]), bits(&[35]));
    assert_eq!((least, least + embeds, least + threads), (274_878_008_320, 274_878_024_704, 309_237_746_688));
    insta::assert_snapshot!(links.join("\n"), @r"
    bot+applications.commands&permissions=274878008320
    bot&permissions=274878008320
    bot+applications.commands&permissions=274878024704
    bot+applications.commands&permissions=309237746688
    bot&permissions=309237763072
    ");
}

#[tokio::test]
async fn no_session_may_be_begun() {
    let outside = outside(&[("SHARDS", "2")]).await;
    insta::assert_snapshot!(check(&outside).await, @r"
    ok    channel dc: Discord accepts the token: bridge_test_bot, id 1100000000000000001
    ok    channel dc: the Message Content intent is on: it can read messages that do not mention it
    ok    channel dc: invite it with https://discord.com/oauth2/authorize?client_id=1100000000000000001&scope=bot+applications.commands&permissions=274878008320 (it is in 1 server)
    ok    channel dc: the gateway can be reached: 2 shards (Discord recommends 1), 1000 of 1000 session starts left today
    exit code 0
    ");
    outside.platform.leaves_starts(0);
    insta::assert_snapshot!(check(&outside).await, @r"
    ok    channel dc: Discord accepts the token: bridge_test_bot, id 1100000000000000001
    ok    channel dc: the Message Content intent is on: it can read messages that do not mention it
    ok    channel dc: invite it with https://discord.com/oauth2/authorize?client_id=1100000000000000001&scope=bot+applications.commands&permissions=274878008320 (it is in 1 server)
    WRONG channel dc: the gateway can be reached, but no connection may be begun within the next 240 min
          hint: something has begun too many sessions today: is the token in use elsewhere?
    exit code 4
    ");
}

#[tokio::test]
async fn a_token_that_is_refused_and_a_server_that_is_not_there() {
    let outside = outside(&[]).await;
    outside.platform.set_token("MTEwMDAwMDAwMDAwMDAwMDAwMQ.GfAkE_.another-token-0123456789");
    insta::assert_snapshot!(check(&outside).await, @r#"
    WRONG channel dc: Discord refuses the token (401)
          hint: set `channels.dc.token` to the token from the developer portal (page "Bot", "Reset Token" makes a new one)
    exit code 4
    "#);
    outside.platform.set_token(TOKEN);
    outside.platform.fails("me", None, Fault::Answer(502, BAD_GATEWAY), 1);
    insta::assert_snapshot!(check(&outside).await, @r"
    WRONG channel dc: Discord's API at [server]: answered with 502: not what Discord writes (no JSON)
          hint: can this machine reach it (`api_url`)? Is a proxy needed (`proxy`)?
    exit code 4
    ");
    outside.platform.fails("application", None, Fault::Hang, 1);
    outside.platform.fails("gateway_bot", None, Fault::RetryAfter(30.0), 1);
    insta::assert_snapshot!(check(&outside).await, @r"
    ok    channel dc: Discord accepts the token: bridge_test_bot, id 1100000000000000001
    WRONG channel dc: Discord's API at [server]: no answer in time
          hint: can this machine reach it (`api_url`)? Is a proxy needed (`proxy`)?
    WRONG channel dc: Discord's API at [server]: rate limited for 30s (this route)
          hint: Discord wants to be left alone for so long: look again then
    exit code 4
    ");
    let absent = Outside { place: outside.place.set("CHANNELS__DC__API_URL", "http://127.0.0.1:9"), ..outside };
    insta::assert_snapshot!(check(&absent).await, @r"
    WRONG channel dc: Discord's API at 127.0.0.1:9: cannot connect: Connection refused (os error 111)
          hint: can this machine reach it (`api_url`)? Is a proxy needed (`proxy`)?
    exit code 4
    ");
}
