//! The budget of IDENTIFYs.

use super::*;

#[tokio::test]
async fn without_starts_left_nothing_is_begun_until_there_are_some() {
    let platform = platform().await;
    platform.leaves_starts(0);
    let bot = Bot::new(&platform, QUICK);
    let mut shard = bot.listens(None);
    until("it says so", async || bot.trouble().contains("no starts of sessions are left today; the next one in 4h"))
        .await;
    platform.leaves_starts(400);
    until("it says so", async || bot.trouble().contains("only 390 of 1000")).await;
    assert_eq!((platform.identifies(), platform.connections().len()), (0, 0));
    platform.leaves_starts(600);
    shard.begins().await;
    until("it is connected", async || bot.is_connected()).await;
    clean(&platform);
}

/// A RESUME needs no start.
#[tokio::test]
async fn without_starts_left_a_session_goes_on() {
    let platform = platform().await;
    let bot = Bot::new(&platform, QUICK);
    let mut shard = bot.listens(None);
    shard.begins().await;
    platform.leaves_starts(0);
    platform.drops_connections();
    shard.hears("RESUMED").await;
    platform.invalidates(false);
    until("it says so", async || bot.trouble().contains("no starts")).await;
    platform.leaves_starts(1_000);
    shard.begins().await;
    clean(&platform);
}

#[tokio::test]
async fn discord_recommends_a_number_of_shards() {
    let platform = platform().await;
    platform.recommends_shards(16, 4);
    let bot = Bot::new(&platform, QUICK);
    assert_eq!(bot.starts.recommended_shards(&bot.api).await.unwrap(), 16);
}

#[tokio::test]
async fn shards_of_one_bucket_start_one_after_the_other() {
    let platform = platform().await;
    platform.spaces_starts();
    platform.recommends_shards(2, 1);
    let bot = Bot::new(&platform, Timing::default());
    let mut shards = [0, 1].map(|number| bot.listens_as(Shard { number, of: 2 }, None, 64));
    let own = usize::try_from((GUILD >> 22) % 2).unwrap();
    for (number, shard) in shards.iter_mut().enumerate() {
        shard.hears("READY").await;
        if number == own {
            shard.hears("GUILD_CREATE").await;
        }
    }
    until("both are connected", async || bot.is_connected()).await;
    platform.says(ROOM, ANN, "in a server");
    platform.tells(ANN, "in private");
    assert_eq!(shards[own].text().await, "in a server");
    assert_eq!(shards[0].text().await, "in private");
    let mut began: Vec<_> = platform.logins().into_iter().map(|login| (login.shard, login.at)).collect();
    began.sort_unstable();
    assert_eq!((began[0].0, began[1].0), ((0, 2), (1, 2)));
    let apart = began[0].1.max(began[1].1) - began[0].1.min(began[1].1);
    assert!(apart >= Duration::from_secs(5), "{apart:?}");
    clean(&platform);
}

#[tokio::test]
async fn shards_of_several_buckets_start_side_by_side() {
    let platform = platform().await;
    platform.spaces_starts();
    platform.recommends_shards(4, 4);
    let bot = Bot::new(&platform, Timing { apart: Duration::from_secs(600), ..Timing::default() });
    let shards = [0, 1, 2, 3].map(|number| bot.listens_as(Shard { number, of: 4 }, None, 64));
    until("all are connected", async || bot.is_connected()).await;
    assert_eq!((platform.identifies(), platform.connected()), (4, 4));
    for shard in shards {
        shard.stops().await;
    }
    clean(&platform);
}
