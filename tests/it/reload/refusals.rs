//! A configuration that is refused, and what needs a restart.

use caigunn_bridge::app::Reloaded;
use serde_json::Value;

use crate::support::{Bridge, Setup};

fn refused(reloaded: Reloaded) -> Vec<String> {
    match reloaded {
        Reloaded::Refused(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

/// What the readiness page says of it, without the time.
async fn told(bridge: &Bridge) -> (bool, Value, Value) {
    let page = bridge.ready().await;
    assert_eq!(page["status"], "ok", "{page}");
    (page["reload"]["ok"].as_bool().unwrap(), page["reload"]["mistakes"].clone(), page["warnings"].clone())
}

#[tokio::test]
async fn a_broken_configuration_is_refused_whole_until_it_is_mended() {
    let mut bridge = Bridge::new().await;
    let wrong = [
        ("BOTS__MAIN__API_KEY_FILE", "/run/secrets/there-is-none"),
        ("BOTS__MAIN__API_KEY", ""),
        ("CHANNELS__WEB__MAX_IMAGES", "many"),
        ("CHANNELS__WEB__ACCESS__DENY_USERS", "ann"),
    ];
    let mistakes = refused(bridge.reload(&wrong).await);
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    let (ok, mistakes, warnings) = told(&bridge).await;
    assert!(!ok);
    insta::assert_snapshot!(format!("{mistakes:#}"));
    assert!(warnings[0].as_str().unwrap().starts_with("the configuration was not reloaded: "), "{warnings}");
    bridge.say("ann", "the old one is in force").await;

    // Mended, all of it takes effect.
    bridge
        .reloads(&[
            ("BOTS__MAIN__API_KEY_FILE", ""),
            ("BOTS__MAIN__API_KEY", "sandbox-key"),
            ("CHANNELS__WEB__MAX_IMAGES", "3"),
        ])
        .await;
    let (ok, mistakes, warnings) = told(&bridge).await;
    assert_eq!((ok, mistakes, warnings), (true, Value::Null, Value::Null));
    assert_eq!(bridge.message("ann", "not any more").send().await.unwrap().status(), 403);
    bridge.say("bea", "hi").await;
}

/// Each with a good change beside it, which must not take effect either.
#[tokio::test]
async fn what_cannot_be_built_is_refused_before_anything_is_touched() {
    let mut bridge = Bridge::new().await;
    let second = [
        ("CHANNELS__SHOP__KIND", "http"),
        ("CHANNELS__SHOP__BOT", "main"),
        ("CHANNELS__SHOP__KEYS__X__KEY", "key-of-another-shop-0123456789"),
    ];
    for (changes, what) in [
        (second.as_slice(), "channels.web.path is that of `channels.shop`"),
        (&[("CHANNELS__WEB__KEYS__DESK__KEY", "short")], "is shorter than 16 characters"),
        (&[("ACCOUNTS__MAIN__ACCESS_TOKEN", "not\u{7f}printable")], "accounts.main.access_token"),
        (&[("BOTS__MAIN__API_KEY", "not\u{7f}printable")], "bots.main.api_key"),
        (&[("ACCOUNTS__MAIN__PROXY", "ftp://nowhere")], "accounts.main.proxy"),
        (&[("CHANNELS__", "")], "no channel is configured"),
        (&[("BOTS__MAIN__ACCOUNT", "nobody")], "bots.main.account"),
    ] {
        let before = bridge.keep();
        let mut all = changes.to_vec();
        all.push(("TEXTS__EN__RESET_DONE", "Tabula rasa."));
        let mistakes = refused(bridge.reload(&all).await);
        assert!(mistakes.iter().any(|mistake| mistake.contains(what)), "{what}: {mistakes:?}");
        let page = bridge.ready().await;
        assert_eq!(
            (&page["reload"]["ok"], page["channels"].as_array().unwrap().len()),
            (&Value::Bool(false), 1),
            "{page}"
        );
        bridge.put_back(before);
    }
    assert!(matches!(bridge.reload(&[]).await, Reloaded::Unchanged));
    bridge.say("ann", "as before").await;
    assert_eq!(bridge.ready().await["channels"][0]["generation"], 1);
}

/// A channel that was broken at the start may stay so, and is brought up once it is mended.
#[tokio::test]
async fn a_channel_that_is_broken_already_does_not_stand_in_the_way() {
    let setup = Setup::default()
        .set("CHANNELS__SHOP__KIND", "http")
        .set("CHANNELS__SHOP__BOT", "main")
        .set("CHANNELS__SHOP__PATH", "/shop")
        .set("CHANNELS__SHOP__KEYS__X__KEY", "short");
    let mut bridge = setup.start().await;
    assert_eq!(super::channel(&bridge.ready().await, "shop").unwrap()["state"], "bad_config");
    bridge.reloads(&[("TEXTS__EN__RESET_DONE", "Tabula rasa.")]).await;
    let mistakes = refused(bridge.reload(&[("CHANNELS__SHOP__MAX_TEXT", "0")]).await);
    assert!(mistakes.iter().any(|mistake| mistake.contains("max_text")), "{mistakes:?}");
    let key = "key-of-another-shop-0123456789";
    let changes = bridge.reloads(&[("CHANNELS__SHOP__MAX_TEXT", ""), ("CHANNELS__SHOP__KEYS__X__KEY", key)]).await;
    assert_eq!(changes, ["channel shop started"]);
    let body = serde_json::json!({ "user": "ann", "text": "hi" });
    let answer = bridge.client.post(bridge.url("/shop/v1/messages")).bearer_auth(key).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(bridge.ready().await["warnings"], Value::Null);
}

/// Two channels under one prefix: the later one does not run until the other one moves.
#[tokio::test]
async fn a_channel_without_a_place_gets_one_when_another_moves() {
    let key = "key-of-another-shop-0123456789";
    let setup = Setup::default()
        .set("CHANNELS__ZOO__KIND", "http")
        .set("CHANNELS__ZOO__BOT", "main")
        .set("CHANNELS__ZOO__KEYS__X__KEY", key);
    let mut bridge = setup.start().await;
    assert_eq!(super::channel(&bridge.ready().await, "zoo").unwrap()["state"], "bad_config");
    assert!(matches!(bridge.reload(&[]).await, Reloaded::Unchanged));
    let changes = bridge.reloads(&[("CHANNELS__WEB__PATH", "/web")]).await;
    assert_eq!(changes, ["channel web restarted", "channel zoo started"]);
    let body = serde_json::json!({ "user": "ann", "text": "hi" });
    let answer = bridge.client.post(bridge.url("/v1/messages")).bearer_auth(key).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn what_needs_a_restart_is_said_and_the_rest_takes_effect() {
    let mut bridge = Bridge::new().await;
    let changes = [
        ("SERVER__LISTEN", "127.0.0.1:1"),
        ("PIPELINE__USER_RATE", "1"),
        ("IDENTITY__UID_HASH_KEY", "0123456789abcdef"),
        ("CHANNELS__WEB__MAX_IMAGES", "3"),
    ];
    assert_eq!(bridge.reloads(&changes).await, ["channel web restarted"]);
    for _ in 0..2 {
        let page = bridge.ready().await;
        let keys = ["server.listen", "pipeline.user_rate", "identity.uid_hash_key"];
        assert_eq!(page["reload"]["needs_restart"], serde_json::json!(keys), "{page}");
        assert_eq!(page["warnings"][0], "server.listen was changed: it needs a restart");
        for n in 0..3 {
            bridge.say("ann", &format!("the old rate is in force {n}")).await;
        }
        assert_eq!(bridge.sandbox.history("main", "web-shop-ann").len() % 3, 0);
        assert!(matches!(bridge.reload(&[]).await, Reloaded::Unchanged), "said again");
    }
    bridge
        .reload(&[("SERVER__LISTEN", "127.0.0.1:0"), ("PIPELINE__USER_RATE", "0"), ("IDENTITY__UID_HASH_KEY", "")])
        .await;
    assert_eq!(bridge.ready().await["warnings"], Value::Null);
}
