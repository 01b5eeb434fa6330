//! The configuration changes while the bot runs.

use super::{ANN, BEA, ROOM, World, at_bot};
use crate::support::until;

#[tokio::test]
async fn only_what_changes_in_the_section_begins_a_session() {
    let mut world = World::new("dc_reload").await;
    world.platform.says(ROOM, ANN, &at_bot("before"));
    world.gets(ROOM, 1).await;
    let sessions = |world: &World| (world.platform.logins().len(), world.platform.connected());
    assert_eq!(sessions(&world), (1, 1));
    let key = "CHANNELS__DC_RELOAD__ACCESS__DENY_USERS";
    let changes = world.bridge.reloads(&[(key, &ANN.to_string()), ("TEXTS__EN__COMMAND_RESET", "forget it all")]).await;
    assert_eq!(changes, ["other texts", "access of channel dc_reload replaced"]);
    world.platform.says(ROOM, ANN, &at_bot("kept out"));
    world.platform.says(ROOM, BEA, &at_bot("let in"));
    world.gets(ROOM, 2).await;
    until("the commands are registered again", async || {
        let commands = world.platform.commands(None);
        commands.iter().any(|command| command["description"] == "forget it all")
    })
    .await;
    world.bridge.reloads(&[("CHANNELS__WEB__MAX_IMAGES", "3")]).await;
    assert_eq!(sessions(&world), (1, 1), "another channel's section is nothing to this one");
    assert_eq!(world.standing().await["generation"], 1);

    let changes = world.bridge.reloads(&[("CHANNELS__DC_RELOAD__TIMEOUT", "3s")]).await;
    assert_eq!(changes, ["channel dc_reload restarted"]);
    until("it is connected again", async || sessions(&world) == (2, 1)).await;
    world.is("connected").await;
    world.platform.says(ROOM, BEA, &at_bot("after"));
    world.gets(ROOM, 3).await;
    world.rests().await;
    assert_eq!(world.asked().len(), 3);
    assert_eq!(world.standing().await["generation"], 2);
}
