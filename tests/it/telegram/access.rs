//! Who may, and whose conversation it is.

use super::platform::{Draft, Platform};
use super::{World, keyed};

const ANN: i64 = 7;
const BEA: i64 = 8;
const EVE: i64 = 666;
const TEA: i64 = -1_001_000_000_001;
const COFFEE: i64 = -1_001_000_000_002;

async fn world(id: &str, keys: &[(&str, &str)]) -> World {
    let platform = Platform::start().await;
    platform.forum(TEA, "Tea");
    platform.supergroup(COFFEE, "Coffee");
    World::on(platform, id, |setup| keyed(setup, id, keys)).await
}

fn named(chat: i64, user: i64, text: &str) -> Draft {
    Draft::new(chat, user).text(&format!("@bridge_test_bot {text}"))
}

#[tokio::test]
async fn lists_of_people_and_groups_decide_who_is_let_in() {
    let keys = [("ACCESS__ALLOW_USERS", "7"), ("ACCESS__ALLOW_CHATS", "-1001000000001"), ("ACCESS__DENY_USERS", "666")];
    let world = world("tg_lists", &keys).await;
    world.platform.says(BEA, BEA, "bea in private");
    world.platform.says(EVE, EVE, "eve in private");
    world.platform.sends(named(TEA, EVE, "eve in the allowed group"));
    world.platform.sends(named(COFFEE, BEA, "bea in another group"));
    world.heard().await;
    world.platform.says(ANN, ANN, "ann in private");
    world.gets(ANN, 1).await;
    world.platform.sends(named(TEA, BEA, "bea in the allowed group"));
    world.gets(TEA, 1).await;
    world.platform.sends(named(COFFEE, ANN, "ann in another group"));
    world.gets(COFFEE, 1).await;
    world.rests().await;
    assert_eq!(world.asked(), ["ann in private", "bea in the allowed group", "ann in another group"]);
    assert_eq!(world.counted("bridge_events_total", &[("result", "not_allowed")]).await, 4);
    assert_eq!(world.platform.sent_count(BEA) + world.platform.sent_count(EVE), 0, "nobody is told anything");
}

#[tokio::test]
async fn admins_have_commands_of_their_own() {
    let world = world("tg_admins", &[("ACCESS__ADMINS", "7"), ("ACCESS__ADMIN_COMMANDS", "reset")]).await;
    world.platform.says(BEA, BEA, "/reset");
    assert_eq!(world.gets(BEA, 1).await, ["Only administrators may use this command."]);
    world.platform.sends(Draft::new(TEA, ANN).text("/reset@bridge_test_bot"));
    assert_eq!(world.gets(TEA, 1).await, ["Done: this is a new conversation."]);
    world.platform.sends(Draft::new(TEA, BEA).text("/reset"));
    world.platform.sends(Draft::new(TEA, BEA).text("/reset@bridge_test_bot"));
    assert_eq!(world.gets(TEA, 2).await[1], "Only administrators may use this command.");
    world.rests().await;
    assert_eq!(world.platform.sent_count(TEA), 2);
}

#[tokio::test]
async fn the_scope_says_whose_conversation_it_is() {
    let nick = |chat: &str, person: &str, shared: bool| if shared { chat.to_owned() } else { person.to_owned() };
    // Who shares a conversation: by the number of the first that is in it.
    for (scope, shared, expected) in [
        ("user", false, [0, 1, 0, 0, 0]),
        ("chat", true, [0, 0, 0, 3, 4]),
        ("user_in_chat", false, [0, 1, 0, 3, 4]),
        ("thread", true, [0, 0, 2, 3, 4]),
    ] {
        let id = format!("tg_scope_{scope}");
        let world = world(&id, &[("SCOPE", scope)]).await;
        world.platform.user(ANN, "Ann Lee", Some("en"));
        world.platform.user(BEA, "Bea", None);
        let topic = world.platform.topic(TEA, ANN, "Green");
        let drafts = [
            (TEA, named(TEA, ANN, "1")),
            (TEA, named(TEA, BEA, "2")),
            (TEA, named(TEA, ANN, "3").thread(topic)),
            (COFFEE, named(COFFEE, ANN, "4")),
            (ANN, Draft::new(ANN, ANN).text("5")),
        ];
        for (chat, draft) in drafts {
            let sent = world.platform.sent_count(chat);
            world.platform.sends(draft);
            world.gets(chat, sent + 1).await;
        }
        world.rests().await;
        let log: Vec<_> = world.bridge.sandbox.log().into_iter().filter(|entry| entry.text.is_some()).collect();
        let seen: Vec<_> = log.iter().map(|entry| entry.uid.clone().unwrap()).collect();
        let first = |uid: &String| seen.iter().position(|other| other == uid).unwrap();
        assert_eq!(seen.iter().map(first).collect::<Vec<_>>(), expected, "{scope}: {seen:?}");
        assert!(seen.iter().all(|uid| uid.starts_with(&id) || uid.starts_with("h-")), "{scope}: {seen:?}");
        if scope == "user" {
            assert_eq!(seen[..2], [format!("{id}-7"), format!("{id}-8")]);
        }
        let names: Vec<_> = log.iter().map(|entry| entry.nickname.clone().unwrap_or_default()).collect();
        let tea = |person: &str| nick("Tea", person, shared);
        assert_eq!(
            names,
            [tea("Ann Lee"), tea("Bea"), tea("Ann Lee"), nick("Coffee", "Ann Lee", shared), "Ann Lee".to_owned()],
            "{scope}"
        );
    }
}
