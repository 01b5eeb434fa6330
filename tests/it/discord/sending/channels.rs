//! Messages in channels and direct messages.

use caigunn_bridge::contract::Signal;
use caigunn_bridge::model::Target;
use serde_json::json;

use super::super::platform::{Draft, Fault, Rates, deny};
use super::{ANN, Desk, ROOM, again, room};

#[tokio::test]
async fn a_message_stays_one_however_often_it_is_sent() {
    let desk = Desk::new().await;
    let row = desk.row(&room(), "hello @everyone");
    let first = desk.sends(&row).await;
    assert_eq!(desk.sends(&again(&row)).await, first);
    let sent = desk.platform.sent(ROOM);
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].text.as_str(), sent[0].flags), ("hello @everyone", 4), "without previews");
    assert!(sent[0].nonce.as_ref().is_some_and(|nonce| nonce.len() <= 25));
    assert_eq!(sent[0].allowed_mentions.as_ref().unwrap()["replied_user"], false);
    assert_ne!(desk.sends(&desk.row(&room(), "hello @everyone")).await, first, "another row");
    desk.clean();

    let previews = Desk::with(json!({ "link_previews": true })).await;
    previews.sends(&previews.row(&room(), "see https://example.com")).await;
    assert_eq!(previews.platform.sent(ROOM)[0].flags, 0);
    previews.clean();
}

#[tokio::test]
async fn a_message_that_was_deleted_since_it_was_sent_is_not_sent_again() {
    let desk = Desk::new().await;
    let row = desk.row(&room(), "hello");
    let first = desk.sends(&row).await;
    desk.platform.deletes(ROOM, first);
    let receipt = desk.send(&again(&row)).await.unwrap();
    assert_eq!(receipt.ids, Vec::<String>::new());
    assert_eq!(desk.platform.sent_count(ROOM), 1);
    desk.clean();
}

#[tokio::test]
async fn a_text_that_takes_the_place_of_another_is_a_message_of_its_own() {
    let desk = Desk::new().await;
    let row = desk.row(&room(), "what was refused");
    desk.sends(&row).await;
    let mut notice = again(&row);
    notice.payload = desk.row(&room(), "the rest cannot be delivered").payload;
    desk.sends(&notice).await;
    assert_eq!(desk.platform.texts(ROOM).len(), 2);
    desk.clean();
}

#[tokio::test]
async fn a_reply_names_its_question_where_it_can() {
    let desk = Desk::new().await;
    let question = desk.platform.asks(ROOM, ANN, "why?");
    desk.sends(&desk.reply(&room(), "because", question)).await;
    assert_eq!(desk.platform.sent(ROOM)[0].reply_to, Some(question));

    desk.platform.deletes(ROOM, question);
    desk.sends(&desk.reply(&room(), "of nothing", question)).await;
    assert_eq!(desk.platform.sent(ROOM)[1].reply_to, None, "deleted meanwhile");
    assert_eq!(desk.calls("send"), 2, "at the first try");

    let pinned = desk.platform.sends(Draft::new(ROOM, ANN).system(6));
    desk.sends(&desk.reply(&room(), "a system's", pinned)).await;
    assert_eq!(desk.platform.sent(ROOM)[2].reply_to, None);
    assert_eq!(desk.calls("send"), 4);
    desk.clean();
}

#[tokio::test]
async fn without_the_right_to_read_there_are_no_replies() {
    let desk = Desk::new().await;
    let question = desk.platform.asks(ROOM, ANN, "why?");
    desk.platform.denies(ROOM, deny::READ_MESSAGE_HISTORY);
    desk.sends(&desk.reply(&room(), "one", question)).await;
    assert_eq!(desk.calls("send"), 2);
    desk.sends(&desk.reply(&room(), "two", question)).await;
    assert_eq!(desk.calls("send"), 3, "what is refused is remembered");
    assert_eq!(desk.platform.texts(ROOM), ["one", "two"]);
    desk.clean();
}

/// An answer that needs more messages than are allowed.
fn long() -> String {
    (0..400).map(|n| format!("Sentence number {n} of a rather long answer.\n\n")).collect()
}

#[tokio::test]
async fn a_long_answer_is_a_file() {
    let desk = Desk::new().await;
    let question = desk.platform.asks(ROOM, ANN, "all of it?");
    let row = desk.reply(&room(), &long(), question);
    let first = desk.sends(&row).await;
    assert_eq!(desk.sends(&again(&row)).await, first);
    let sent = desk.platform.sent(ROOM);
    assert_eq!((sent.len(), sent[0].files.len(), sent[0].reply_to), (1, 1, Some(question)));
    let file = &sent[0].files[0];
    assert_eq!((file.name.as_str(), file.mime.as_deref()), ("answer.md", Some("text/markdown; charset=utf-8")));
    assert!(file.content.ends_with(b"number 399 of a rather long answer.\n\n"), "all of it");
    assert!(sent[0].text.starts_with("Sentence number 0"));
    desk.clean();
}

#[tokio::test]
async fn where_files_are_not_allowed_the_text_goes_alone() {
    let desk = Desk::new().await;
    desk.platform.denies(ROOM, deny::ATTACH_FILES);
    let mut row = desk.row(&room(), &long());
    let (kind, why) = desk.fails(&row).await;
    assert!(kind == "rejected" && why.contains("Attach Files"), "{kind}: {why}");
    row.payload = row.plain.take().unwrap();
    desk.sends(&again(&row)).await;
    desk.platform.heals();
    desk.platform.fails("send", None, Fault::Refuse(413, 40005, "Request entity too large"), 1);
    assert_eq!(desk.fails(&desk.row(&room(), &long())).await.0, "rejected");
    desk.clean();
}

fn person() -> Target {
    Target { address: format!("u:{ANN}").into(), ..Target::of("i:1") }
}

#[tokio::test]
async fn a_direct_message_goes_to_a_channel_that_is_opened_once() {
    let desk = Desk::new().await;
    desk.sends(&desk.row(&person(), "one")).await;
    desk.sends(&desk.row(&person(), "two")).await;
    assert_eq!(
        (desk.calls("open_dm"), desk.platform.texts(desk.platform.dm(ANN))),
        (1, vec!["one".into(), "two".into()])
    );
    desk.platform.closes_dms(ANN, true);
    let (kind, why) = desk.fails(&desk.row(&person(), "three")).await;
    assert!(kind == "gone" && why.contains("takes no direct messages") && why.contains("was over"), "{why}");
    desk.clean();
}

#[tokio::test]
async fn a_direct_channel_that_is_not_opened_says_nothing_twice() {
    let desk = Desk::new().await;
    let row = desk.row(&person(), "hello");
    for (fault, kind) in [
        (Fault::ProcessedThenReset, "transient"),
        (Fault::Answer(502, "<html>"), "transient"),
        (Fault::Refuse(400, 50033, "Invalid Recipient(s)"), "gone"),
        (Fault::Refuse(403, 50278, "Cannot send messages to this user"), "gone"),
        (Fault::Refuse(403, 40003, "You are opening direct messages too fast"), "chat rests"),
    ] {
        desk.platform.fails("open_dm", None, fault.clone(), 1);
        assert_eq!(desk.fails(&row).await.0, kind, "{fault:?}");
    }
    desk.sends(&row).await;
    assert_eq!(desk.platform.texts(desk.platform.dm(ANN)), ["hello"]);
    desk.clean();
}

#[tokio::test]
async fn the_last_call_of_a_window_pauses_its_chat() {
    let desk = Desk::new().await;
    desk.platform.enforces(Rates::usual());
    for n in 1..=5 {
        let receipt = desk.send(&desk.row(&room(), &format!("number {n}"))).await.unwrap();
        let pauses: Vec<_> = receipt.pauses.iter().map(|(scope, _)| scope.clone()).collect();
        assert_eq!(pauses, if n == 5 { vec![format!("chat:{ROOM}")] } else { Vec::new() }, "{n}");
    }
    assert_eq!(desk.fails(&desk.row(&room(), "too soon")).await.0, "chat rests");
    desk.clean();
}

#[tokio::test]
async fn typing_is_shown_where_it_may_be() {
    let desk = Desk::new().await;
    let types = async |to: &Target| desk.channel.signal(to, Signal::Typing).await;
    types(&room()).await;
    types(&person()).await;
    types(&Target { address: "i:1:token".into(), ..room() }).await;
    types(&Target::of("nonsense")).await;
    assert_eq!((desk.platform.typing(ROOM).len(), desk.calls("*")), (1, 1));

    desk.platform.fails("typing", None, Fault::RetryAfter(60.0), 1);
    types(&room()).await;
    types(&room()).await;
    assert_eq!(desk.calls("typing"), 2, "whoever asked to be left alone is");
    desk.platform.text_channel(super::GUILD, ROOM + 1, "other");
    desk.platform.denies(ROOM + 1, deny::SEND_MESSAGES);
    let other = Target::of((ROOM + 1).to_string());
    types(&other).await;
    types(&other).await;
    assert_eq!(desk.calls("typing"), 3, "what is refused is not asked for every few seconds");
    desk.clean();
}
