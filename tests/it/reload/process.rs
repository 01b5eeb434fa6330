//! The real process: SIGHUP, and files of secrets that change.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;

use caigunn_bridge::sandbox::{Fault, SandboxOptions, Scripted};
use serde_json::{Value, json};

use crate::support::process::{Daemon, Place};
use crate::support::{KEY, until};

async fn ready(place: &Place, addr: SocketAddr) -> Value {
    place.client.get(format!("http://{addr}/readyz")).send().await.unwrap().json().await.unwrap()
}

async fn say(place: &Place, addr: SocketAddr, text: &str) -> Value {
    let request = place.client.post(format!("http://{addr}/v1/messages")).bearer_auth(KEY);
    request.json(&json!({ "user": "ann", "text": text })).send().await.unwrap().json().await.unwrap()
}

/// What is said after a reset, which the file says.
async fn reset(place: &Place, addr: SocketAddr) -> String {
    let request = place.client.post(format!("http://{addr}/v1/conversations/ann/reset")).bearer_auth(KEY);
    request.send().await.unwrap().json::<Value>().await.unwrap()["text"].as_str().unwrap().to_owned()
}

/// Where a bridge looks for its file: in its working directory.
fn write(place: &Place, text: &str) {
    std::fs::write(place.folder().join("bridge.toml"), text).unwrap();
}

fn text(text: &str) -> String {
    format!("texts.en.reset_done = \"{text}\"\n")
}

#[tokio::test]
async fn a_storm_of_hangups_ends_in_the_last_configuration() {
    let place = Place::new(SandboxOptions::default()).await;
    write(&place, &text("0"));
    let (mut daemon, addr) = place.start().await;
    assert_eq!(reset(&place, addr).await, "0");
    for n in 1..=20 {
        write(&place, &text(&n.to_string()));
        daemon.signal("HUP");
    }
    until("the last one is in force", async || reset(&place, addr).await == "20").await;
    assert!(daemon.ended().is_none());
    assert!(place.log().contains("reloaded: other texts"), "{}", place.log());
    daemon.signal("TERM");
    daemon.signal("HUP");
    assert_eq!(daemon.exit_code().await, 0);
}

#[tokio::test]
async fn a_hangup_at_the_start_or_in_the_end_does_no_harm() {
    let place = Place::new(SandboxOptions::default()).await;
    let daemon = place.spawn();
    until("it starts", async || place.store().with_file_name("bridge.db.lock").exists()).await;
    daemon.signal("HUP");
    let (daemon, addr) = place.listens(daemon).await;
    assert_eq!(say(&place, addr, "hi").await["state"], "answered");
    until("it was heard", async || ready(&place, addr).await["reload"]["ok"] == true).await;
    place.sandbox.push_fault(Scripted::from(Fault::Hang).times(0));
    let waiting = tokio::spawn(
        place
            .client
            .post(format!("http://{addr}/v1/messages"))
            .bearer_auth(KEY)
            .json(&json!({ "user": "bea", "text": "x" }))
            .send(),
    );
    until("it is asked", async || place.sandbox.in_flight() == 1).await;
    daemon.signal("TERM");
    for _ in 0..5 {
        write(&place, &text("too late"));
        daemon.signal("HUP");
    }
    assert_eq!(waiting.await.unwrap().unwrap().status(), 202);
    assert_eq!(daemon.exit_code().await, 0);
}

/// Another file of the usual places is not taken in its stead.
#[tokio::test]
async fn a_file_that_is_gone_is_missed() {
    let place = Place::new(SandboxOptions::default()).await;
    write(&place, &text("first"));
    let (daemon, addr) = place.start().await;
    std::fs::create_dir(place.folder().join("config")).unwrap();
    std::fs::rename(place.folder().join("bridge.toml"), place.folder().join("config/bridge.toml")).unwrap();
    daemon.signal("HUP");
    until("it is refused", async || ready(&place, addr).await["reload"]["ok"] == false).await;
    assert!(place.log().contains("bridge.toml, which was loaded before, is gone"), "{}", place.log());
    assert_eq!(reset(&place, addr).await, "first");
    write(&place, &text("second"));
    daemon.signal("HUP");
    until("it is back", async || ready(&place, addr).await["reload"]["ok"] == true).await;
    assert_eq!(reset(&place, addr).await, "second");
}

/// The key's file is a link to one in a folder, as an orchestrator has it, and the folder is swapped.
fn swap(place: &Place, version: &str, key: &str) {
    let folder = place.folder().join(version);
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("key"), key).unwrap();
    let (link, next) = (place.folder().join("current"), place.folder().join("next"));
    symlink(&folder, &next).unwrap();
    std::fs::rename(next, link).unwrap();
}

fn with_file(place: Place) -> Place {
    let file = place.folder().join("current/key").display().to_string();
    place
        .unset("BOTS__MAIN__API_KEY")
        .set("BOTS__MAIN__API_KEY_FILE", &file)
        .set("PIPELINE__RETRY__MIN", "10m")
        .set("PIPELINE__RETRY__MAX", "1h")
}

#[tokio::test]
async fn a_key_in_a_file_is_taken_when_it_changes() {
    let place = with_file(Place::new(super::two_bots()).await);
    swap(&place, "v1", "PLANTED-wrong-key");
    let (daemon, addr) = place.start().await;
    let waiting = tokio::spawn(
        place
            .client
            .post(format!("http://{addr}/v1/messages"))
            .bearer_auth(KEY)
            .json(&json!({ "user": "bea", "text": "x" }))
            .send(),
    );
    until("the bot is paused", async || ready(&place, addr).await["bots"][0]["state"] == "paused").await;
    swap(&place, "v2", "sandbox-key\n");
    // The pause alone would last for minutes.
    let answer: Value = waiting.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(answer["state"], "answered");

    // While the file is away or empty, the key goes on.
    std::fs::remove_file(place.folder().join("current/key")).unwrap();
    let told = json!(["key, a secret's file, cannot be read: its old value goes on"]);
    until("it is told", async || ready(&place, addr).await["warnings"] == told).await;
    assert!(ready(&place, addr).await["reload"]["ok"] == true);
    assert_eq!(place.log().matches("current/key, cannot be read").count(), 1, "{}", place.log());
    std::fs::write(place.folder().join("v2/key"), "").unwrap();
    until("an empty key is refused", async || ready(&place, addr).await["reload"]["ok"] == false).await;
    assert_eq!(say(&place, addr, "hi").await["state"], "answered");
    place.sandbox.revoke_key("old");
    swap(&place, "v3", "another-sandbox-key");
    until("the next one is taken", async || ready(&place, addr).await["reload"]["ok"] == true).await;
    until("nothing is away", async || ready(&place, addr).await["warnings"].is_null()).await;
    assert_eq!(say(&place, addr, "hi").await["state"], "answered");
    stopped_without_secrets(place, daemon, &["PLANTED", "sandbox-key"]).await;
}

/// Somebody is editing the configuration while a secret changes: only the secret counts, and what is wrong with the file stands
/// until the file is mended.
#[tokio::test]
async fn a_file_that_is_being_edited_waits_for_a_hangup() {
    let place = with_file(Place::new(super::two_bots()).await);
    swap(&place, "v1", "sandbox-key");
    write(&place, &text("before"));
    let (daemon, addr) = place.start().await;
    write(&place, "[texts.en\n# PLANTED half a");
    place.sandbox.revoke_key("old");
    swap(&place, "v2", "another-sandbox-key");
    until("the key is taken", async || ready(&place, addr).await["reload"]["ok"] == true).await;
    assert_eq!(say(&place, addr, "hi").await["state"], "answered");
    assert_eq!(reset(&place, addr).await, "before");
    daemon.signal("HUP");
    until("the file is refused", async || ready(&place, addr).await["reload"]["ok"] == false).await;
    place.sandbox.restore_key("old");
    swap(&place, "v3", "sandbox-key");
    until("the key is taken", async || place.log().matches("bot main has another key or account").count() == 2).await;
    let page = ready(&place, addr).await;
    assert!(page["reload"]["ok"] == false && page["warnings"].to_string().contains("is not TOML"), "{page}");
    assert!(!page.to_string().contains(Path::new("bridge.toml").to_str().unwrap()), "{page}");
    write(&place, &text("after"));
    daemon.signal("HUP");
    until("it is mended", async || ready(&place, addr).await["reload"]["ok"] == true).await;
    assert_eq!(reset(&place, addr).await, "after");
    stopped_without_secrets(place, daemon, &["PLANTED", "sandbox-key"]).await;
}

async fn stopped_without_secrets(place: Place, daemon: Daemon, secrets: &[&str]) {
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
    let log = place.log();
    for secret in secrets {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
