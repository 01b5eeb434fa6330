//! Sessions that end, and what is final.

use super::*;

#[tokio::test]
async fn a_new_session_is_begun_where_the_old_one_has_ended() {
    type Cut = fn(&Platform);
    let cuts: [Cut; 4] = [
        |platform| {
            platform.forgets_sessions();
            platform.closes(4003);
        },
        |platform| platform.closes(4007),
        |platform| platform.closes(4009),
        |platform| platform.invalidates(false),
    ];
    let all = cuts.map(|cut| async move {
        let platform = platform().await;
        let mut shard = Bot::new(&platform, QUICK).listens(None);
        let first = shard.begins().await;
        cut(&platform);
        let second = shard.begins().await;
        assert_ne!(first.id, second.id);
        platform.says(ROOM, ANN, "here");
        assert_eq!(shard.text().await, "here");
        assert_eq!((platform.identifies(), platform.logins().len()), (2, 2), "no RESUME of what is over");
        clean(&platform);
    });
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn a_session_that_discord_forgot_is_begun_anew_after_one_attempt() {
    let platform = platform().await;
    let mut shard = Bot::new(&platform, QUICK).listens(None);
    let first = shard.begins().await;
    platform.forgets_sessions();
    platform.drops_connections();
    let second = shard.begins().await;
    assert_ne!(first.id, second.id);
    let outcomes: Vec<_> = platform.logins().into_iter().map(|login| login.outcome).collect();
    assert_eq!(outcomes, ["ready", "invalid", "ready"]);
    clean(&platform);
}

#[tokio::test]
async fn some_codes_are_final() {
    let all = [4004, 4010, 4011, 4012, 4013, 4014].map(|code| async move {
        let platform = platform().await;
        let mut shard = Bot::new(&platform, QUICK).listens(None);
        shard.begins().await;
        platform.closes(code);
        let ended = shard.ended().await;
        match code {
            4004 => assert!(matches!(&ended, Ended::BadToken(why) if why.contains("4004")), "{ended:?}"),
            4010 | 4011 => assert_eq!(ended, Ended::Sharding),
            4012 => assert!(matches!(&ended, Ended::Protocol(why) if why.contains("version")), "{ended:?}"),
            _ => assert_eq!(ended, Ended::Intents),
        }
        assert_eq!(platform.connections().len(), 1);
        clean(&platform);
    });
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn what_discord_refuses_is_said_before_anything_is_begun() {
    let platform = platform().await;
    platform.grants_message_content(false);
    let bot = Bot::new(&platform, QUICK);
    assert_eq!(bot.listens(None).ended().await, Ended::Intents);
    let shard = Shard { number: 3, of: 3 };
    assert_eq!(bot.listens_as(shard, None, 8).ended().await, Ended::Sharding);
    platform.set_token("another");
    assert!(matches!(bot.listens(None).ended().await, Ended::BadToken(_)));
    assert_eq!(platform.connections().len(), 2, "a token that REST refuses is not shown to the gateway");
    let url = platform.gateway_url().into();
    let stored = Session { id: "stored".into(), url, seq: 1 };
    assert!(matches!(bot.listens(Some(stored)).ended().await, Ended::BadToken(_)));
    clean(&platform);
}

#[tokio::test]
async fn it_ends_when_nobody_listens() {
    let platform = platform().await;
    let mut shard = Bot::new(&platform, QUICK).listens(None);
    shard.begins().await;
    let Listening { events, task, stop: _stop } = shard;
    drop(events);
    platform.says(ROOM, ANN, "to nobody");
    assert_eq!(tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap(), Ended::Stopped);
    clean(&platform);
}

#[tokio::test]
async fn a_stop_is_quick_at_every_point() {
    let platform = platform().await;
    platform.gateway_is_down(true);
    let trying = Bot::new(&platform, QUICK).listens(None);
    until("an attempt", async || !platform.connections().is_empty()).await;
    let begun = std::time::Instant::now();
    trying.stops().await;
    platform.gateway_is_down(false);
    platform.leaves_starts(0);
    let bot = Bot::new(&platform, QUICK);
    let waiting = bot.listens(None);
    until("it waits", async || !bot.trouble().is_empty()).await;
    waiting.stops().await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    clean(&platform);
}
