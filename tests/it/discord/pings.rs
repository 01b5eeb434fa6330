//! Nothing that the bot says pings anybody, whatever the chatbot writes and wherever it goes.

use serde_json::{Value, json};

use super::platform::{Draft, Slash};
use super::{ANN, BEA, GUILD, ROOM, World, at_bot};
use crate::support::{picture, until};

const ROLE: u64 = 41_771_983_423_143_950;

/// Whether `allowed_mentions` names nobody: no kind of mention, no user, no role, not whom is replied to.
fn is_nobody(allowed: Option<&Value>) -> bool {
    let Some(allowed) = allowed else { return false };
    let empty = |name: &str| allowed.get(name).is_none_or(|list| list == &json!([]));
    allowed["parse"] == json!([]) && empty("users") && empty("roles") && allowed["replied_user"] != true
}

#[tokio::test]
async fn no_call_that_says_something_can_ping_anybody() {
    let keys = [("MAX_MESSAGES", "2"), ("THREADS_IN", "41771983423143960")];
    let world = World::keyed("dc_pings", &keys).await;
    let platform = &world.platform;
    platform.role(GUILD, ROLE, "Everybody else");
    let threads = platform.makes_channel(GUILD, 41_771_983_423_143_960, "threads");
    let loud = format!("@everyone @here <@&{ROLE}> <@{BEA}> <@!{ANN}>");
    world.will_answer("short", &loud);
    world.will_answer("table", &format!("| who |\n|---|\n| {loud} |\n\n# {loud}\n\n```\n{loud}\n```"));
    world.will_answer("parts", &format!("{loud} and so on.\n\n").repeat(30));
    world.will_answer("file", &format!("{loud} and so on.\n\n").repeat(120));

    let mut commands = Vec::new();
    let direct = platform.dm(ANN);
    let mut expected = 0;
    for (text, parts) in [("short", 1), ("table", 1), ("parts", 2), ("file", 1)] {
        platform.says(ROOM, ANN, &at_bot(text));
        platform.tells(ANN, text);
        commands.push(platform.uses(Slash::new(ROOM, BEA, "ask").option("text", text)));
        expected += parts;
        world.gets(direct, expected).await;
        world.gets(ROOM, 2 * expected).await;
    }
    let question = platform.says(threads, ANN, &at_bot("short"));
    world.gets(question, 1).await;
    // What the bridge itself says: that it cannot listen, and the answers of commands that only one person sees.
    let voice = platform.keeps(direct, "voice-message.ogg", "audio/ogg", picture(image::ImageFormat::Png));
    platform.sends(Draft::new(direct, ANN).attachment(voice).with("flags", (1 << 13).into()));
    world.gets(direct, expected + 1).await;
    for command in ["help", "reset", "id"] {
        commands.push(platform.uses(Slash::new(ROOM, ANN, command)));
    }
    let answered = async |command: u64| !platform.answers(command).is_empty() && platform.answers(command)[0] != "…";
    for command in &commands {
        until("a command is answered", async || answered(*command).await).await;
    }
    world.rests().await;

    let mut said = 0;
    for channel in [direct, ROOM, question] {
        for sent in platform.sent(channel) {
            assert!(is_nobody(sent.allowed_mentions.as_ref()), "{:?} of {}", sent.allowed_mentions, sent.text);
            said += 1;
        }
    }
    for command in commands {
        for response in platform.responses(command).iter().filter(|response| response.kind != Some(5)) {
            assert!(is_nobody(response.allowed_mentions.as_ref()), "{response:?}");
            said += 1;
        }
    }
    // Slash answers that everybody sees are in both.
    assert!(said >= 3 * expected + 5, "{said}");
    assert!(platform.texts(direct)[0].contains("@everyone"), "said it is, and pings nobody");
}
