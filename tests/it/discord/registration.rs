//! The slash commands, as Discord lists them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::platform::{Fault, Platform, Slash};
use super::slash::answered;
use super::{ANN, GUILD, ROOM, World, keyed, platform};
use crate::support::log::Log;
use crate::support::until;

const OTHER: u64 = 41_771_983_423_145_000;
const STRANGE: u64 = 41_771_983_423_146_000;

const NAMES: [&str; 6] = ["ask", "help", "reset", "history", "lang", "id"];

fn names(platform: &Platform, guild: Option<u64>) -> Vec<String> {
    platform.commands(guild).iter().map(|command| command["name"].as_str().unwrap().to_owned()).collect()
}

async fn are(world: &World, guild: Option<u64>, wanted: &[&str]) {
    until(&format!("{guild:?} has {wanted:?}"), async || names(&world.platform, guild) == wanted).await;
}

/// How often commands were registered.
fn puts(world: &World) -> usize {
    world.platform.attempts("put_commands").len()
}

/// Waits until the duty has been done so many times.
async fn maintained(world: &World, log: &Log, times: usize) {
    let done = |text: &str| {
        let own = format!("channel={}", world.id);
        text.lines().filter(|line| line.contains("the channel is maintained") && line.contains(&own)).count()
    };
    until("the duty is done", async || done(&log.text()) >= times).await;
}

#[tokio::test]
async fn they_are_registered_once_and_again_when_a_text_changes() {
    let log = Log::default();
    let mut world = World::with("dcr_once", |setup| setup.logged(&log)).await;
    are(&world, None, &NAMES).await;
    let ids = |world: &World| -> BTreeSet<String> {
        world.platform.commands(None).iter().map(|command| command["id"].to_string()).collect()
    };
    let before = ids(&world);
    maintained(&world, &log, 1).await;
    world.starts_again(&[]).await;
    maintained(&world, &log, 2).await;
    assert_eq!(puts(&world), 1);
    world.starts_again(&[("TEXTS__ZH_TW__COMMAND_RESET", "全部忘記")]).await;
    maintained(&world, &log, 3).await;
    assert_eq!(puts(&world), 2);
    let reset = world.platform.commands(None).into_iter().find(|command| command["name"] == "reset").unwrap();
    assert_eq!(reset["description_localizations"]["zh-TW"], "全部忘記");
    assert_eq!(reset["description"], "start a new conversation");
    assert_eq!((ids(&world), world.platform.commands_created()), (before, 6), "no new ones");
    world.starts_again(&[("CHANNELS__DCR_ONCE__COMMANDS", "false")]).await;
    are(&world, None, &[]).await;
    let used = world.platform.uses(Slash::new(ROOM, ANN, "ask").option("text", "hello"));
    assert_eq!(answered(&world, used, 1).await, ["You cannot use this here."]);
    world.rests().await;
    assert!(world.asked().is_empty());
}

#[tokio::test]
async fn they_move_between_everywhere_and_servers() {
    let platform = platform().await;
    platform.guild(OTHER, "Other");
    let log = Log::default();
    let mut world = World::on(platform, "dcr_moves", |setup| setup.logged(&log)).await;
    are(&world, None, &NAMES).await;
    let one = GUILD.to_string();
    let both = format!("{GUILD},{OTHER}");
    let key = "CHANNELS__DCR_MOVES__COMMANDS_IN";
    maintained(&world, &log, 1).await;
    for (n, (value, everywhere, here, there)) in
        (2..).zip([(&*both, false, true, true), (&one, false, true, false), ("", true, false, false)])
    {
        world.starts_again(&[(key, value)]).await;
        maintained(&world, &log, n).await;
        for (place, has) in [(None, everywhere), (Some(GUILD), here), (Some(OTHER), there)] {
            assert_eq!(names(&world.platform, place), if has { &NAMES[..] } else { &[] }, "{value:?}: {place:?}");
        }
    }
    // Two places and one left; one place left; one place and one left.
    assert_eq!(puts(&world), 1 + 3 + 1 + 2);
    world.rests().await;
}

#[tokio::test]
async fn a_server_that_has_not_invited_the_bot_keeps_no_other_from_its_commands() {
    let log = Log::default();
    let servers = format!("{STRANGE},{GUILD}");
    let world =
        World::with("dcr_strange", |setup| keyed(setup, "dcr_strange", &[("COMMANDS_IN", &servers)]).logged(&log))
            .await;
    are(&world, Some(GUILD), &NAMES).await;
    maintained(&world, &log, 1).await;
    assert!(names(&world.platform, None).is_empty());
    let log = log.text();
    let warned: Vec<_> =
        log.lines().filter(|line| line.contains("slash commands cannot be registered there")).collect();
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("WARN") && warned[0].contains(&STRANGE.to_string()), "{warned:?}");
    assert_eq!(puts(&world), 2);
    world.rests().await;
}

#[tokio::test]
async fn a_limit_is_waited_for_and_what_is_registered_is_not_registered_again() {
    let platform = platform().await;
    platform.guild(OTHER, "Other");
    platform.fails("put_commands", None, Fault::Slow(std::time::Duration::ZERO), 1);
    platform.fails("put_commands", None, Fault::RetryAfter(0.2), 1);
    platform.fails("put_commands", None, Fault::Answer(502, "<html>"), 1);
    let both = format!("{GUILD},{OTHER}");
    let world = World::on(platform, "dcr_limit", |setup| keyed(setup, "dcr_limit", &[("COMMANDS_IN", &both)])).await;
    are(&world, Some(OTHER), &NAMES).await;
    are(&world, Some(GUILD), &NAMES).await;
    let calls: Vec<_> = world.platform.attempts("put_commands").iter().map(|call| call.status).collect();
    assert_eq!(calls, [200, 429, 502, 200]);
    world.rests().await;
}

#[tokio::test]
async fn what_is_registered_is_as_discord_wants_it() {
    let world = World::new("dcr_body").await;
    are(&world, None, &NAMES).await;
    let mut commands = world.platform.commands(None);
    for command in &mut commands {
        for own in ["id", "version", "application_id"] {
            command.as_object_mut().unwrap().remove(own);
        }
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&commands).unwrap());
    world.rests().await;
}

#[tokio::test]
async fn descriptions_of_the_operators_own_are_cut_to_what_discord_takes() {
    let long = "茶".repeat(300);
    let texts = [("TEXTS__EN__COMMAND_RESET", &*long), ("TEXTS__ZH_TW__COMMAND_ASK_TEXT", &*long)];
    let world =
        World::with("dcr_cut", |setup| texts.iter().fold(setup, |setup, (key, text)| setup.set(key, text))).await;
    are(&world, None, &NAMES).await;
    let commands = world.platform.commands(None);
    let of = |name: &str| -> &Value { commands.iter().find(|command| command["name"] == name).unwrap() };
    let cut = "茶".repeat(100);
    assert_eq!(of("reset")["description"], *cut);
    assert_eq!(of("ask")["options"][0]["description_localizations"]["zh-TW"], *cut);
    assert_eq!(of("ask")["options"][0]["description"], "Your question");
    world.rests().await;
}
