//! Nobody takes the events: Discord keeps them.

use super::*;

#[tokio::test]
async fn a_slow_listener_loses_nothing_and_is_no_zombie() {
    let platform = platform().await;
    platform.beats(Duration::from_millis(600));
    let bot = Bot::new(&platform, QUICK);
    let mut shard = bot.listens_as(Shard { number: 0, of: 1 }, None, 1);
    shard.begins().await;
    let words = "x".repeat(1_900);
    for n in 0..300 {
        platform.says(ROOM, ANN, &format!("{n} {words}"));
    }
    let beats = platform.heartbeats().len();
    until("heartbeats", async || platform.heartbeats().len() >= beats + 3).await;
    for n in 0..300 {
        assert_eq!(shard.text().await, format!("{n} {words}"));
    }
    assert_eq!((platform.connections().len(), platform.identifies()), (1, 1));
    let beats = platform.heartbeats().len();
    until("heartbeats", async || platform.heartbeats().len() >= beats + 3).await;
    assert_eq!(platform.connections().len(), 1, "it sees the answers again");
    clean(&platform);
}

#[tokio::test]
async fn who_is_slow_for_too_long_is_told_the_rest_later() {
    let platform = platform().await;
    let bot = Bot::new(&platform, Timing { full: Duration::from_millis(200), ..QUICK });
    let mut shard = bot.listens_as(Shard { number: 0, of: 1 }, None, 4);
    shard.begins().await;
    for n in 0..100 {
        platform.says(ROOM, ANN, &n.to_string());
    }
    until("it is given up", async || platform.connected() == 0).await;
    until("it says so", async || bot.trouble().contains("more came in")).await;
    // Without room there is no other connection.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(platform.connections().len(), 1);
    for n in 0..100 {
        assert_eq!(shard.text().await, n.to_string());
    }
    until("it is connected", async || bot.is_connected()).await;
    assert_eq!(platform.identifies(), 1);
    assert!(platform.resumes() >= 1);
    clean(&platform);
}
