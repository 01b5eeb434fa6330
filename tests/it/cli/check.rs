//! `check`.

use std::time::Duration;

use caigunn_bridge::sandbox::{Fault, Scripted};
use serde_json::{Value, json};

use super::{place, redacted};
use crate::support::process::Place;
use crate::support::{KEY, until};

/// What `check` said, with the exit code, and without what differs from run to run.
async fn check(place: &Place, args: &[&str]) -> String {
    let args: Vec<&str> = ["check"].iter().chain(args).copied().collect();
    let ran = place.run(&args).await;
    let lines = ran.out.lines().map(|line| match line.split_once("one commit takes ") {
        Some((before, _)) => format!("{before}one commit takes [time]"),
        None => line.to_owned(),
    });
    let said = lines.collect::<Vec<_>>().join("\n");
    redacted(place, &format!("{said}\n{}exit code {}", ran.err, ran.code))
}

#[tokio::test]
async fn a_good_configuration() {
    let place = place().await;
    insta::assert_snapshot!(check(&place, &[]).await, @r"
    ok    configuration from the environment alone: 1 account, 1 bot, 1 channel
    ok    store [folder]/bridge.db: will be made in [folder]
    exit code 0
    ");
    assert!(!place.store().exists(), "a check makes no store");
    let (_daemon, _) = place.start().await;
    insta::assert_snapshot!(check(&place, &[]).await, @r"
    ok    configuration from the environment alone: 1 account, 1 bot, 1 channel
    ok    store [folder]/bridge.db: one commit takes [time]
    exit code 0
    ");
    insta::assert_snapshot!(check(&place, &["--online"]).await, @r"
    ok    configuration from the environment alone: 1 account, 1 bot, 1 channel
    ok    store [folder]/bridge.db: one commit takes [time]
    ok    bot main: CaiGunn accepts its key and token
    ok    channel web: answers at /v1/messages for 2 API key(s)
    exit code 0
    ");
}

#[tokio::test]
async fn mistakes() {
    let whole = place().await.set("SERVER__LISTEN", "nowhere").set("SERVER__LISTNE", "x");
    insta::assert_snapshot!(check(&whole, &[]).await);
    // A channel's own mistakes do not hide what else there is to say.
    let channel = place().await.set("CHANNELS__WEB__KEYS__SHOP__KEY", "short").set("CHANNELS__WEB__WIAT", "5s");
    insta::assert_snapshot!(check(&channel, &[]).await, @r"
    ok    configuration from the environment alone: 1 account, 1 bot, 1 channel
    ok    store [folder]/bridge.db: will be made in [folder]
    1 mistake in the environment:

      env CAIGUNN_BRIDGE__CHANNELS__WEB__WIAT  channels.web.wiat
              is not a known key
              hint: did you mean `wait`?
    exit code 2
    ");
    let nothing = place().await.unset("CHANNELS__");
    insta::assert_snapshot!(check(&nothing, &[]).await, @r"
    WRONG configuration from the environment alone: 1 account, 1 bot, 0 channels
          hint: add a `[channels.<id>]` section; `caigunn-bridge config example` prints one
    ok    store [folder]/bridge.db: will be made in [folder]
    exit code 4
    ");
}

#[tokio::test]
async fn what_a_channel_left_undone_is_named() {
    let place = place().await;
    place.sandbox.push_fault(Scripted::from(Fault::Hang).times(0));
    let (daemon, addr) = place.start().await;
    for n in 0..3 {
        let message = place.client.post(format!("http://{addr}/v1/messages")).bearer_auth(KEY);
        let message =
            message.header("Prefer", "respond-async").json(&json!({ "user": format!("user{n}"), "text": "hello" }));
        assert_eq!(message.send().await.unwrap().status(), 202);
    }
    daemon.kill();
    let place = place.unset("CHANNELS__WEB__");
    let place = place
        .set("CHANNELS__SHOP__KIND", "http")
        .set("CHANNELS__SHOP__BOT", "main")
        .set("CHANNELS__SHOP__KEYS__A__KEY", KEY);
    insta::assert_snapshot!(check(&place, &[]).await, @r"
    ok    configuration from the environment alone: 1 account, 1 bot, 1 channel
    ok    store [folder]/bridge.db: one commit takes [time]
    WRONG channel web left the configuration with 3 messages undone; they are kept
          hint: put `[channels.web]` back, or drop what `messages list --channel web` lists
    exit code 4
    ");
    let (_daemon, _) = place.start().await;
    until("the log says so", async || place.log().contains("its work is kept and not done")).await;
    let listed = place.run(&["messages", "list", "--channel", "web"]).await;
    assert_eq!(listed.out.lines().count(), 4, "{}", listed.out);
}

#[tokio::test]
async fn every_connection_is_tried() {
    let place = place().await.set("ACCOUNTS__MAIN__CONNECT_TIMEOUT", "2s");
    insta::assert_snapshot!(check(&place, &["--online"]).await, @r"
    ok    configuration from the environment alone: 1 account, 1 bot, 1 channel
    ok    store [folder]/bridge.db: will be made in [folder]
    ok    bot main: CaiGunn accepts its key and token
    ok    channel web: answers at /v1/messages for 2 API key(s)
    exit code 0
    ");
    place.sandbox.revoke_key("demo");
    insta::assert_snapshot!(check(&place, &["--online"]).await, @r"
    ok    configuration from the environment alone: 1 account, 1 bot, 1 channel
    ok    store [folder]/bridge.db: will be made in [folder]
    WRONG bot main: uids: HTTP 403 from [sandbox] (API key refused): The api key is not valid.
          hint: set a valid `bots.<name>.api_key` and `accounts.<name>.access_token`
    ok    channel web: answers at /v1/messages for 2 API key(s)
    exit code 4
    ");
    place.sandbox.restore_key("demo");
    place.sandbox.expire_token();
    place.sandbox.refuse_refresh(true);
    insta::assert_snapshot!(check(&place, &["--online"]).await, @r"
    ok    configuration from the environment alone: 1 account, 1 bot, 1 channel
    ok    store [folder]/bridge.db: will be made in [folder]
    WRONG bot main: uids: HTTP 401 from [sandbox] (access token refused): The access token cannot be refreshed.
          hint: set a valid `bots.<name>.api_key` and `accounts.<name>.access_token`
    ok    channel web: answers at /v1/messages for 2 API key(s)
    exit code 4
    ");
    assert_eq!(place.sandbox.log().iter().filter(|call| call.processed).count(), 0, "nobody was talked to");

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = place.set("ACCOUNTS__MAIN__BASE_URL", &format!("http://{closed}"));
    insta::assert_snapshot!(check(&place, &["--online"]).await.replace(&closed.to_string(), "[closed]"), @r"
    ok    configuration from the environment alone: 1 account, 1 bot, 1 channel
    ok    store [folder]/bridge.db: will be made in [folder]
    WRONG bot main: uids: cannot connect to [closed]: Connection refused (os error 111)
          hint: is `accounts.<name>.base_url` right, and can this machine reach it?
    ok    channel web: answers at /v1/messages for 2 API key(s)
    exit code 4
    ");
}

#[tokio::test]
async fn as_json() {
    let place = place().await;
    let ran = tokio::time::timeout(Duration::from_secs(30), place.run(&["check", "--online", "--json"])).await.unwrap();
    let lines: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 2 && lines.iter().all(|line| line["ok"] == true), "{}", ran.out);
}
