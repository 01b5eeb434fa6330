//! What Telegram says no to: chats that are closed to the bot, and the bot's own token.

use std::time::Duration;

use super::World;
use super::platform::Fault;
use crate::support::until;

const ANN: i64 = 7;
const BEA: i64 = 8;
const GROUP: i64 = -1001;

#[tokio::test]
async fn a_chat_that_is_closed_ends_what_waits_for_it_and_nothing_else() {
    let world = World::new("tgd_closed").await;
    world.platform.supergroup(GROUP, "Friends");
    world.bridge.sandbox.set_latency(Duration::from_millis(150));
    let shut: [(i64, &dyn Fn(i64)); 5] = [
        (100, &|user| world.platform.shuts_out(user)),
        (101, &|user| world.platform.deactivates(user)),
        (102, &|user| world.platform.forgets_chat(user)),
        (103, &|user| {
            let refused = Fault::Refuse(403, "Forbidden: bot can't initiate conversation with a user");
            world.platform.fails("sendmessage", Some(user), refused, 0);
        }),
        (GROUP, &|group| world.platform.shuts_out(group)),
    ];
    for (chat, shuts) in shut {
        let before = world.platform.attempts("sendmessage").len();
        let writer = if chat > 0 { chat } else { ANN };
        for text in ["@bridge_test_bot one", "@bridge_test_bot two"] {
            world.platform.says(chat, writer, text);
        }
        until("it is asked", async || world.bridge.sandbox.in_flight() == 1).await;
        shuts(chat);
        world.platform.says(BEA, BEA, "hello");
        until("nothing is left", async || world.platform.pending() == 0 && world.open_work().await.is_empty()).await;
        let calls = world.platform.attempts("sendmessage");
        let tried = calls[before..].iter().filter(|call| call.chat == Some(chat)).count();
        assert_eq!(tried, 1, "{chat}: once is enough");
        assert_eq!(world.platform.sent_count(chat), 0);
    }
    assert_eq!(world.gets(BEA, 5).await.len(), 5, "others go on");
    assert_eq!(world.counted("bridge_sends_total", &[("result", "target_gone")]).await, 5);

    // Whoever comes back is answered again.
    world.platform.lets_in(100);
    world.platform.says(100, 100, "hello again");
    assert!(world.gets(100, 1).await[0].contains("hello again"));
    world.rests().await;
}

#[tokio::test]
async fn a_chat_in_which_the_bot_may_not_write_is_left_alone_until_somebody_writes_there() {
    let world = World::new("tgd_rights").await;
    for (n, refusal) in [
        "Bad Request: not enough rights to send text messages to the chat",
        "Bad Request: have no rights to send a message",
        "Bad Request: CHAT_ADMIN_REQUIRED",
    ]
    .into_iter()
    .enumerate()
    {
        let group = GROUP - i64::try_from(n).unwrap();
        world.platform.supergroup(group, "Friends");
        world.platform.fails("sendmessage", Some(group), Fault::Refuse(400, refusal), 1);
        world.platform.says(group, ANN, "@bridge_test_bot one");
        until(refusal, async || world.platform.attempts("sendmessage").iter().any(|call| call.chat == Some(group)))
            .await;
        world.rests().await;
        assert_eq!(world.platform.sent_count(group), 0, "{refusal}");
        world.platform.says(group, ANN, "@bridge_test_bot two");
        assert!(world.gets(group, 1).await[0].contains("two"), "{refusal}");
    }
    world.rests().await;
}

#[tokio::test]
async fn a_bot_that_was_logged_out_loses_nothing() {
    let world = World::new("tgd_logged_out").await;
    world.platform.fails("sendmessage", None, Fault::Refuse(400, "Logged out"), 2);
    world.platform.says(ANN, ANN, "hello");
    assert_eq!(world.gets(ANN, 1).await, ["Turn 1: you said \"hello\""]);
    world.rests().await;
    assert_eq!(world.platform.attempts("sendmessage").len(), 3);
}
