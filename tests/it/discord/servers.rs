//! When the bot answers in servers, and who counts as a person there.

use serde_json::json;

use super::platform::{BOT, Draft, Platform, Slash};
use super::{ANN, BEA, GUILD, ROOM, World, keyed, platform};
use crate::support::until;

pub(super) const TEA: u64 = 41_771_983_423_144_001;
pub(super) const COFFEE: u64 = 41_771_983_423_144_002;
pub(super) const FORUM: u64 = 41_771_983_423_144_003;
pub(super) const CATEGORY: u64 = 41_771_983_423_144_004;
pub(super) const OWN_ROLE: u64 = 41_771_983_423_144_005;
pub(super) const GUESTS: u64 = 41_771_983_423_144_006;

/// A server with more than a room: two channels, one of them in a category, a forum, the bot's role and another one.
pub(super) async fn house() -> Platform {
    let platform = platform().await;
    platform.text_channel(GUILD, TEA, "tea");
    platform.category(GUILD, CATEGORY, "Drinks");
    platform.puts_into(CATEGORY, platform.text_channel(GUILD, COFFEE, "coffee"));
    platform.forum(GUILD, FORUM, "questions");
    platform.own_role(GUILD, OWN_ROLE, "Cai");
    platform.role(GUILD, GUESTS, "Guests");
    platform
}

pub(super) async fn world(id: &str, keys: &[(&str, &str)]) -> World {
    World::on(house().await, id, |setup| keyed(setup, id, keys)).await
}

/// A message in the room; `@me` is the bot.
pub(super) fn draft(text: &str) -> Draft {
    Draft::new(ROOM, ANN).text(&text.replace("@me", &format!("<@{BOT}>")))
}

/// Sends each and waits for its answer in a chat; what was asked for it, or how its answer begins if nothing was asked.
pub(super) async fn hears(world: &World, chat: u64, drafts: impl IntoIterator<Item = Draft>) -> Vec<String> {
    let mut heard = Vec::new();
    for draft in drafts {
        let (asked, sent) = (world.asked().len(), world.platform.sent_count(chat));
        world.platform.sends(draft);
        let answer = world.gets(chat, sent + 1).await.pop().unwrap();
        heard.push(world.asked().into_iter().nth(asked).unwrap_or_else(|| format!("told: {}", &answer[..8])));
    }
    heard
}

/// The same for plain words in a chat of a server, without any mention.
pub(super) async fn hears_bare(world: &World, chat: u64, text: &str) {
    assert_eq!(hears(world, chat, [Draft::new(chat, BEA).text(text)]).await, [text]);
}

pub(super) async fn counted(world: &World, result: &str) -> u64 {
    world.counted("bridge_events_total", &[("result", result)]).await
}

#[tokio::test]
async fn it_answers_in_servers_when_it_is_addressed() {
    let mut world = world("dc_servers", &[("PATTERNS", r"(?i)^bot\b, 小幫手")]).await;
    let heard = hears(
        &world,
        ROOM,
        [
            draft("@me what is tea?"),
            draft("茶🍵👩‍👩‍👧‍👦 @me 是什麼？"),
            draft("what is 🍵, @me?"),
            draft(&format!("<@!{BOT}>: in the old way")),
            draft("please ask @me about it"),
            draft(&format!("<@&{OWN_ROLE}> and by its role?")),
            draft("Bot, are you there?"),
            draft("請問小幫手在嗎"),
            draft("@me"),
        ],
    )
    .await;
    let expected = [
        "what is tea?",
        "茶🍵👩‍👩‍👧‍👦 是什麼？",
        "what is 🍵?",
        "in the old way",
        "please ask about it",
        "and by its role?",
        "Bot, are you there?",
        "請問小幫手在嗎",
        "told: Write to",
    ];
    assert_eq!(heard, expected);
    // A reply needs no name, whether it pings or not.
    let answer = world.platform.sent(ROOM).remove(0).message;
    let replies = [draft("and why?").reply_to(answer), draft("and how?").reply_to(answer).quietly()];
    assert_eq!(hears(&world, ROOM, replies).await, ["and why?", "and how?"]);
    assert_eq!(world.platform.attempts("guild").len(), 0, "the gateway told the roles");

    // A session that goes on tells nothing again: the role is asked for, once.
    world.starts_again(&[]).await;
    let by_role = || draft(&format!("<@&{OWN_ROLE}> still there?"));
    assert_eq!(hears(&world, ROOM, [by_role(), by_role()]).await, ["still there?", "still there?"]);
    world.rests().await;
    assert_eq!((world.platform.identifies(), world.platform.resumes()), (1, 1));
    assert_eq!(world.platform.attempts("guild").len(), 1);
}

#[tokio::test]
async fn what_comes_later_is_learnt() {
    let world = world("dc_later", &[("ALWAYS_IN", &CATEGORY.to_string())]).await;
    let (club, bar) = (41_771_983_423_150_000, 41_771_983_423_150_001);
    world.platform.guild(club, "The Club");
    world.platform.text_channel(club, bar, "bar");
    world.platform.own_role(club, OWN_ROLE + 100, "Cai");
    world.platform.joins(club);
    let by_role = Draft::new(bar, ANN).text(&format!("<@&{}> what is tea?", OWN_ROLE + 100));
    assert_eq!(hears(&world, bar, [by_role]).await, ["what is tea?"]);
    // A channel that is made in a category, another one that is moved into it, and out again.
    let made = world.platform.text_channel(GUILD, TEA + 100, "juice");
    let changes = |chat: u64, parent: Option<u64>, kind: &str| {
        let mut json = world.platform.channel(chat).unwrap();
        json["parent_id"] = parent.map(|parent| parent.to_string()).into();
        world.platform.happens(kind, Some(GUILD), json);
    };
    changes(made, Some(CATEGORY), "CHANNEL_CREATE");
    changes(TEA, Some(CATEGORY), "CHANNEL_UPDATE");
    for chat in [made, TEA] {
        hears_bare(&world, chat, "anybody?").await;
    }
    changes(TEA, None, "CHANNEL_UPDATE");
    world.platform.says(TEA, ANN, "among people");
    world.heard().await;
    world.rests().await;
    assert_eq!((world.platform.sent_count(TEA), world.platform.attempts("channel").len()), (1, 0));
}

#[tokio::test]
async fn what_people_say_among_themselves_is_neither_asked_nor_stored() {
    let world = world("dc_private_talk", &[("PATTERNS", "^never-said")]).await;
    let platform = &world.platform;
    let secret = platform.says(ROOM, ANN, "between-us-1");
    platform.says(ROOM, BEA, &format!("<@{ANN}> between-us-2"));
    platform.says(ROOM, BEA, &format!("<@&{GUESTS}> between-us-3"));
    platform.says(ROOM, BEA, "@everyone between-us-4");
    platform.says(ROOM, BEA, "@here between-us-5");
    platform.sends(draft("between-us-6").reply_to(secret));
    platform.says(ROOM, BEA, &format!("`<@{BOT}>` between-us-7"));
    platform.edits(ROOM, secret, "between-us-8");
    platform.shows(ROOM, ANN, "not looked at", "between-us-9.png", "image/png", "");
    let thread = platform.thread(ROOM, ANN, "between-us-10", false);
    platform.says(thread, ANN, "between-us-11");
    platform.posts(FORUM, ANN, "between-us-12", "between-us-13");
    world.heard().await;
    assert_eq!(hears(&world, ROOM, [draft("@me hello")]).await, ["hello"]);
    world.rests().await;
    assert_eq!(world.asked(), ["was all heard?", "hello"]);
    let recorded: i64 =
        world.database().query_row("SELECT count(*) FROM journal WHERE kind = 0", [], |row| row.get(0)).unwrap();
    assert_eq!(recorded, 2);
    for file in ["bridge.db", "bridge.db-wal"] {
        let bytes = std::fs::read(world.bridge.folder().join(file)).unwrap_or_default();
        assert!(!bytes.windows(10).any(|part| part == b"between-us"), "{file} holds what was none of our business");
    }
    assert_eq!(counted(&world, "not_addressed").await, 11);
    assert_eq!(world.platform.downloads(), Vec::<String>::new());
}

#[tokio::test]
async fn always_and_never() {
    let always = world("dc_always", &[("SERVERS", "always")]).await;
    assert_eq!(hears(&always, ROOM, [draft("hello"), draft("@me hello")]).await, ["hello", "hello"]);
    let thread = always.platform.thread(ROOM, ANN, "a thread", false);
    hears_bare(&always, thread, "in a thread").await;
    always.rests().await;
    let room = ROOM.to_string();
    let never = world("dc_never", &[("SERVERS", "never"), ("ALWAYS_IN", &room), ("PATTERNS", "^bot")]).await;
    let earlier = never.platform.sends(draft("@me hello"));
    never.platform.sends(draft("bot, hello").reply_to(earlier));
    never.heard().await;
    let asked = never.platform.uses(Slash::new(ROOM, ANN, "ask").option("text", "by command"));
    until("the answer", async || never.platform.answers(asked).iter().any(|text| text.contains("by command"))).await;
    never.rests().await;
    assert_eq!(never.asked(), ["was all heard?", "by command"], "direct messages and commands are left");
}

#[tokio::test]
async fn everything_is_for_the_bot_in_some_channels_forums_and_categories() {
    let places = format!("{TEA}, {FORUM}, {CATEGORY}");
    let mut world = world("dc_always_in", &[("ALWAYS_IN", &places), ("FOLLOW_THREADS", "false")]).await;
    let on_tea = world.platform.thread(TEA, ANN, "green", false);
    let on_coffee = world.platform.thread(COFFEE, ANN, "black", false);
    let on_room = world.platform.thread(ROOM, ANN, "people", false);
    // Each post is a question, answered where it stands.
    let post = world.platform.posts(FORUM, ANN, "How long?", "How long does tea take?");
    let got = world.gets_messages(post, 1).await;
    assert!(got[0].text.contains("How long does tea take?"), "{got:?}");
    assert_eq!(got[0].reply_to, Some(post));
    let listens = async |world: &World, words: &str| {
        for chat in [TEA, on_tea, COFFEE, on_coffee, post] {
            hears_bare(world, chat, &format!("{words} in {chat}")).await;
        }
        for chat in [ROOM, on_room] {
            world.platform.says(chat, BEA, "among people");
            world.platform.says(chat, BEA, "and again");
        }
        world.heard().await;
    };
    listens(&world, "first").await;
    assert_eq!(world.platform.attempts("channel").len(), 0, "the gateway told where everything is");
    world.starts_again(&[]).await;
    listens(&world, "second").await;
    world.rests().await;
    assert_eq!(world.platform.sent_count(ROOM) + world.platform.sent_count(on_room), 0);
    // Each of them once; and what the threads hang on.
    let mut asked: Vec<_> = world.platform.attempts("channel").into_iter().filter_map(|call| call.channel).collect();
    asked.sort_unstable();
    let mut wanted = vec![ROOM, TEA, COFFEE, FORUM, on_tea, on_coffee, on_room, post];
    wanted.sort_unstable();
    assert_eq!(asked, wanted);
}

#[tokio::test]
async fn bots_webhooks_and_its_own_echo_are_not_answered() {
    let world = world("dc_bots", &[("SERVERS", "always")]).await;
    let platform = &world.platform;
    let bot = platform.bot(1_100_000_000_000_000_077, "other_bot");
    platform.sends(Draft::new(ROOM, bot).text(&format!("<@{BOT}> hello from a bot")));
    platform.sends(Draft::new(ROOM, 1_100_000_000_000_000_078).text(&format!("<@{BOT}> hello from a hook")).webhook());
    // A post of a channel in another server that this one follows.
    platform.sends(Draft::new(ROOM, 1_100_000_000_000_000_079).text("news").webhook().with("flags", json!(2)));
    platform.sends(Draft::new(ROOM, BOT).text("what I said elsewhere"));
    let before = platform.says(TEA, ANN, "kept");
    world.gets(TEA, 1).await;
    for kind in [1, 3, 6, 7, 8, 12, 18, 21, 22, 24, 25, 46] {
        platform.sends(draft("@me a message of the system").system(kind));
    }
    platform.pins(TEA, ANN, before);
    platform.unfolds(TEA, before);
    assert_eq!(hears(&world, ROOM, [draft("hello")]).await, ["hello"]);
    world.heard().await;
    world.rests().await;
    assert_eq!(world.asked(), ["kept", "hello", "was all heard?"]);
    assert_eq!(world.platform.sent_count(ROOM) + world.platform.sent_count(TEA), 2);
    let counted = async |result| counted(&world, result).await;
    assert_eq!((counted("from_a_bot").await, counted("from_a_webhook").await), (1, 2));
    assert_eq!((counted("service_message").await, counted("not_edited").await), (13, 1));
    assert_eq!(counted("own_echo").await, 1 + 3, "its answers come back, too");
}
