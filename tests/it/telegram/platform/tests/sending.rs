//! Texts and documents, and why they are refused.

use std::time::{Duration, Instant};

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::super::{BOT_ID, Fault, Rate, Rates};
use super::Bot;

fn text(chat: i64, text: &str) -> Value {
    json!({ "chat_id": chat, "text": text })
}

fn html(chat: i64, text: &str) -> Value {
    json!({ "chat_id": chat, "text": text, "parse_mode": "HTML" })
}

#[tokio::test]
async fn a_text_arrives_as_a_message() {
    let bot = Bot::new().await;
    let question = bot.platform.says(7, 7, "hello");
    let mut params = html(7, "<b>hi</b> 🐈 <a href=\"https://example.com/\">there</a>");
    params["reply_parameters"] = json!({ "message_id": question });
    params["link_preview_options"] = json!({ "is_disabled": true });
    let begun = Instant::now();
    let message = bot.ok("sendMessage", params).await;
    assert_eq!((&message["text"], message["from"]["id"].as_i64()), (&"hi 🐈 there".into(), Some(BOT_ID)));
    assert_eq!(message["entities"][0], json!({ "type": "bold", "offset": 0, "length": 2 }));
    assert_eq!(message["entities"][1]["offset"], 6);
    assert_eq!(message["reply_to_message"]["message_id"], question);
    let sent = bot.platform.sent(7);
    assert_eq!((sent[0].chat, sent[0].entities.len()), (7, 2));
    assert_eq!((sent.len(), sent[0].reply_to, sent[0].thread, sent[0].preview), (1, Some(question), None, false));
    assert!(sent[0].html && sent[0].source.starts_with("<b>"));
    assert_eq!(bot.platform.texts(7), ["hi 🐈 there"]);
    assert!(bot.platform.is_from_bot(7, sent[0].message));
    assert!(sent[0].message > question && bot.platform.message(7, sent[0].message).is_some());
    let at = bot.platform.attempts("sendMessage")[0].clone();
    assert!(begun < at.at && at.at < sent[0].at);
    assert_eq!((at.chat, at.status, at.text.is_some()), (Some(7), 200, true));
    assert_eq!((bot.platform.sent_in_all(), bot.platform.sent_count(7), bot.platform.sent_to()), (1, 1, vec![7]));
    bot.clean();
}

#[tokio::test]
async fn a_text_has_to_be_right() {
    let bot = Bot::new().await;
    bot.platform.says(7, 7, "hello");
    let bad = async |params: Value, what: &str| {
        bot.refuses("sendMessage", params, 400, &format!("Bad Request: {what}")).await;
    };
    bad(text(7, ""), "message text is empty").await;
    bad(text(7, " \n\t"), "text must be non-empty").await;
    bad(text(7, "\u{200b}\u{200d}"), "text must be non-empty").await;
    bad(html(7, "<b> </b>"), "text must be non-empty").await;
    bad(text(7, &"x".repeat(4097)), "message is too long").await;
    bad(text(7, &"🐈".repeat(2049)), "message is too long").await;
    bot.ok("sendMessage", text(7, &"🐈".repeat(2048))).await;
    bot.ok("sendMessage", html(7, &format!("<b>{}</b>", "x".repeat(4096)))).await;
    let (status, what) = bot.fails("sendMessage", html(7, "a < b")).await;
    assert!(status == 400 && what.starts_with("Bad Request: can't parse entities: "), "{what}");
    bad(json!({ "chat_id": 7, "text": 5 }), "parameter \"text\" must be of type String").await;
    bad(json!({ "chat_id": 7, "text": "x", "parse_mode": "BBCode" }), "unsupported parse_mode").await;
    bad(json!({ "text": "x" }), "chat_id is empty").await;
    bot.clean();
    bot.ok("sendMessage", html(7, &"<b>x</b> ".repeat(101))).await;
    assert_eq!(bot.platform.violations(), ["101 entities in one message"]);
}

#[tokio::test]
async fn a_chat_has_to_be_open() {
    let bot = Bot::new().await;
    let platform = &bot.platform;
    let refused = async |chat: i64, code: u16, what: &str| {
        bot.refuses("sendMessage", text(chat, "x"), code, what).await;
    };
    refused(99, 400, "Bad Request: chat not found").await;
    platform.user(7, "Ann Lee", Some("ko"));
    refused(7, 403, "Forbidden: bot can't initiate conversation with a user").await;
    platform.says(7, 7, "/start");
    bot.ok("sendMessage", text(7, "x")).await;
    platform.is_blocked(7);
    refused(7, 403, "Forbidden: bot was blocked by the user").await;
    platform.is_unblocked(7);
    bot.ok("sendMessage", text(7, "x")).await;
    platform.shuts_out(7);
    refused(7, 403, "Forbidden: bot was blocked by the user").await;
    platform.lets_in(7);
    platform.deactivates(7);
    refused(7, 403, "Forbidden: user is deactivated").await;
    let (group, supergroup) = (platform.group(-5, "Friends"), platform.supergroup(-1005, "Readers"));
    platform.shuts_out(group);
    refused(group, 403, "Forbidden: bot was kicked from the group chat").await;
    platform.is_kicked(supergroup, 8);
    refused(supergroup, 403, "Forbidden: bot was kicked from the supergroup chat").await;
    platform.joins(supergroup, 8);
    bot.ok("sendMessage", text(supergroup, "x")).await;
    platform.changes_membership(supergroup, 8, "member", "left");
    refused(supergroup, 403, "Forbidden: bot is not a member of the supergroup chat").await;
    platform.migrates(group, -1006);
    let (status, body) = bot.call("sendMessage", text(group, "x")).await;
    assert_eq!((status, &body["parameters"]["migrate_to_chat_id"]), (400, &(-1006).into()));
    bot.ok("sendMessage", text(-1006, "x")).await;
    platform.forgets_chat(-1006);
    refused(-1006, 400, "Bad Request: chat not found").await;
    bot.clean();
}

#[tokio::test]
async fn topics_and_replies_have_to_exist() {
    let bot = Bot::new().await;
    let forum = bot.platform.forum(-1007, "Forum");
    let topic = bot.platform.topic(forum, 8, "Cats");
    let mut params = text(forum, "x");
    params["message_thread_id"] = topic.into();
    let message = bot.ok("sendMessage", params.clone()).await;
    assert_eq!((&message["is_topic_message"], &message["message_thread_id"]), (&true.into(), &topic.into()));
    bot.platform.deletes_topic(forum, topic);
    bot.refuses("sendMessage", params, 400, "Bad Request: message thread not found").await;
    let question = bot.platform.says(forum, 8, "hello");
    bot.platform.deletes(forum, question);
    let mut params = text(forum, "x");
    params["reply_parameters"] = json!({ "message_id": question });
    bot.refuses("sendMessage", params.clone(), 400, "Bad Request: message to be replied not found").await;
    params["reply_parameters"]["allow_sending_without_reply"] = true.into();
    assert!(bot.ok("sendMessage", params).await.get("reply_to_message").is_none());
    bot.clean();
    let mut params = text(forum, "x");
    params["link_preview_options"] = json!({ "disabled": true });
    bot.ok("sendMessage", params).await;
    assert_eq!(bot.platform.violations(), ["sendmessage has no parameter `link_preview_options.disabled`"]);
    let action = json!({ "chat_id": forum, "action": "typing" });
    bot.ok("sendChatAction", action).await;
    assert_eq!((bot.platform.typing(forum).len(), bot.platform.actions(forum)[0].thread), (1, None));
    let action = json!({ "chat_id": forum, "action": "dancing" });
    bot.refuses("sendChatAction", action, 400, "Bad Request: wrong parameter action in request").await;
}

#[tokio::test]
async fn a_document_comes_in_a_form() {
    let bot = Bot::new().await;
    bot.platform.says(7, 7, "hello");
    let send = async |caption: &str, file: Option<&'static str>| {
        let mut form = Form::new().text("chat_id", "7").text("caption", caption.to_owned()).text("parse_mode", "HTML");
        if let Some(content) = file {
            let part = Part::bytes(content.as_bytes()).file_name("answer.md").mime_str("text/markdown").unwrap();
            form = form.part("document", part);
        }
        let answer = bot.request("sendDocument").multipart(form).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    let sent = send("<i>Long</i>", Some("# All of it")).await;
    assert_eq!(sent["result"]["document"]["file_name"], "answer.md");
    assert_eq!(
        (&sent["result"]["caption"], &sent["result"]["caption_entities"][0]["type"]),
        (&"Long".into(), &"italic".into())
    );
    let kept = bot.platform.sent(7)[0].document.clone().unwrap();
    assert_eq!((&*kept.name, &kept.content[..]), ("answer.md", "# All of it".as_bytes()));
    assert_eq!(send("", None).await["description"], "Bad Request: there is no document in the request");
    assert_eq!(send("", Some("")).await["description"], "Bad Request: file must be non-empty");
    let long = "x".repeat(1025);
    assert_eq!(send(&long, Some("x")).await["description"], "Bad Request: message caption is too long");
    assert_eq!(send(&long[1..], Some("x")).await["ok"], true);
    assert_eq!(send("", Some("x")).await["ok"], true);
    let attached = Form::new().text("chat_id", "7").text("document", "attach://f1");
    let attached = attached.part("f1", Part::bytes(b"x".as_slice()).file_name("x.txt"));
    assert_eq!(bot.request("sendDocument").multipart(attached).send().await.unwrap().status(), 200);
    bot.clean();
}

#[tokio::test]
async fn sends_fail_as_told() {
    let bot = Bot::new().await;
    bot.platform.says(7, 7, "hello");
    bot.platform.says(8, 8, "hello");
    let send = |chat: i64, words: &str| bot.request("sendMessage").json(&text(chat, words)).send();
    bot.platform.fails("sendMessage", Some(7), Fault::ProcessedThenReset, 1);
    assert!(send(8, "x").await.is_ok() && send(7, "one").await.is_err());
    bot.platform.fails("sendMessage", Some(7), Fault::Reset, 1);
    assert!(send(7, "two").await.is_err());
    assert_eq!(bot.platform.texts(7), ["one"]);
    bot.platform.fails_on("sendMessage", "poison", Fault::Refuse(500, "Internal Server Error"), 0);
    assert_eq!(send(7, "some poison").await.unwrap().status(), 500);
    assert_eq!(send(7, "some wine").await.unwrap().status(), 200);
    bot.platform.heals();
    assert_eq!(send(7, "poison").await.unwrap().status(), 200);
    bot.platform.fails("sendMessage", Some(7), Fault::Slow(Duration::from_millis(300)), 1);
    let (first, second) = tokio::join!(send(7, "slow"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        send(7, "overtaking").await
    });
    assert!(first.is_ok() && second.is_ok() && bot.platform.overlaps() == 1);
    bot.platform.fails("sendMessage", Some(7), Fault::ProcessedThenHang, 1);
    assert!(tokio::time::timeout(Duration::from_millis(300), send(7, "last")).await.is_err());
    assert_eq!(bot.platform.texts(7).last().unwrap(), "last");
    bot.clean();
}

#[tokio::test]
async fn a_rest_is_to_be_kept() {
    let bot = Bot::new().await;
    for chat in [7, 8] {
        bot.platform.says(chat, chat, "hello");
    }
    bot.platform.fails("sendMessage", Some(7), Fault::RetryAfter(2), 1);
    let (status, body) = bot.call("sendMessage", text(7, "x")).await;
    assert_eq!((status, &body["parameters"]["retry_after"]), (429, &2.into()));
    assert_eq!(body["description"], "Too Many Requests: retry after 2");
    let begun = Instant::now();
    bot.ok("sendMessage", text(8, "x")).await;
    bot.clean();
    assert_eq!(bot.fails("sendMessage", text(7, "x")).await.0, 429);
    assert_eq!(bot.platform.violations().len(), 1);
    tokio::time::sleep(Duration::from_secs(2).saturating_sub(begun.elapsed())).await;
    bot.ok("sendMessage", text(7, "x")).await;
    bot.platform.fails("sendMessage", Some(7), Fault::RetryAfterAll(60), 1);
    bot.fails("sendMessage", text(7, "x")).await;
    // What comes at once can have been on its way; this cannot.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(bot.fails("sendMessage", text(8, "x")).await.0, 429);
    assert_eq!(bot.platform.violations().len(), 2);
}

#[tokio::test]
async fn rates_are_kept_or_counted() {
    let bot = Bot::new().await;
    for chat in 1..=4 {
        bot.platform.says(chat, chat, "hello");
    }
    let group = bot.platform.group(-5, "Friends");
    let rate = |most, within| Rate { most, within: Duration::from_millis(within) };
    bot.platform.watches(Rates { chat: rate(1, 60_000), ..Rates::published() });
    bot.ok("sendMessage", text(1, "x")).await;
    assert_eq!(bot.platform.excess(), 0);
    bot.ok("sendMessage", text(1, "x")).await;
    assert_eq!(bot.platform.excess(), 1);
    let rates = Rates { chat: rate(2, 60_000), group: rate(1, 2_000), bot: rate(5, 60_000) };
    bot.platform.enforces(rates);
    let refused = async |chat: i64| bot.fails("sendMessage", text(chat, "x")).await.0;
    assert_eq!(refused(1).await, 429, "two in a chat");
    bot.ok("sendMessage", text(group, "x")).await;
    assert_eq!(refused(group).await, 429, "one in a group");
    tokio::time::sleep(Duration::from_millis(2_050)).await;
    bot.ok("sendMessage", text(group, "x")).await;
    bot.ok("sendMessage", text(2, "x")).await;
    assert_eq!(refused(3).await, 429, "five in all");
    bot.clean();
}
