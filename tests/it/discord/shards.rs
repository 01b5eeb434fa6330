//! A bot that is divided among several connections.

use std::time::Duration;

use super::platform::Platform;
use super::{ANN, World, keyed};
use crate::support::until;

/// Servers of the first and of the second of two shards, each with a room
/// (<https://docs.discord.com/developers/events/gateway#sharding>).
const EVEN: u64 = 9_959_217_888 << 22;
const ODD: u64 = EVEN + (1 << 22);

async fn platform() -> Platform {
    let platform = Platform::start().await;
    for guild in [EVEN, ODD] {
        platform.guild(guild, "Server");
        platform.text_channel(guild, guild + 1, "room");
    }
    platform
}

/// Ann in private, and two others, who write in one server each.
fn chats(platform: &Platform) -> [(u64, u64); 3] {
    [(platform.dm(ANN), ANN), (EVEN + 1, ANN + 1), (ODD + 1, ANN + 2)]
}

fn all_write(platform: &Platform, text: &str) {
    for (chat, user) in chats(platform) {
        if user == ANN {
            platform.says(chat, user, text)
        } else {
            platform.asks(chat, user, text)
        };
    }
}

/// Everybody's last words are answered, and nothing else is.
async fn all_are_answered(world: &World, count: usize, text: &str) {
    for (chat, _) in chats(&world.platform) {
        let texts = world.gets(chat, count).await;
        assert_eq!(texts.len(), count, "{texts:?}");
        assert_eq!(texts[count - 1], format!("Turn {count}: you said \"{text}\""));
    }
    world.rests().await;
}

/// What is stored of each shard.
fn sources(world: &World) -> Vec<String> {
    let database = world.database();
    let mut query = database.prepare("SELECT source FROM cursors WHERE source LIKE '%:shard:%' ORDER BY 1").unwrap();
    let sources = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
    sources.map(|source| source.unwrap().rsplit_once(':').unwrap().1.to_owned()).collect()
}

#[tokio::test]
async fn as_many_connections_are_kept_as_discord_recommends() {
    let platform = platform().await;
    platform.recommends_shards(2, 2);
    platform.spaces_starts();
    let mut world = World::on(platform, "dc_shards_two", |setup| setup).await;
    assert_eq!(world.platform.connected(), 2);
    all_write(&world.platform, "first");
    all_are_answered(&world, 1, "first").await;
    // Each goes on with its own session, here and after a restart.
    world.platform.drops_connections();
    until("both are back", async || world.platform.resumes() == 2).await;
    world.bridge.stop().await;
    all_write(&world.platform, "second");
    world.starts_again(&[]).await;
    all_are_answered(&world, 2, "second").await;
    assert_eq!((world.platform.identifies(), world.platform.resumes()), (2, 4));
    assert_eq!(sources(&world), ["0/2", "1/2"]);
    // One that is down is the channel's trouble, by its number.
    world.platform.gateway_is_down(true);
    world.platform.drops_connections();
    world.is("reconnecting").await;
    assert!(world.standing().await["detail"].as_str().unwrap().starts_with("shard "));
    world.platform.gateway_is_down(false);
    world.is("connected").await;
}

#[tokio::test]
async fn with_a_number_each_starts_in_its_turn() {
    let platform = platform().await;
    platform.spaces_starts();
    let keys = [("SHARDS", "2")];
    let world = World::on(platform, "dc_shards_turns", |setup| keyed(setup, "dc_shards_turns", &keys)).await;
    until("both are there", async || world.platform.connected() == 2).await;
    let logins = world.platform.logins();
    let mut shards: Vec<_> = logins.iter().map(|login| login.shard).collect();
    shards.sort_unstable();
    assert_eq!(shards, [(0, 2), (1, 2)]);
    assert!(logins[1].at - logins[0].at >= Duration::from_secs(5));
    all_write(&world.platform, "hello");
    all_are_answered(&world, 1, "hello").await;
}

#[tokio::test]
async fn another_division_misses_nothing() {
    let platform = platform().await;
    let mut world = World::on(platform, "dc_shards_more", |setup| setup).await;
    all_write(&world.platform, "first");
    all_are_answered(&world, 1, "first").await;
    world.bridge.stop().await;
    all_write(&world.platform, "second");
    world.platform.recommends_shards(2, 2);
    world.starts_again(&[]).await;
    all_are_answered(&world, 2, "second").await;
    assert_eq!(world.platform.connected(), 2);
    // While it runs Discord may want more, and says so.
    world.platform.recommends_shards(4, 4);
    world.platform.forgets_sessions();
    all_write(&world.platform, "third");
    world.platform.closes(4011);
    until("there are four", async || world.platform.connected() == 4).await;
    all_are_answered(&world, 3, "third").await;
    assert_eq!(world.platform.logins().iter().filter(|login| login.shard.1 == 4).count(), 4);
}
