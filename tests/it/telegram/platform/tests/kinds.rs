//! Whatever happens is written so that teloxide's types read it.

use serde_json::{Value, json};
use teloxide::types::{Me, MediaKind, Message, MessageEntityKind, MessageKind, Update, UpdateKind, WebhookInfo};

use super::super::{ANONYMOUS_ADMIN, CHANNEL_BOT, Draft, TELEGRAM};
use super::Bot;

impl Bot {
    /// What has happened since the last time, as JSON and as teloxide reads it.
    async fn news(&self) -> Vec<(Value, Update)> {
        let updates = self.ok("getUpdates", json!({})).await;
        let next = self.platform.next_update();
        self.ok("getUpdates", json!({ "offset": next })).await;
        let updates = updates.as_array().unwrap().clone();
        // From a text: out of a `Value`, teloxide 0.13 takes every update for one that it does not know.
        let read = |update: &Value| serde_json::from_str(&update.to_string()).unwrap();
        updates.into_iter().map(|update| (update.clone(), read(&update))).collect()
    }

    async fn message(&self, draft: Draft) -> Message {
        self.platform.sends(draft);
        let (json, update) = self.news().await.pop().unwrap();
        let (UpdateKind::Message(message) | UpdateKind::ChannelPost(message)) = update.kind else {
            panic!("teloxide does not read it: {json}")
        };
        message
    }
}

fn kind(message: &Message) -> &'static str {
    let MessageKind::Common(common) = &message.kind else { return "service" };
    match common.media_kind {
        MediaKind::Animation(_) => "animation",
        MediaKind::Audio(_) => "audio",
        MediaKind::Contact(_) => "contact",
        MediaKind::Document(_) => "document",
        MediaKind::Venue(_) => "venue",
        MediaKind::Location(_) => "location",
        MediaKind::Photo(_) => "photo",
        MediaKind::Poll(_) => "poll",
        MediaKind::Sticker(_) => "sticker",
        MediaKind::Text(_) => "text",
        MediaKind::Video(_) => "video",
        MediaKind::VideoNote(_) => "video_note",
        MediaKind::Voice(_) => "voice",
        MediaKind::Migration(_) => "migration",
        _ => "another",
    }
}

#[tokio::test]
async fn messages_of_every_kind_are_read() {
    let bot = Bot::new().await;
    let platform = &bot.platform;
    let file = || platform.keeps("documents", "bin", "content".as_bytes());
    let draft = || Draft::new(7, 7);
    let drafts = vec![
        ("text", draft().text("hello")),
        ("photo", draft().photo(platform.photo(b"picture")).caption("look").album("a1")),
        ("document", draft().document(file(), "cat.png", "image/png").caption("look")),
        ("sticker", draft().sticker(file(), "static")),
        ("sticker", draft().sticker(file(), "animated")),
        ("sticker", draft().sticker(file(), "video")),
        ("voice", draft().media("voice", file())),
        ("audio", draft().media("audio", file())),
        ("video", draft().media("video", file()).caption("look")),
        ("video_note", draft().media("video_note", file())),
        ("animation", draft().media("animation", file())),
        ("location", draft().location()),
        ("venue", draft().venue()),
        ("contact", draft().contact()),
        ("poll", draft().poll()),
        ("service", draft().dice()),
        ("service", draft().with("telepathy", json!({ "thought": "cats" }))),
    ];
    for (wanted, draft) in drafts {
        let message = bot.message(draft).await;
        assert_eq!(kind(&message), wanted, "{message:?}");
        assert_eq!((message.chat.id.0, message.from.as_ref().unwrap().id.0), (7, 7));
    }
    platform.shows(7, 7, b"picture", "");
    assert_eq!(bot.news().await[0].0["message"]["photo"][2]["width"], 1280);
    bot.clean();
}

#[tokio::test]
async fn entities_count_utf16_units() {
    let bot = Bot::new().await;
    let said = "🐈 @bridge_test_bot, /help@bridge_test_bot 你好 Ann https://example.com/";
    let message =
        bot.message(Draft::new(7, 7).text(said).text_mention("Ann", 8).entity("你好", json!({ "type": "bold" }))).await;
    let entities = message.parse_entities().unwrap();
    let found: Vec<_> = entities.iter().map(|entity| entity.text()).collect();
    assert_eq!(found, ["@bridge_test_bot", "/help@bridge_test_bot", "https://example.com/", "你好", "Ann"]);
    assert!(matches!(entities[0].kind(), MessageEntityKind::Mention));
    assert!(matches!(entities[4].kind(), MessageEntityKind::TextMention { user } if user.id.0 == 8));
}

#[tokio::test]
async fn replies_carry_what_they_reply_to() {
    let bot = Bot::new().await;
    let first = bot.platform.says_unseen(7, 7, "the first");
    let second = bot.platform.sends(Draft::new(7, 7).text("the second").reply_to(first));
    bot.news().await;
    let reply = bot.message(Draft::new(7, 7).text("third").reply_to(second).quote("second")).await;
    let replied = reply.reply_to_message().unwrap();
    assert_eq!((replied.id.0 as i64, replied.text()), (second, Some("the second")));
    assert!(replied.reply_to_message().is_none(), "not nested twice");
    assert_eq!(reply.quote().unwrap().text, "second");
    let photo = json!({ "photo": bot.platform.photo(b"picture") });
    let reply = bot.message(Draft::new(7, 7).text("fourth").external_reply(-1009, "News", photo)).await;
    let MessageKind::Common(common) = reply.kind else { panic!("a common message") };
    assert!(common.external_reply.is_some());
    bot.platform.edits(7, second, "changed");
    let (json, update) = bot.news().await.pop().unwrap();
    let UpdateKind::EditedMessage(edited) = update.kind else { panic!("{json}") };
    assert_eq!((edited.text(), edited.edit_date().is_some()), (Some("changed"), true));
}

#[tokio::test]
async fn those_who_are_nobody_are_written_as_telegram_does() {
    let bot = Bot::new().await;
    let (group, channel) = (bot.platform.supergroup(-1005, "Readers"), bot.platform.channel(-1006, "News"));
    bot.platform.user_named(8, "Ann", "ann_lee");
    let other = bot.platform.other_bot(9, "other_bot");
    let from = |message: &Message| message.from.as_ref().unwrap().id.0 as i64;
    let sender = |message: &Message| message.sender_chat.as_ref().map(|chat| chat.id.0);
    let admin = bot.message(Draft::new(group, 8).text("x").anonymously()).await;
    assert_eq!((from(&admin), sender(&admin)), (ANONYMOUS_ADMIN, Some(group)));
    let posing = bot.message(Draft::new(group, 8).text("x").posing_as(channel)).await;
    assert_eq!((from(&posing), sender(&posing)), (CHANNEL_BOT, Some(channel)));
    let forwarded = bot.message(Draft::new(group, 8).text("x").forwarded_from(channel)).await;
    assert_eq!((from(&forwarded), sender(&forwarded)), (TELEGRAM, Some(channel)));
    assert!(forwarded.is_automatic_forward());
    let robot = bot.message(Draft::new(group, other).text("x")).await;
    assert!(robot.from.unwrap().is_bot);
    let post = bot.message(Draft::new(channel, 8).text("x")).await;
    assert_eq!((post.from.is_none(), sender(&post)), (true, Some(channel)));
    bot.platform.edits(channel, i64::from(post.id.0), "y");
    assert!(matches!(bot.news().await[0].1.kind, UpdateKind::EditedChannelPost(_)));
    let forum = bot.platform.forum(-1007, "Forum");
    let topic = bot.platform.topic(forum, 8, "Cats");
    let said = bot.message(Draft::new(forum, 8).text("x").thread(topic)).await;
    assert_eq!((said.is_topic_message, i64::from(said.thread_id.unwrap().0.0)), (true, topic));
}

#[tokio::test]
async fn everything_else_is_read() {
    let bot = Bot::new().await;
    let all: Vec<&str> = vec!["chat_member", "message_reaction", "message_reaction_count"];
    let kinds = ["message", "my_chat_member", "business_connection", "business_message", "edited_business_message"];
    let more = ["deleted_business_messages", "inline_query", "chosen_inline_result", "callback_query", "poll_answer"];
    let rest = ["shipping_query", "pre_checkout_query", "purchased_paid_media", "poll", "chat_join_request"];
    let boosts = ["chat_boost", "removed_chat_boost"];
    let allowed: Vec<&str> = all.into_iter().chain(kinds).chain(more).chain(rest).chain(boosts).collect();
    bot.ok("getUpdates", json!({ "allowed_updates": allowed })).await;
    let count = bot.platform.does_everything_else(7);
    let updates = bot.news().await;
    assert_eq!(updates.len(), count);
    for (json, update) in updates {
        // Telegram writes plain numbers there, and teloxide 0.13 reads objects: its fault, and nothing that we need.
        let misread = json.get("deleted_business_messages").is_some();
        assert_eq!(matches!(update.kind, UpdateKind::Error(_)), misread, "{json}");
    }
    let group = bot.platform.group(-5, "Friends");
    bot.platform.joins(group, 8);
    bot.platform.changes_membership(group, 8, "member", "administrator");
    bot.platform.changes_membership(group, 8, "administrator", "restricted");
    bot.platform.is_kicked(group, 8);
    bot.platform.is_blocked(7);
    bot.platform.is_unblocked(7);
    let pinned = bot.platform.says(7, 7, "remember");
    bot.platform.pins(7, 7, pinned);
    bot.platform.migrates(group, -1008);
    let updates = bot.news().await;
    assert_eq!(updates.len(), 11);
    for (json, update) in updates {
        let read = match update.kind {
            UpdateKind::MyChatMember(_) => true,
            UpdateKind::Message(message) => !matches!(message.kind, MessageKind::Empty {}),
            _ => false,
        };
        assert!(read, "{json}");
    }
    bot.platform.happens("telepathy", json!({ "from": 7 }));
    assert!(matches!(bot.news().await[0].1.kind, UpdateKind::Error(_)));
    bot.clean();
}

#[tokio::test]
async fn answers_are_read() {
    let bot = Bot::new().await;
    bot.platform.reads_all(true);
    let me: Me = serde_json::from_value(bot.ok("getMe", json!({})).await).unwrap();
    assert!(me.can_read_all_group_messages && me.username() == "bridge_test_bot");
    bot.platform.says(7, 7, "hello");
    let sent = bot.ok("sendMessage", json!({ "chat_id": 7, "text": "<pre>x</pre>", "parse_mode": "HTML" })).await;
    let message: Message = serde_json::from_value(sent).unwrap();
    assert_eq!((message.text(), message.entities().unwrap().len()), (Some("x"), 1));
    let info = async || serde_json::from_value::<WebhookInfo>(bot.ok("getWebhookInfo", json!({})).await).unwrap();
    assert!(info().await.url.is_none());
    bot.ok("setWebhook", json!({ "url": "https://127.0.0.1:8443/x", "allowed_updates": ["message"] })).await;
    assert_eq!(info().await.max_connections, Some(40));
}
