//! What a failed call is taken for.

use std::time::Duration;

use caigunn_bridge::contract::ChannelState;
use caigunn_bridge::contract::channel::SendError;
use caigunn_bridge::model::Target;
use serde_json::json;

use super::super::platform::{BAD_GATEWAY, Fault, deny};
use super::{ANN, Desk, GUILD, ROOM, again, room};

#[tokio::test]
async fn a_chat_that_is_closed_is_named_with_what_to_do() {
    let mut desk = Desk::new().await;
    let why = async |desk: &Desk, to: &Target| {
        let (kind, why) = desk.fails(&desk.row(to, "hello")).await;
        assert_eq!(kind, "gone", "{why}");
        why
    };
    desk.platform.denies(ROOM, deny::SEND_MESSAGES);
    let told = why(&desk, &room()).await;
    assert!(told.contains("(50013)") && told.contains("\"Send Messages\""), "{told}");
    why(&desk, &room()).await;
    assert_eq!(desk.calls("send"), 1, "what is refused is remembered");
    desk.restarts();
    desk.platform.denies(ROOM, deny::VIEW_CHANNEL);
    let told = why(&desk, &room()).await;
    assert!(told.contains("(50001)") && told.contains("\"View Channel\""), "{told}");
    desk.platform.denies(ROOM, 0);
    desk.restarts();

    let forum = desk.platform.forum(GUILD, ROOM + 1, "forum");
    assert!(why(&desk, &Target::of(forum.to_string())).await.contains("(50008)"));
    let thread = desk.platform.thread(ROOM, ANN, "thread", false);
    desk.platform.archives(thread, true);
    assert!(why(&desk, &Target::of(thread.to_string())).await.contains("locked (160005)"));
    desk.platform.deletes_channel(ROOM);
    assert!(why(&desk, &room()).await.contains("(10003)"));
    desk.platform.closes_dms(ANN, true);
    let told = why(&desk, &Target::of(desk.platform.dm(ANN).to_string())).await;
    assert!(told.contains("takes no direct messages"), "{told}");
    desk.clean();
}

#[tokio::test]
async fn only_a_call_that_may_have_arrived_is_in_doubt() {
    let desk = Desk::with(json!({ "timeout": "2s" })).await;
    for (n, fault) in [
        Fault::Reset,
        Fault::ProcessedThenReset,
        Fault::Hang,
        Fault::ProcessedThenHang,
        Fault::Truncated,
        Fault::Answer(502, BAD_GATEWAY),
        Fault::Refuse(500, 0, "Internal Server Error"),
    ]
    .into_iter()
    .enumerate()
    {
        desk.platform.fails("send", None, fault.clone(), 1);
        let row = desk.row(&room(), &format!("number {n}"));
        assert_eq!(desk.fails(&row).await.0, "ambiguous", "{fault:?}");
        desk.sends(&again(&row)).await;
        assert_eq!(desk.platform.sent_count(ROOM), n + 1, "{fault:?}: none is lost, none doubled");
    }
    desk.platform.fails("send", None, Fault::Answer(403, "<html>"), 1);
    assert_eq!(desk.fails(&desk.row(&room(), "x")).await.0, "transient", "a proxy's");
    let absent = Desk::with(json!({ "api_url": "http://127.0.0.1:9" })).await;
    assert_eq!(absent.fails(&absent.row(&room(), "x")).await.0, "transient");
    desk.clean();
}

#[tokio::test]
async fn a_limit_rests_whom_it_is_about() {
    let desk = Desk::new().await;
    let other = Target::of(desk.platform.text_channel(GUILD, ROOM + 1, "other").to_string());
    let row = desk.row(&room(), "hello");
    desk.platform.fails("send", Some(ROOM), Fault::RetryAfter(0.3), 1);
    match desk.send(&row).await {
        Err(SendError::RateLimited { scope, retry_after }) => {
            assert_eq!((scope, retry_after), (format!("chat:{ROOM}"), Duration::from_millis(300)));
        }
        other => panic!("{other:?}"),
    }
    desk.sends(&desk.row(&other, "the others go on")).await;
    desk.platform.fails("send", Some(ROOM), Fault::RetryAfterShared(0.3), 1);
    assert_eq!(desk.fails(&row).await.0, "chat rests");
    desk.platform.fails("send", Some(ROOM), Fault::Refuse(400, 20016, "slow mode"), 1);
    assert_eq!(desk.fails(&row).await.0, "chat rests");
    desk.platform.fails("send", Some(ROOM + 1), Fault::RetryAfterAll(0.3), 1);
    assert_eq!(desk.fails(&desk.row(&other, "x")).await.0, "bot rests");
    desk.clean();
}

#[tokio::test]
async fn a_token_that_is_refused_is_the_channels_state() {
    let desk = Desk::new().await;
    desk.platform.set_token("another");
    assert_eq!(desk.fails(&desk.row(&room(), "hello")).await.0, "unauthorized");
    let state = desk.state.state();
    assert!(matches!(&state, ChannelState::BadCredentials { hint } if hint.contains("channels.dc.token")), "{state:?}");
}

#[tokio::test]
async fn what_is_said_can_be_refused() {
    let desk = Desk::new().await;
    for (status, code, message) in [
        (400, 50035, "Invalid Form Body"),
        (400, 50006, "Cannot send an empty message"),
        (400, 200_000, "Message was blocked by automatic moderation"),
        (400, 20009, "Explicit content cannot be sent to the desired recipient(s)"),
        (400, 240_000, "Message blocked by harmful links filter"),
    ] {
        desk.platform.fails("send", None, Fault::Refuse(status, code, message), 1);
        let (kind, why) = desk.fails(&desk.row(&room(), "hello")).await;
        assert!(kind == "rejected" && why.contains(message), "{kind}: {why}");
    }
    let mut strange = desk.row(&room(), "hello");
    strange.payload = "{}".to_owned();
    assert_eq!(desk.fails(&strange).await.0, "rejected");
    assert_eq!(desk.fails(&desk.row(&Target::of("nonsense"), "hello")).await.0, "rejected");
    desk.clean();
}
