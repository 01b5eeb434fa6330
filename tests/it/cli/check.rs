//! `check`.

use std::process::Command;
use std::time::Duration;

use caigunn_bridge::sandbox::{Fault, Scripted};
use serde_json::{Value, json};

use super::redacted;
use crate::support::process::{Place, Ran, ran};
use crate::support::{KEY, until};

/// A place with so few connections that no machine has too few files for them.
pub(super) async fn place() -> Place {
    super::place().await.set("SERVER__MAX_CONNECTIONS", "100")
}

/// What `check` said, with the exit code, and without what differs from run to run.
pub(super) async fn check(place: &Place, args: &[&str]) -> String {
    check_with(place, args, |_| {}).await
}

/// The same with something else in its environment.
pub(super) async fn check_with(place: &Place, args: &[&str], change: impl Fn(&mut Command)) -> String {
    let args: Vec<&str> = ["check"].iter().chain(args).copied().collect();
    let run = async || {
        let mut command = place.command(&args);
        change(&mut command);
        ran(command).await
    };
    let mut said = run().await;
    // How fast the disk is just now is another test's matter.
    until("the disk is quick", async || {
        let is_slow = said.out.contains("which is slow");
        if is_slow {
            said = run().await;
        }
        !is_slow
    })
    .await;
    told(place, &said)
}

fn told(place: &Place, said: &Ran) -> String {
    let lines = said.out.lines().map(|line| match line.split_once(" takes ") {
        Some((before, _)) => format!("{before} takes [time]"),
        None => line.to_owned(),
    });
    let lines = lines.collect::<Vec<_>>().join("\n");
    redacted(place, &format!("{lines}\n{}exit code {}", said.err, said.code))
}

#[tokio::test]
async fn a_good_configuration() {
    let place = place().await;
    insta::assert_snapshot!(check(&place, &[]).await, @r"
    ok    configuration from the environment alone: 1 account, 1 bot, 1 channel
    ok    secrets: none is in a file that everyone on this machine can read
    ok    limits: enough files may be open for 100 connections
    ok    store [folder]/bridge.db: will be made in [folder]: one write to the disk takes [time]
    ok    listen 127.0.0.1:0: any free port will be taken

    all good (--online tries every connection, too)
    exit code 0
    ");
    assert!(!place.store().exists(), "a check makes no store");
    let (_daemon, _) = place.start().await;
    insta::assert_snapshot!(check(&place, &[]).await, @r"
    ok    configuration from the environment alone: 1 account, 1 bot, 1 channel
    ok    secrets: none is in a file that everyone on this machine can read
    ok    limits: enough files may be open for 100 connections
    ok    store [folder]/bridge.db: one commit takes [time]
    ok    listen 127.0.0.1:0: any free port will be taken

    all good (--online tries every connection, too)
    exit code 0
    ");
    insta::assert_snapshot!(check(&place, &["--online"]).await, @r"
    ok    configuration from the environment alone: 1 account, 1 bot, 1 channel
    ok    secrets: none is in a file that everyone on this machine can read
    ok    limits: enough files may be open for 100 connections
    ok    store [folder]/bridge.db: one commit takes [time]
    ok    listen 127.0.0.1:0: any free port will be taken
    ok    clock: agrees with CaiGunn's
    ok    bot main: CaiGunn accepts its key and token
    ok    channel web: answers at /v1/messages for 2 API keys

    all good
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
    ok    secrets: none is in a file that everyone on this machine can read
    ok    limits: enough files may be open for 100 connections
    ok    store [folder]/bridge.db: will be made in [folder]: one write to the disk takes [time]
    ok    listen 127.0.0.1:0: any free port will be taken

    1 wrong
    1 mistake in the environment:

      env CAIGUNN_BRIDGE__CHANNELS__WEB__WIAT  channels.web.wiat
              is not a known key
              hint: did you mean `wait`?
    exit code 2
    ");
    let nothing = place().await.unset("CHANNELS__");
    insta::assert_snapshot!(check(&nothing, &[]).await, @r"
    WRONG configuration from the environment alone: 1 account, 1 bot, 0 channels
          hint: `caigunn-bridge init` writes a configuration; in one of your own add a `[channels.<id>]` section
    ok    secrets: none is in a file that everyone on this machine can read
    ok    limits: enough files may be open for 100 connections
    ok    store [folder]/bridge.db: will be made in [folder]: one write to the disk takes [time]
    ok    listen 127.0.0.1:0: any free port will be taken

    1 wrong
    exit code 4
    ");
}

#[tokio::test]
async fn two_channels_under_one_path_are_a_mistake() {
    let place = place().await;
    let place = place
        .set("CHANNELS__XTRA__KIND", "http")
        .set("CHANNELS__XTRA__BOT", "main")
        .set("CHANNELS__XTRA__KEYS__A__KEY", "another-key-0123456789");
    let said = check(&place, &[]).await;
    for part in
        ["channels.xtra.path", "is that of `channels.web`", "hint: give this one a `path` of its own", "exit code 2"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
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
    ok    secrets: none is in a file that everyone on this machine can read
    ok    limits: enough files may be open for 100 connections
    ok    store [folder]/bridge.db: one commit takes [time]
    WRONG channel web left the configuration with 3 messages undone; they are kept
          hint: put `[channels.web]` back, or drop what `messages list --channel web` lists
    ok    listen 127.0.0.1:0: any free port will be taken

    1 wrong
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
    ok    secrets: none is in a file that everyone on this machine can read
    ok    limits: enough files may be open for 100 connections
    ok    store [folder]/bridge.db: will be made in [folder]: one write to the disk takes [time]
    ok    listen 127.0.0.1:0: any free port will be taken
    ok    clock: agrees with CaiGunn's
    ok    bot main: CaiGunn accepts its key and token
    ok    channel web: answers at /v1/messages for 2 API keys

    all good
    exit code 0
    ");
    place.sandbox.revoke_key("demo");
    insta::assert_snapshot!(check(&place, &["--online"]).await, @r"
    ok    configuration from the environment alone: 1 account, 1 bot, 1 channel
    ok    secrets: none is in a file that everyone on this machine can read
    ok    limits: enough files may be open for 100 connections
    ok    store [folder]/bridge.db: will be made in [folder]: one write to the disk takes [time]
    ok    listen 127.0.0.1:0: any free port will be taken
    ok    clock: agrees with CaiGunn's
    WRONG bot main: CaiGunn: HTTP 403 from [sandbox] (API key refused): The api key is not valid.
          hint: set a valid `bots.<name>.api_key` and `accounts.<name>.access_token`
    ok    channel web: answers at /v1/messages for 2 API keys

    1 wrong
    exit code 4
    ");
    place.sandbox.restore_key("demo");
    place.sandbox.expire_token();
    place.sandbox.refuse_refresh(true);
    insta::assert_snapshot!(check(&place, &["--online"]).await, @r"
    ok    configuration from the environment alone: 1 account, 1 bot, 1 channel
    ok    secrets: none is in a file that everyone on this machine can read
    ok    limits: enough files may be open for 100 connections
    ok    store [folder]/bridge.db: will be made in [folder]: one write to the disk takes [time]
    ok    listen 127.0.0.1:0: any free port will be taken
    ok    clock: agrees with CaiGunn's
    WRONG bot main: CaiGunn: HTTP 401 from [sandbox] (access token refused): The access token cannot be refreshed.
          hint: set a valid `bots.<name>.api_key` and `accounts.<name>.access_token`
    ok    channel web: answers at /v1/messages for 2 API keys

    1 wrong
    exit code 4
    ");
    assert_eq!(place.sandbox.log().iter().filter(|call| call.processed).count(), 0, "nobody was talked to");

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = place.set("ACCOUNTS__MAIN__BASE_URL", &format!("http://{closed}"));
    insta::assert_snapshot!(check(&place, &["--online"]).await.replace(&closed.to_string(), "[closed]"), @r"
    ok    configuration from the environment alone: 1 account, 1 bot, 1 channel
    ok    secrets: none is in a file that everyone on this machine can read
    ok    limits: enough files may be open for 100 connections
    ok    store [folder]/bridge.db: will be made in [folder]: one write to the disk takes [time]
    ok    listen 127.0.0.1:0: any free port will be taken
    WRONG bot main: CaiGunn: cannot connect to [closed]: Connection refused (os error 111)
          hint: is `accounts.<name>.base_url` right, and can this machine reach it?
    ok    channel web: answers at /v1/messages for 2 API keys

    1 wrong
    exit code 4
    ");
}

#[tokio::test]
async fn as_json() {
    let place = place().await;
    let ran = tokio::time::timeout(Duration::from_secs(30), place.run(&["check", "--online", "--json"])).await.unwrap();
    let lines: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["ok"] == true), "{}", ran.out);
    let legs: Vec<&str> = lines.iter().map(|line| line["leg"].as_str().unwrap()).collect();
    assert_eq!(legs, ["config", "secrets", "limits", "store", "listen", "clock", "bot", "channel"]);
    assert_eq!((&lines[6]["subject"], &lines[7]["subject"]), (&json!("main"), &json!("web")));

    let place = place.set("SERVER__LISTEN", "nowhere");
    let ran = place.run(&["check", "--json"]).await;
    assert_eq!((ran.code, ran.err.as_str(), ran.out.lines().count()), (2, "", 1));
    let line: Value = serde_json::from_str(&ran.out).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&line).unwrap(), @r#"
    {
      "leg": "config",
      "subject": null,
      "ok": false,
      "level": "wrong",
      "what": "env CAIGUNN_BRIDGE__SERVER__LISTEN: server.listen is not an address: \"nowhere\"",
      "hint": "an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080"
    }
    "#);

    let place = place
        .set("SERVER__LISTEN", "127.0.0.1:0")
        .set("CHANNELS__WEB__WIAT", "5s")
        .set("CHANNELS__WEB__KEYS__SHOP__KEY", "x");
    let ran = place.run(&["check", "--json"]).await;
    let lines: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let wrong: Vec<&Value> = lines.iter().filter(|line| line["ok"] == false).collect();
    assert_eq!((ran.code, ran.err.as_str(), wrong.len()), (2, "", 1), "{}", ran.out);
    assert!(wrong[0]["level"] == "wrong" && wrong[0]["hint"] == "did you mean `wait`?", "{}", ran.out);
}
