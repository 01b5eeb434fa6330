//! Threads and direct channels.

use serde_json::{Value, json};

use super::super::{BOT, deny};
use super::{ANN, Bot, GUILD, ROOM, messages, said};

#[tokio::test]
async fn threads_are_opened_on_messages_and_channels() {
    let bot = Bot::new().await;
    let question = bot.platform.says(ROOM, ANN, "question");
    let on = format!("{}/{question}/threads", messages(ROOM));
    bot.refuses("POST", &on, json!({ "name": "" }), 400, 50035).await;
    bot.refuses("POST", &on, json!({ "name": "x".repeat(101) }), 400, 50035).await;
    bot.refuses("POST", &on, json!({ "name": "x", "auto_archive_duration": 61 }), 400, 50035).await;
    bot.refuses("POST", &format!("{}/1/threads", messages(ROOM)), json!({ "name": "x" }), 404, 10008).await;
    let (status, thread) = bot.call("POST", &on, json!({ "name": "x", "auto_archive_duration": 60 })).await;
    assert_eq!((status, &thread["id"]), (201, &question.to_string().into()));
    assert_eq!((&thread["type"], &thread["thread_metadata"]["auto_archive_duration"]), (&11.into(), &60.into()));
    bot.refuses("POST", &on, json!({ "name": "x" }), 400, 160_004).await;
    bot.ok("POST", &messages(question), said("answer")).await;
    assert_eq!(bot.platform.texts(question), ["", "answer"]);
    let active = bot.get(&format!("guilds/{GUILD}/threads/active")).await;
    assert_eq!(
        (&active["threads"][0]["id"], &active["members"][0]["user_id"]),
        (&thread["id"], &BOT.to_string().into())
    );

    let private = bot.ok("POST", &format!("channels/{ROOM}/threads"), json!({ "name": "secret" })).await;
    assert_eq!(private["type"], 12);
    let public = json!({ "name": "open", "type": 11 });
    assert_eq!(bot.ok("POST", &format!("channels/{ROOM}/threads"), public.clone()).await["type"], 11);
    bot.platform.denies(ROOM, deny::CREATE_PUBLIC_THREADS);
    bot.refuses("POST", &format!("channels/{ROOM}/threads"), public, 403, 50013).await;
    bot.platform.denies(ROOM, deny::SEND_MESSAGES_IN_THREADS);
    bot.refuses("POST", &messages(question), said("x"), 403, 50013).await;
    bot.send("the channel itself is another matter").await;
    bot.clean();
}

#[tokio::test]
async fn threads_are_joined_archived_and_locked() {
    let bot = Bot::new().await;
    let secret = bot.platform.thread(ROOM, ANN, "secret", true);
    bot.refuses("POST", &messages(secret), said("x"), 403, 50001).await;
    bot.platform.says(secret, ANN, "not for bots");
    bot.platform.asks(secret, ANN, "come in");
    bot.ok("POST", &messages(secret), said("here")).await;
    let members = bot.get(&format!("channels/{secret}/thread-members")).await;
    assert_eq!(members.as_array().unwrap().len(), 2);
    let thread = bot.platform.thread(ROOM, ANN, "open", false);
    bot.ok("PUT", &format!("channels/{thread}/thread-members/@me"), Value::Null).await;
    bot.platform.archives(thread, false);
    bot.ok("POST", &messages(thread), said("awake")).await;
    assert_eq!(bot.get(&format!("channels/{thread}")).await["thread_metadata"]["archived"], false);
    bot.platform.archives(thread, true);
    bot.refuses("POST", &messages(thread), said("x"), 403, 160_005).await;
    bot.clean();
}

#[tokio::test]
async fn posts_of_a_forum_begin_with_a_message_of_their_number() {
    let bot = Bot::new().await;
    let forum = bot.platform.forum(GUILD, 77, "help");
    let post = bot.platform.posts(forum, ANN, "How?", "like this");
    assert_eq!(bot.get(&format!("{}/{post}", messages(post))).await["content"], "like this");
    bot.ok("POST", &messages(post), said("so")).await;
    let own = json!({ "name": "mine", "message": said("first") });
    let made = bot.ok("POST", &format!("channels/{forum}/threads"), own).await;
    let made = made["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(bot.platform.texts(made), ["first"]);
    bot.refuses("POST", &format!("channels/{forum}/threads"), json!({ "name": "mine" }), 400, 50035).await;
    bot.clean();
}

#[tokio::test]
async fn a_direct_channel_is_opened_once() {
    let bot = Bot::new().await;
    let open =
        async |user: u64| bot.call("POST", "users/@me/channels", json!({ "recipient_id": user.to_string() })).await;
    let (status, channel) = open(ANN).await;
    assert_eq!((status, &channel["recipients"][0]["global_name"]), (200, &"Ann".into()));
    assert_eq!(open(ANN).await.1["id"], channel["id"]);
    assert_eq!(channel["id"], bot.platform.dm(ANN).to_string());
    assert_eq!(open(5).await.1["code"], 50033);
    bot.clean();
}
