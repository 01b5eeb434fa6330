//! Who may, and whose conversation it is.

use super::platform::{Draft, Slash};
use super::servers::{GUESTS, TEA, counted, house, world};
use super::{ANN, BEA, GUILD, ROOM, World, at_bot, keyed};
use crate::support::until;

const EVE: u64 = 80_351_110_224_678_666;
const KIM: u64 = 80_351_110_224_678_777;
/// Another server, and a channel of it.
const CLUB: u64 = 41_771_983_423_150_000;
const BAR: u64 = 41_771_983_423_150_001;
const SALT: u64 = 41_771_983_423_150_002;

async fn two_servers(id: &str, keys: &[(&str, &str)]) -> World {
    let platform = house().await;
    platform.guild(CLUB, "The Club");
    platform.text_channel(CLUB, BAR, "bar");
    platform.text_channel(CLUB, SALT, "salt");
    for (user, name) in [(EVE, "Eve"), (KIM, "Kim")] {
        platform.user(user, name);
    }
    platform.member(GUILD, KIM, &[GUESTS], None);
    World::on(platform, id, |setup| keyed(setup, id, keys)).await
}

fn asks(world: &World, chat: u64, user: u64, text: &str) -> u64 {
    world.platform.sends(Draft::new(chat, user).text(&at_bot(text)))
}

/// What a person sees as the answer to a command.
async fn told(world: &World, slash: Slash) -> String {
    let used = world.platform.uses(slash);
    let said = async || world.platform.answers(used).first().is_some_and(|text| text != "…");
    until("the command is answered", said).await;
    world.platform.answers(used).remove(0)
}

#[tokio::test]
async fn lists_of_servers_channels_roles_and_people_decide_who_is_let_in() {
    let [ann, eve, guests, tea, salt, club] = [ANN, EVE, GUESTS, TEA, SALT, CLUB].map(|id| id.to_string());
    let keys = [
        ("ACCESS__ALLOW_GUILDS", &*club),
        ("ACCESS__ALLOW_CHATS", &tea),
        ("ACCESS__ALLOW_ROLES", &guests),
        ("ACCESS__ALLOW_USERS", &ann),
        ("ACCESS__DENY_CHATS", &salt),
        ("ACCESS__DENY_USERS", &eve),
    ];
    let mut world = two_servers("dc_lists", &keys).await;
    let (in_tea, in_salt) =
        (world.platform.thread(TEA, ANN, "green", false), world.platform.thread(SALT, ANN, "sea", false));
    for (chat, user, why) in [
        (ROOM, BEA, "named nowhere"),
        (TEA, EVE, "denied in an allowed channel"),
        (BAR, EVE, "denied in an allowed server"),
        (SALT, ANN, "in a denied channel"),
        (in_salt, KIM, "in its thread"),
        (world.platform.dm(BEA), BEA, "in private"),
        (world.platform.dm(KIM), KIM, "with a role that counts elsewhere"),
    ] {
        asks(&world, chat, user, why);
    }
    let let_in = [
        (ROOM, KIM, "by a role"),
        (TEA, BEA, "by the channel"),
        (in_tea, BEA, "by the channel of the thread"),
        (BAR, BEA, "by the server"),
        (ROOM, ANN, "by name"),
        (world.platform.dm(ANN), ANN, "by name in private"),
    ];
    for (chat, user, why) in let_in {
        let sent = world.platform.sent_count(chat);
        asks(&world, chat, user, why);
        world.gets(chat, sent + 1).await;
    }
    world.rests().await;
    assert_eq!(world.asked(), let_in.map(|(_, _, why)| why), "and nobody else");
    assert_eq!(counted(&world, "not_allowed").await, 7);
    for chat in [SALT, in_salt, world.platform.dm(BEA), world.platform.dm(KIM)] {
        assert_eq!(world.platform.sent_count(chat), 0, "nobody is told anything");
    }
    // But a command wants an answer.
    assert_eq!(told(&world, Slash::new(ROOM, BEA, "ask").option("text", "hm?")).await, "You cannot use this here.");
    let allowed = told(&world, Slash::new(ROOM, KIM, "ask").option("text", "by a role, too")).await;
    assert!(allowed.contains("by a role, too"), "{allowed}");
    // After a session that went on nobody tells whose threads they are.
    world.starts_again(&[]).await;
    asks(&world, in_salt, KIM, "still in its thread");
    asks(&world, in_tea, BEA, "still by the channel");
    world.gets(in_tea, 2).await;
    world.starts_again(&[]).await;
    let ask = |chat, user| told(&world, Slash::new(chat, user, "ask").option("text", "by a command"));
    assert_eq!(ask(in_salt, KIM).await, "You cannot use this here.");
    assert!(ask(in_tea, BEA).await.contains("by a command"));
    world.rests().await;
    assert_eq!((world.platform.resumes(), world.platform.sent_count(in_salt)), (2, 0));
}

#[tokio::test]
async fn a_direct_message_is_in_no_server() {
    let guild = GUILD.to_string();
    let world = world("dc_guild_only", &[("ACCESS__ALLOW_GUILDS", &guild)]).await;
    world.platform.tells(ANN, "in private");
    asks(&world, ROOM, ANN, "in the server");
    world.gets(ROOM, 1).await;
    world.rests().await;
    assert_eq!(world.asked(), ["in the server"]);
    assert_eq!((counted(&world, "not_allowed").await, world.platform.sent_count(world.platform.dm(ANN))), (1, 0));
}

#[tokio::test]
async fn admins_have_commands_of_their_own() {
    let [ann, club] = [ANN, CLUB].map(|id| id.to_string());
    let keys = [("ACCESS__ADMINS", &*ann), ("ACCESS__ADMIN_COMMANDS", "reset"), ("ACCESS__DENY_GUILDS", &club)];
    let world = two_servers("dc_admins", &keys).await;
    let reset = |chat, user| Slash::new(chat, user, "reset");
    assert_eq!(told(&world, reset(ROOM, BEA)).await, "Only administrators may use this command.");
    assert_eq!(told(&world, reset(ROOM, ANN)).await, "Done: this is a new conversation.");
    assert_eq!(told(&world, reset(BAR, ANN)).await, "Done: this is a new conversation.", "let in everywhere");
    assert_eq!(told(&world, reset(BAR, BEA)).await, "You cannot use this here.");
    world.rests().await;
}

#[tokio::test]
async fn roles_are_known_after_a_restart_and_in_what_was_missed() {
    let guests = GUESTS.to_string();
    let mut world = two_servers("dc_roles", &[("ACCESS__ALLOW_ROLES", &guests)]).await;
    asks(&world, ROOM, BEA, "no guest");
    asks(&world, ROOM, KIM, "a guest");
    world.gets(ROOM, 1).await;
    world.starts_again(&[]).await;
    asks(&world, ROOM, KIM, "a guest after a restart");
    world.gets(ROOM, 2).await;
    assert_eq!(world.platform.attempts("guild_member").len(), 0, "events tell the roles");

    // A history tells no roles.
    world.bridge.stop().await;
    for (user, text) in [(BEA, "no guest, missed"), (KIM, "a guest, missed"), (KIM, "and once more")] {
        asks(&world, ROOM, user, text);
    }
    world.platform.forgets_sessions();
    world.starts_again(&[]).await;
    world.gets(ROOM, 4).await;
    world.rests().await;
    let expected = ["a guest", "a guest after a restart", "a guest, missed", "and once more"];
    assert_eq!(world.asked(), expected);
    assert_eq!(world.platform.attempts("guild_member").len(), 2, "each author is looked up once");
}

#[tokio::test]
async fn the_scope_says_whose_conversation_it_is() {
    // Who shares a conversation: by the number of the first that is in it.
    for (scope, shared, expected) in [
        ("user", false, [0, 1, 0, 0, 0, 0]),
        ("chat", true, [0, 0, 0, 3, 4, 0]),
        ("user_in_chat", false, [0, 1, 0, 3, 4, 0]),
        ("thread", true, [0, 0, 2, 3, 4, 2]),
    ] {
        let id = format!("dc_scope_{scope}");
        let world = world(&id, &[("SCOPE", scope)]).await;
        world.platform.member(GUILD, ANN, &[], Some("Ann Lee"));
        let thread = world.platform.thread(TEA, ANN, "Green", false);
        let dm = world.platform.dm(ANN);
        for (chat, user, text) in
            [(TEA, ANN, "1"), (TEA, BEA, "2"), (thread, ANN, "3"), (ROOM, ANN, "4"), (dm, ANN, "5")]
        {
            let sent = world.platform.sent_count(chat);
            asks(&world, chat, user, text);
            world.gets(chat, sent + 1).await;
        }
        told(&world, Slash::new(thread, ANN, "ask").option("text", "6")).await;
        world.rests().await;
        let log: Vec<_> = world.bridge.sandbox.log().into_iter().filter(|entry| entry.text.is_some()).collect();
        let seen: Vec<_> = log.iter().map(|entry| entry.uid.clone().unwrap()).collect();
        let first = |uid: &String| seen.iter().position(|other| other == uid).unwrap();
        assert_eq!(seen.iter().map(first).collect::<Vec<_>>(), expected, "{scope}: {seen:?}");
        assert!(seen.iter().all(|uid| uid.starts_with(&id) || uid.starts_with("h-")), "{scope}: {seen:?}");
        if scope == "user" {
            assert_eq!(seen[..2], [format!("{id}-{ANN}"), format!("{id}-{BEA}")]);
        }
        let names: Vec<_> = log.iter().map(|entry| entry.nickname.clone().unwrap_or_default()).collect();
        let name = |chat: &str, person: &str| if shared { chat.to_owned() } else { person.to_owned() };
        let (tea, dm) = (name("tea", "Ann Lee"), "Ann".to_owned());
        let expected = [tea.clone(), name("tea", "Bea"), tea.clone(), name("room", "Ann Lee"), dm, tea];
        assert_eq!(names, expected, "{scope}");
    }
}
