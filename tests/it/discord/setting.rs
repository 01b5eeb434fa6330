//! The bridge and the platform beside each other: in one process, and as the real binary.

use caigunn_bridge::sandbox::SandboxOptions;

use super::platform::Platform;
use super::{ANN, World, keys, platform};
use crate::support::process::{Daemon, Place};

/// The real binary with one Discord channel `dc`; the platform and the sandbox outlive it.
pub(super) struct Outside {
    pub(super) platform: Platform,
    pub(super) place: Place,
}

impl Outside {
    pub(super) async fn new(options: SandboxOptions) -> Self {
        Self::with(options, |place| place).await
    }

    pub(super) async fn with(options: SandboxOptions, change: impl FnOnce(Place) -> Place) -> Self {
        let platform = platform().await;
        let place = Place::new(options).await;
        let place = keys("dc", &platform).iter().fold(place, |place, (key, value)| place.set(key, value));
        Self { platform, place: change(place) }
    }

    /// Starts the bridge and waits until it listens.
    pub(super) async fn start(&self) -> Daemon {
        self.place.start().await.0
    }
}

#[tokio::test]
async fn a_bridge_starts_with_a_discord_channel() {
    let mut world = World::new("dc_setting").await;
    world.heard().await;
    world.starts_again(&[]).await;
    world.heard().await;
    world.rests().await;
    assert_eq!(world.platform.identifies(), 1, "a restart goes on with the session");
    assert_eq!(world.platform.resumes(), 1);
    world.bridge.stop().await;
}

#[tokio::test]
async fn the_binary_starts_with_a_discord_channel() {
    let outside = Outside::new(SandboxOptions::default()).await;
    let daemon = outside.start().await;
    let channel = outside.platform.dm(ANN);
    crate::support::until("it is connected", async || outside.platform.connected() == 1).await;
    outside.platform.tells(ANN, "hello");
    crate::support::until("an answer", async || outside.platform.sent_count(channel) == 1).await;
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
    assert_eq!(outside.platform.violations(), Vec::<String>::new());
}
