//! Sessions that go on.

use super::*;

/// Nothing is lost, nothing is out of order, and no session is begun anew.
async fn goes_on(platform: &Platform, shard: &mut Listening, cut: impl Fn(&Platform)) {
    let before = platform.resumes();
    platform.says(ROOM, ANN, "before");
    cut(platform);
    for n in 0..20 {
        platform.says(ROOM, ANN, &format!("meanwhile {n}"));
    }
    assert_eq!(shard.text().await, "before");
    until("it is resumed", async || platform.resumes() > before).await;
    platform.says(ROOM, ANN, "after");
    for n in 0..20 {
        assert_eq!(shard.text().await, format!("meanwhile {n}"));
    }
    assert_eq!(shard.text().await, "after");
    assert_eq!(platform.identifies(), 1);
}

#[tokio::test]
async fn a_session_goes_on_after_whatever_cut_it_off() {
    let platform = platform().await;
    let bot = Bot::new(&platform, QUICK);
    let mut shard = bot.listens(None);
    shard.begins().await;
    goes_on(&platform, &mut shard, Platform::drops_connections).await;
    goes_on(&platform, &mut shard, Platform::reconnects).await;
    goes_on(&platform, &mut shard, |platform| platform.invalidates(true)).await;
    goes_on(&platform, &mut shard, Platform::closes_without_code).await;
    until("it is connected", async || bot.is_connected()).await;
    assert_eq!(platform.resumes(), 4);
    clean(&platform);
}

#[tokio::test]
async fn a_session_goes_on_after_codes_that_do_not_end_it() {
    let codes = [1000, 1001, 4000, 4001, 4002, 4005, 4006, 4008, 4999];
    let all = codes.map(|code| async move {
        let platform = platform().await;
        let mut shard = Bot::new(&platform, QUICK).listens(None);
        shard.begins().await;
        goes_on(&platform, &mut shard, |platform| platform.closes(code)).await;
        clean(&platform);
    });
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn a_session_outlasts_an_outage_of_the_gateway() {
    let platform = platform().await;
    let bot = Bot::new(&platform, QUICK);
    let mut shard = bot.listens(None);
    shard.begins().await;
    platform.gateway_is_down(true);
    platform.drops_connections();
    platform.says(ROOM, ANN, "meanwhile");
    let before = platform.connections().len();
    until("attempts", async || platform.connections().len() >= before + 3).await;
    assert!(matches!(bot.state.state(), ChannelState::Reconnecting { .. }), "{:?}", bot.state.state());
    platform.gateway_is_down(false);
    until("it is resumed", async || platform.resumes() == 1 && bot.is_connected()).await;
    assert_eq!(shard.text().await, "meanwhile");
    assert_eq!(platform.identifies(), 1);
    clean(&platform);
}

#[tokio::test]
async fn a_session_goes_on_in_another_process() {
    let platform = platform().await;
    let mut first = Bot::new(&platform, QUICK).listens(None);
    first.begins().await;
    platform.says(ROOM, ANN, "one");
    platform.says(ROOM, ANN, "two");
    let (session, text) = first.message().await;
    assert_eq!(text, "one");
    // "two" was handed over, too, but not dealt with.
    assert_eq!(first.text().await, "two");
    first.stops().await;
    until("it is gone", async || platform.connected() == 0).await;
    platform.says(ROOM, ANN, "three");
    let stored = serde_json::to_string(&session).unwrap();
    let bot = Bot::new(&platform, QUICK);
    let mut second = bot.listens(Some(serde_json::from_str(&stored).unwrap()));
    assert_eq!((second.text().await, second.text().await), ("two".to_owned(), "three".to_owned()));
    second.hears("RESUMED").await;
    assert!(bot.is_connected());
    assert_eq!((platform.identifies(), platform.resumes()), (1, 1));
    clean(&platform);
}
