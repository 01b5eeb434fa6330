//! When the bot answers among several, and who counts as a person there.

use super::platform::{BOT_NAME, Draft, Platform};
use super::polling::recorded;
use super::{World, keyed};

const ANN: i64 = 7;
const BEA: i64 = 8;
const TEA: i64 = -1_001_000_000_001;
const COFFEE: i64 = -2;
const NEWS: i64 = -1_001_000_000_009;

async fn world(id: &str, keys: &[(&str, &str)]) -> World {
    let platform = Platform::start().await;
    platform.supergroup(TEA, "Tea");
    platform.group(COFFEE, "Coffee");
    World::on(platform, id, |setup| keyed(setup, id, keys)).await
}

/// Sends each and waits for its answer; what was asked for it, or how its answer begins if nothing was asked.
async fn hears(world: &World, chat: i64, drafts: impl IntoIterator<Item = Draft>) -> Vec<String> {
    let mut heard = Vec::new();
    for draft in drafts {
        let (asked, sent) = (world.asked().len(), world.platform.sent_count(chat));
        world.platform.sends(draft);
        let answer = world.gets(chat, sent + 1).await.pop().unwrap();
        heard.push(world.asked().into_iter().nth(asked).unwrap_or_else(|| format!("told: {}", &answer[..8])));
    }
    heard
}

fn draft(text: &str) -> Draft {
    Draft::new(TEA, ANN).text(&text.replace("@me", &format!("@{BOT_NAME}")))
}

#[tokio::test]
async fn it_answers_in_groups_when_it_is_addressed() {
    let world = world("tg_groups", &[("PATTERNS", r"(?i)^bot\b, 小幫手")]).await;
    let heard = hears(
        &world,
        TEA,
        [
            draft("@me what is tea?"),
            draft("茶🍵👩‍👩‍👧‍👦 @me 是什麼？"),
            draft("what is 🍵, @me?"),
            draft(&format!("@{}: upper", BOT_NAME.to_uppercase())),
            draft("please ask Cai about it").text_mention("Cai", super::platform::BOT_ID),
            draft("Bot, are you there?"),
            draft("請問小幫手在嗎"),
            draft("@me"),
            draft("/help@bridge_test_bot"),
            draft("/weather@bridge_test_bot Taipei"),
        ],
    )
    .await;
    let expected = [
        "what is tea?",
        "茶🍵👩‍👩‍👧‍👦 是什麼？",
        "what is 🍵?",
        "upper",
        "please ask about it",
        "Bot, are you there?",
        "請問小幫手在嗎",
        "told: Write to",
        "told: Write to",
        "/weather Taipei",
    ];
    assert_eq!(heard, expected);
    // Answers name their questions here; a reply to one of them needs no name.
    let answer = world.platform.sent(TEA).remove(0);
    assert!(answer.reply_to.is_some());
    assert_eq!(hears(&world, TEA, [draft("and why?").reply_to(answer.message)]).await, ["and why?"]);
    world.rests().await;
}

#[tokio::test]
async fn what_people_say_among_themselves_is_neither_asked_nor_stored() {
    let world = world("tg_private_talk", &[]).await;
    let secret = world.platform.says(TEA, ANN, "between-us-1");
    world.platform.says(TEA, BEA, "between-us-2 @some_other_bot");
    world.platform.sends(draft("/start@some_other_bot between-us-3"));
    world.platform.sends(draft("/start between-us-4"));
    world.platform.sends(draft("between-us-5").reply_to(secret));
    world.platform.edits(TEA, secret, "between-us-6");
    world.heard().await;
    world.platform.sends(draft("@me hello"));
    world.gets(TEA, 1).await;
    world.rests().await;
    assert_eq!(world.asked(), ["hello"]);
    assert_eq!(recorded(&world), 1);
    for file in ["bridge.db", "bridge.db-wal"] {
        let bytes = std::fs::read(world.bridge.folder().join(file)).unwrap_or_default();
        assert!(!bytes.windows(10).any(|part| part == b"between-us"), "{file} holds what was none of our business");
    }
    let counted = async |result| world.counted("bridge_events_total", &[("result", result)]).await;
    assert_eq!((counted("not_addressed").await, counted("for_another_bot").await), (5, 1));
}

#[tokio::test]
async fn always_never_and_single_groups() {
    let always = world("tg_always", &[("GROUPS", "always")]).await;
    assert_eq!(hears(&always, TEA, [draft("hello"), draft("/id")]).await, ["hello", "told: Your id "]);
    always.rests().await;
    let never = world("tg_never", &[("GROUPS", "never"), ("ALWAYS_IN", "-2")]).await;
    never.platform.sends(draft("@me hello"));
    never.platform.sends(draft("/help@bridge_test_bot"));
    assert_eq!(hears(&never, COFFEE, [Draft::new(COFFEE, ANN).text("anybody?")]).await, ["anybody?"]);
    never.platform.says(ANN, ANN, "private");
    never.gets(ANN, 1).await;
    never.rests().await;
    assert_eq!(never.platform.sent_count(TEA), 0);
    let bare = world("tg_bare", &[("BARE_COMMANDS", "true")]).await;
    bare.platform.sends(draft("/weather"));
    assert_eq!(hears(&bare, TEA, [draft("/id")]).await, ["told: Your id "]);
    bare.rests().await;
    assert!(bare.asked().is_empty());
}

#[tokio::test]
async fn bots_and_its_own_echo_are_not_answered() {
    let world = world("tg_bots", &[("GROUPS", "always")]).await;
    let other = world.platform.other_bot(99, "some_other_bot");
    world.platform.sends(Draft::new(TEA, other).text("@bridge_test_bot hello"));
    world.platform.sends(Draft::new(TEA, super::platform::BOT_ID).text("what I said"));
    let me = serde_json::json!({ "id": super::platform::BOT_ID, "is_bot": true, "first_name": "Bridge" });
    world.platform.sends(draft("an inline result").with("via_bot", me));
    assert_eq!(hears(&world, TEA, [draft("hello")]).await, ["hello"]);
    world.rests().await;
    assert_eq!(world.asked(), ["hello"]);
    let counted = async |result| world.counted("bridge_events_total", &[("result", result)]).await;
    assert_eq!((counted("from_a_bot").await, counted("own_echo").await), (1, 2));
}

#[tokio::test]
async fn who_speaks_as_a_chat_is_a_person() {
    let world = world("tg_chats", &[]).await;
    world.platform.channel(NEWS, "The News");
    let named = |text: &str| draft(&format!("@me {text}"));
    let heard = hears(
        &world,
        TEA,
        [
            named("as the group").anonymously(),
            named("as a channel").posing_as(NEWS),
            named("as the linked channel").forwarded_from(NEWS),
        ],
    )
    .await;
    assert_eq!(heard, ["as the group", "as a channel", "as the linked channel"]);
    let log = world.bridge.sandbox.log();
    let who: Vec<_> =
        log.into_iter().filter(|entry| entry.text.is_some()).map(|entry| (entry.uid, entry.nickname)).collect();
    assert_eq!(who[1], who[2], "one channel is one person");
    assert_ne!(who[0].0, who[1].0);
    let names: Vec<_> = who.iter().map(|(_, name)| name.as_deref().unwrap_or_default()).collect();
    assert_eq!(names, ["admin", "The News", "The News"]);
    world.rests().await;
}

#[tokio::test]
async fn answers_stay_in_their_topic() {
    let platform = Platform::start().await;
    platform.forum(TEA, "Forum");
    let world = World::on(platform, "tg_topics", |setup| setup).await;
    let (green, black) = (world.platform.topic(TEA, ANN, "Green"), world.platform.topic(TEA, ANN, "Black"));
    world.bridge.sandbox.set_latency(std::time::Duration::from_millis(500));
    world.platform.sends(draft("@me in green").thread(green));
    world.gets(TEA, 1).await;
    world.platform.sends(draft("@me in black").thread(black));
    world.gets(TEA, 2).await;
    world.platform.sends(draft("@me in general"));
    // A thread of replies in a group without topics is no place.
    let sent = world.gets_messages(TEA, 3).await;
    assert_eq!(sent.iter().map(|sent| sent.thread).collect::<Vec<_>>(), [Some(green), Some(black), None]);
    assert!(world.platform.typing(TEA).len() >= 3);
    let threads: Vec<_> = world.platform.actions(TEA).iter().map(|action| action.thread).collect();
    assert!(threads.contains(&Some(green)) && threads.contains(&Some(black)) && threads.contains(&None));
    // A topic that is gone does not keep the answer from its chat.
    world.bridge.sandbox.set_latency(std::time::Duration::from_millis(300));
    world.platform.sends(draft("@me too late").thread(green));
    world.heard().await;
    world.platform.deletes_topic(TEA, green);
    assert_eq!(world.gets_messages(TEA, 4).await[3].thread, None);
    world.rests().await;
}

#[tokio::test]
async fn posts_in_channels_are_answered_only_if_so_wished() {
    for (id, wanted) in [("tg_posts_off", false), ("tg_posts_on", true)] {
        let platform = Platform::start().await;
        platform.channel(NEWS, "The News");
        // From before the bridge said what it wants.
        platform.sends(Draft::new(NEWS, ANN).text("early"));
        let keys: &[(&str, &str)] = if wanted { &[("CHANNEL_POSTS", "true")] } else { &[] };
        let world = World::on(platform, id, |setup| keyed(setup, id, keys)).await;
        world.is("connected").await;
        world.heard().await;
        world.platform.sends(Draft::new(NEWS, ANN).text("late"));
        world.platform.says(ANN, ANN, "private");
        world.gets(ANN, 1).await;
        world.gets(NEWS, if wanted { 2 } else { 0 }).await;
        world.rests().await;
        assert_eq!(world.platform.sent_count(NEWS), if wanted { 2 } else { 0 });
        assert_eq!(world.asked().len(), if wanted { 3 } else { 1 });
    }
}
