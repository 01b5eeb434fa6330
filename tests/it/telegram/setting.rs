//! The bridge and the platform beside each other: in one process, and as the real binary.

use caigunn_bridge::sandbox::SandboxOptions;

use super::platform::Platform;
use super::{World, keys};
use crate::support::process::{Daemon, Place};

/// The real binary with one Telegram channel `tg`; the platform and the sandbox outlive it.
pub(super) struct Outside {
    pub(super) platform: Platform,
    pub(super) place: Place,
}

impl Outside {
    pub(super) async fn new(options: SandboxOptions) -> Self {
        Self::with(options, |place| place).await
    }

    pub(super) async fn with(options: SandboxOptions, change: impl FnOnce(Place) -> Place) -> Self {
        let platform = Platform::start().await;
        let place = Place::new(options).await;
        let place = keys("tg", &platform).iter().fold(place, |place, (key, value)| place.set(key, value));
        Self { platform, place: change(place) }
    }

    /// Starts the bridge and waits until it listens.
    pub(super) async fn start(&self) -> Daemon {
        self.place.start().await.0
    }
}

#[tokio::test]
async fn a_bridge_starts_with_a_telegram_channel() {
    let mut world = World::new("tg_setting").await;
    assert!(!world.state().await.is_empty());
    world.rests().await;
    assert_eq!(world.asked(), Vec::<String>::new());
    assert_eq!(world.platform.overlaps(), 0);
    assert_eq!(world.gets(7, 0).await, Vec::<String>::new());
    assert_eq!(world.counted("caigunn_bridge_messages_total", &[]).await, 0);
    world.bridge.stop().await;
}

#[tokio::test]
async fn a_bridge_starts_with_a_webhook() {
    let mut world = World::by_webhook("tg_setting_hook", |setup| setup).await;
    world.starts_again(&[]).await;
    world.rests().await;
    world.bridge.stop().await;
}

#[tokio::test]
async fn the_binary_starts_with_a_telegram_channel() {
    let outside = Outside::new(SandboxOptions::default()).await;
    let daemon = outside.start().await;
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
    assert_eq!(outside.platform.violations(), Vec::<String>::new());
}
