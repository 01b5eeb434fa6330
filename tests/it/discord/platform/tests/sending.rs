//! What may be posted, and what comes of it.

use serde_json::{Value, json};

use super::super::{Draft, deny};
use super::{ANN, Bot, GUILD, ROOM, messages, said, with};

#[tokio::test]
async fn a_text_has_at_most_two_thousand_code_points_and_is_not_empty() {
    let bot = Bot::new().await;
    // Two units of UTF-16 each, and four bytes.
    bot.send(&"🐈".repeat(2000)).await;
    let long = bot.refuses("POST", &messages(ROOM), said(&"x".repeat(2001)), 400, 50035).await;
    let error = &long["errors"]["content"]["_errors"][0];
    assert_eq!(*error, json!({ "code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer in length." }));
    for empty in ["", " \n ", "\u{3000}"] {
        bot.refuses("POST", &messages(ROOM), said(empty), 400, 50006).await;
    }
    bot.send("  around it  ").await;
    assert_eq!(bot.platform.texts(ROOM)[1], "around it");
    assert_eq!(bot.platform.sent(ROOM)[1].text, "  around it  ");
    bot.refuses("POST", &messages(ROOM), json!({ "content": 1 }), 400, 50035).await;
}

#[tokio::test]
async fn nobody_can_be_mentioned_by_accident() {
    let bot = Bot::new().await;
    bot.send("@everyone").await;
    bot.clean();
    for (allowed, what) in [
        (Value::Null, "without allowed_mentions"),
        (json!({}), "with allowed_mentions {}"),
        (json!({ "parse": ["everyone"] }), "everyone"),
        (json!({ "parse": [], "roles": ["1"] }), "roles"),
        (json!({ "parse": [], "users": ["1"] }), "users"),
        (json!({ "parse": [], "repliedUser": true }), "repliedUser"),
    ] {
        bot.ok("POST", &messages(ROOM), json!({ "content": "x", "allowed_mentions": allowed })).await;
        bot.objects(what);
    }
    let reply = json!({ "content": "x", "allowed_mentions": { "parse": [], "replied_user": false } });
    bot.ok("POST", &messages(ROOM), reply).await;
    let sent = bot.send("<@&5> <@7>").await;
    assert_eq!((&sent["mention_everyone"], &sent["mention_roles"]), (&false.into(), &json!(["5"])));
    bot.clean();
}

#[tokio::test]
async fn a_nonce_that_is_enforced_makes_one_message() {
    let bot = Bot::new().await;
    let body = |text: &str, nonce: &str| with(with(said(text), "nonce", nonce.into()), "enforce_nonce", true.into());
    let first = bot.ok("POST", &messages(ROOM), body("once", "a")).await;
    assert_eq!(first["nonce"], "a");
    let again = bot.ok("POST", &messages(ROOM), body("once", "a")).await;
    assert_eq!(again["id"], first["id"]);
    assert_eq!(bot.platform.sent_count(ROOM), 1);
    // Not enforced, it says nothing.
    for _ in 0..2 {
        bot.ok("POST", &messages(ROOM), with(said("twice"), "nonce", "b".into())).await;
    }
    assert_eq!(bot.platform.sent_count(ROOM), 3);
    bot.refuses("POST", &messages(ROOM), body("x", &"n".repeat(26)), 400, 50035).await;
    bot.clean();
    bot.ok("POST", &messages(ROOM), body("something else", "a")).await;
    bot.objects("for two texts");
    bot.platform.deletes(ROOM, first["id"].as_str().unwrap().parse().unwrap());
    bot.refuses("POST", &messages(ROOM), body("once", "a"), 404, 10008).await;
    bot.platform.nonces_live(std::time::Duration::ZERO);
    let later = bot.ok("POST", &messages(ROOM), body("once", "a")).await;
    assert_ne!(later["id"], first["id"]);
}

#[tokio::test]
async fn a_reply_needs_a_message_that_can_be_replied_to() {
    let bot = Bot::new().await;
    let question = bot.platform.says(ROOM, ANN, "question");
    let join = bot.platform.sends(Draft::new(ROOM, ANN).system(7));
    let reply = |to: u64, fails: bool| {
        let reference = json!({ "message_id": to.to_string(), "fail_if_not_exists": fails });
        with(said("answer"), "message_reference", reference)
    };
    let sent = bot.ok("POST", &messages(ROOM), reply(question, true)).await;
    assert_eq!((&sent["type"], &sent["referenced_message"]["content"]), (&19.into(), &"question".into()));
    assert_eq!(bot.platform.sent(ROOM)[0].reply_to, Some(question));
    let refused = bot.refuses("POST", &messages(ROOM), reply(join, false), 400, 50035).await;
    assert_eq!(refused["errors"]["message_reference"]["_errors"][0]["code"], "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE");
    bot.platform.deletes(ROOM, question);
    let refused = bot.refuses("POST", &messages(ROOM), reply(question, true), 400, 50035).await;
    assert_eq!(refused["errors"]["message_reference"]["_errors"][0]["code"], "REPLIES_UNKNOWN_MESSAGE");
    let plain = bot.ok("POST", &messages(ROOM), reply(question, false)).await;
    assert_eq!((&plain["type"], plain.get("message_reference")), (&0.into(), None));
    let other = bot.platform.says(ROOM, ANN, "other");
    bot.platform.denies(ROOM, deny::READ_MESSAGE_HISTORY);
    bot.refuses("POST", &messages(ROOM), reply(other, false), 400, 160_002).await;
    bot.clean();
}

#[tokio::test]
async fn places_that_cannot_be_written_to_say_why() {
    let bot = Bot::new().await;
    let platform = &bot.platform;
    let send = async |channel: u64, status: u16, code: u64| {
        bot.refuses("POST", &messages(channel), said("x"), status, code).await;
    };
    send(12345, 404, 10003).await;
    platform.denies(ROOM, deny::VIEW_CHANNEL);
    send(ROOM, 403, 50001).await;
    bot.refuses("GET", &format!("channels/{ROOM}"), Value::Null, 403, 50001).await;
    platform.denies(ROOM, deny::SEND_MESSAGES);
    send(ROOM, 403, 50013).await;
    bot.refuses("POST", &format!("channels/{ROOM}/typing"), Value::Null, 403, 50013).await;
    platform.denies(ROOM, 0);
    let dm = platform.dm(ANN);
    platform.closes_dms(ANN, true);
    send(dm, 403, 50007).await;
    let forum = platform.forum(GUILD, 77, "help");
    send(forum, 400, 50008).await;
    assert_eq!(platform.invalid_requests(), 5);
    platform.leaves(GUILD);
    send(ROOM, 403, 50001).await;
    platform.joins(GUILD);
    platform.deletes_channel(ROOM);
    send(ROOM, 404, 10003).await;
    platform.closes_dms(ANN, false);
    bot.ok("POST", &messages(dm), said("hello")).await;
    assert_eq!(platform.texts(dm), ["hello"]);
    bot.clean();
}

#[tokio::test]
async fn own_messages_are_edited_and_deleted() {
    let bot = Bot::new().await;
    let own = bot.send("one").await["id"].as_str().unwrap().to_owned();
    let other = bot.platform.says(ROOM, ANN, "mine");
    let at = |id: &str| format!("{}/{id}", messages(ROOM));
    let edited = bot.ok("PATCH", &at(&own), said("two")).await;
    assert!(edited["edited_timestamp"].is_string());
    bot.refuses("PATCH", &at(&own), said(" "), 400, 50006).await;
    bot.refuses("PATCH", &at(&other.to_string()), said("two"), 403, 50005).await;
    bot.refuses("PATCH", &at("123"), said("two"), 404, 10008).await;
    bot.refuses("DELETE", &at(&other.to_string()), Value::Null, 403, 50013).await;
    assert_eq!(bot.platform.texts(ROOM), ["two"]);
    assert_eq!(bot.ok("DELETE", &at(&own), Value::Null).await, Value::Null);
    bot.refuses("DELETE", &at(&own), Value::Null, 404, 10008).await;
    assert_eq!(bot.platform.message(ROOM, other).unwrap()["author"]["id"], ANN.to_string());
    bot.clean();
    bot.ok("POST", &messages(ROOM), with(said("x"), "flags", 64.into())).await;
    bot.objects("flags 0x40");
    bot.ok("POST", &messages(ROOM), with(said("x"), "flags", 4.into())).await;
    assert_eq!(bot.platform.sent(ROOM).last().unwrap().flags, 4);
    bot.clean();
}

#[tokio::test]
async fn typing_is_noted() {
    let bot = Bot::new().await;
    bot.ok("POST", &format!("channels/{ROOM}/typing"), Value::Null).await;
    assert_eq!(bot.platform.typing(ROOM).len(), 1);
    assert_eq!(bot.platform.typing(ANN).len(), 0);
    bot.clean();
}
