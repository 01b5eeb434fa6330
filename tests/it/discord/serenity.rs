//! The fake Discord with serenity's own client: what the bridge is tested against is what Discord's library for Rust takes for
//! Discord.
//!
//! The client is a program of its own (`tests/serenity`), which `cargo test` does not build: without it these tests say so and
//! end. `.ci/run` builds it, and names it in `SERENITY_ECHO`.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::platform::{Platform, TOKEN};
use super::{ANN, BEA, ROOM, at_bot, platform, say};
use crate::support::until;

/// The running bot. Dropped, it ends.
struct Echo(Child);

impl Echo {
    /// `None` if it is not built.
    fn start(platform: &Platform) -> Option<Self> {
        let named = std::env::var_os("SERENITY_ECHO").map(PathBuf::from);
        let is_named = named.is_some();
        let usual = concat!(env!("CARGO_MANIFEST_DIR"), "/target/serenity/debug/serenity-echo");
        let program = named.unwrap_or_else(|| usual.into());
        if !program.is_file() {
            assert!(!is_named, "SERENITY_ECHO names no file");
            say("skipped: serenity's own client is not built; `cargo build --manifest-path tests/serenity/Cargo.toml \
                 --target-dir target/serenity` does it");
            return None;
        }
        let mut command = Command::new(program);
        command.env("ECHO_API", platform.url()).env("ECHO_TOKEN", TOKEN).stdout(Stdio::null());
        Some(Self(command.spawn().unwrap()))
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn serenity_hears_and_answers() {
    let platform = platform().await;
    let Some(_echo) = Echo::start(&platform) else { return };
    until("it is connected", async || platform.connected() == 1 && platform.identifies() == 1).await;
    let direct = platform.dm(ANN);
    until("an answer", async || {
        platform.tells(ANN, "hello");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        platform.sent_count(direct) > 0
    })
    .await;
    platform.says(ROOM, BEA, "nobody asked you");
    platform.says(ROOM, ANN, &at_bot("what is tea?"));
    until("an answer in the room", async || platform.sent_count(ROOM) == 1).await;
    assert!(platform.texts(ROOM)[0].ends_with("what is tea?"));
    assert_eq!(platform.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn serenity_takes_its_session_up_again() {
    let platform = platform().await;
    let Some(_echo) = Echo::start(&platform) else { return };
    until("it is connected", async || platform.connected() == 1 && platform.identifies() == 1).await;
    let direct = platform.dm(ANN);
    until("an answer", async || {
        platform.tells(ANN, "hello");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        platform.sent_count(direct) > 0
    })
    .await;
    platform.drops_connections();
    platform.tells(ANN, "while nobody listens");
    let heard = || platform.texts(direct).iter().filter(|text| *text == "while nobody listens").count();
    until("what was missed is heard", async || heard() > 0 && platform.resumes() > 0).await;
    assert_eq!((heard(), platform.identifies(), platform.resumes()), (1, 1, 1));
    assert_eq!(platform.violations(), Vec::<String>::new());
}
