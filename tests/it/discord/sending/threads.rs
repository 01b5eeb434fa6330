//! Threads that are opened for an answer.

use caigunn_bridge::contract::Signal;
use caigunn_bridge::model::Target;

use super::super::platform::{Fault, deny};
use super::{ANN, Desk, GUILD, ROOM};

/// The thread on a question, with the channel to fall back to.
fn thread_on(channel: u64, question: u64, name: &str) -> Target {
    Target {
        address: format!("t:{channel}:{question}:{name}").into(),
        fallback: Some(channel.to_string().into()),
        ..Target::of(question.to_string())
    }
}

/// What the bot has said in a thread, without the system's line that it was opened.
fn said(desk: &Desk, thread: u64) -> Vec<String> {
    desk.platform.sent(thread).into_iter().map(|sent| sent.text).collect()
}

#[tokio::test]
async fn a_thread_is_opened_with_the_first_thing_that_is_said_there() {
    let desk = Desk::new().await;
    let question = desk.platform.asks(ROOM, ANN, "why: is it so?");
    let thread = thread_on(ROOM, question, "why: is it so?");
    desk.channel.signal(&thread, Signal::Typing).await;
    assert_eq!((desk.platform.typing(ROOM).len(), desk.calls("thread")), (1, 0), "where the question is");
    desk.sends(&desk.reply(&thread, "because", question)).await;
    desk.sends(&desk.row(&thread, "and so on")).await;
    assert_eq!((desk.calls("thread"), said(&desk, question)), (1, vec!["because".into(), "and so on".into()]));
    assert!(desk.platform.sent(question).iter().all(|sent| sent.reply_to.is_none()), "it stands above the thread");
    assert_eq!(desk.calls("send"), 2);
    desk.channel.signal(&thread, Signal::Typing).await;
    assert_eq!(desk.platform.typing(question).len(), 1);
    desk.clean();
}

#[tokio::test]
async fn a_thread_that_is_there_already_is_used() {
    let mut desk = Desk::new().await;
    let question = desk.platform.asks(ROOM, ANN, "why?");
    desk.platform.thread_on(ROOM, question, ANN, "Ann's own");
    let thread = thread_on(ROOM, question, "why?");
    desk.sends(&desk.row(&thread, "because")).await;
    desk.restarts();
    desk.sends(&desk.row(&thread, "and so on")).await;
    assert_eq!(said(&desk, question), ["because", "and so on"]);
    let other = desk.platform.asks(ROOM, ANN, "and?");
    desk.platform.fails("thread", None, Fault::ProcessedThenReset, 1);
    let row = desk.row(&thread_on(ROOM, other, "and?"), "nothing");
    assert_eq!(desk.fails(&row).await.0, "transient", "opened or not, nothing was said");
    desk.sends(&row).await;
    desk.clean();
}

#[tokio::test]
async fn where_no_thread_can_be_opened_the_channel_will_do() {
    let desk = Desk::new().await;
    let question = desk.platform.asks(ROOM, ANN, "why?");
    desk.platform.deletes(ROOM, question);
    let (kind, why) = desk.fails(&desk.row(&thread_on(ROOM, question, "why?"), "x")).await;
    assert!(kind == "address refused" && why.contains("deleted"), "{kind}: {why}");

    desk.platform.denies(ROOM, deny::CREATE_PUBLIC_THREADS);
    let question = desk.platform.asks(ROOM, ANN, "why?");
    let (kind, why) = desk.fails(&desk.row(&thread_on(ROOM, question, "why?"), "x")).await;
    assert!(kind == "address refused" && why.contains("Create Public"), "{kind}: {why}");
    let tried = desk.calls("thread");
    let question = desk.platform.asks(ROOM, ANN, "why?");
    assert_eq!(desk.fails(&desk.row(&thread_on(ROOM, question, "why?"), "x")).await.0, "address refused");
    assert_eq!(desk.calls("thread"), tried, "what is refused is remembered");

    let voice = desk.platform.voice_channel(GUILD, ROOM + 1, "voice");
    let question = desk.platform.asks(voice, ANN, "why?");
    let (kind, why) = desk.fails(&desk.row(&thread_on(voice, question, "why?"), "x")).await;
    assert!(kind == "address refused" && why.contains("`threads_in`"), "{kind}: {why}");
    desk.clean();
}

#[tokio::test]
async fn a_thread_in_which_nothing_can_be_said_leaves_the_channel() {
    let desk = Desk::new().await;
    let question = desk.platform.asks(ROOM, ANN, "why?");
    desk.platform.denies(ROOM, deny::SEND_MESSAGES_IN_THREADS);
    let thread = thread_on(ROOM, question, "why?");
    let row = desk.reply(&thread, "because", question);
    assert_eq!(desk.fails(&row).await.0, "address refused");
    // What the pipeline makes of it.
    let mut row = row;
    row.target.address = row.target.fallback.take().unwrap();
    desk.sends(&row).await;
    assert_eq!(desk.platform.sent(ROOM)[0].reply_to, Some(question));
    desk.clean();
}

#[tokio::test]
async fn a_thread_that_somebody_closed_stays_closed() {
    let desk = Desk::new().await;
    let question = desk.platform.asks(ROOM, ANN, "why?");
    let thread = thread_on(ROOM, question, "why?");
    desk.sends(&desk.row(&thread, "because")).await;
    desk.platform.archives(question, true);
    assert_eq!(desk.fails(&desk.row(&thread, "more")).await.0, "gone");
    desk.platform.deletes_channel(question);
    assert_eq!(desk.fails(&desk.row(&thread, "more")).await.0, "gone");
    desk.clean();
}

#[tokio::test]
async fn a_channel_that_wants_no_more_threads_for_now_is_left_alone() {
    let desk = Desk::new().await;
    desk.platform.fails("thread", None, Fault::RetryAfter(60.0), 1);
    for n in 0..3 {
        let question = desk.platform.asks(ROOM, ANN, &format!("number {n}"));
        assert_eq!(desk.fails(&desk.row(&thread_on(ROOM, question, "n"), "x")).await.0, "chat rests");
    }
    assert_eq!(desk.calls("thread"), 1);
    desk.clean();
}
