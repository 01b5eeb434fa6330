//! Channels whose gateway hangs up again and again take nothing from the others.

use std::time::{Duration, Instant};

use super::platform::Platform;
use super::{ANN, World, keys, platform};
use crate::support::{base64, until};

/// So many channels, as each pauses between two connections.
const CHANNELS: usize = 80;
const RECONNECTS: usize = 1_000;

/// The median of some answers' times over HTTP, and the longest.
async fn latency(world: &World, count: usize) -> (Duration, Duration) {
    let mut times = Vec::new();
    for _ in 0..count {
        let asked = Instant::now();
        world.bridge.say("ann", "hi").await;
        times.push(asked.elapsed());
    }
    times.sort_unstable();
    (times[count / 2], times[count - 1])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reconnects_starve_nobody() {
    let mut broken = Vec::new();
    for _ in 0..CHANNELS {
        broken.push(Platform::start().await);
    }
    let world = World::on(platform().await, "dc_iso", |mut setup| {
        for (n, platform) in broken.iter().enumerate() {
            let token = format!("{}.iso.of-the-tests", base64(format!("{}", 1_200_000_000_000_000_000 + n).as_bytes()));
            platform.set_token(&token);
            let id = format!("dc_iso_{n}");
            setup = keys(&id, platform).iter().fold(setup, |setup, (key, value)| setup.set(key, value));
            setup = setup.set(&format!("CHANNELS__{}__TOKEN", id.to_uppercase()), &token);
            // Theirs is another application.
            setup = setup.set(&format!("CHANNELS__{}__COMMANDS", id.to_uppercase()), "false");
        }
        setup
    })
    .await;
    until("all are connected", async || broken.iter().all(|platform| platform.connected() == 1)).await;
    let (quiet, _) = latency(&world, 40).await;

    let begun = Instant::now();
    broken.iter().for_each(|platform| platform.hangs_up(true));
    let resumed = || broken.iter().map(Platform::resumes).sum::<usize>();
    let (mut times, mut round, channel) = (Vec::new(), 0, world.platform.dm(ANN));
    while resumed() < RECONNECTS {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} reconnects", resumed());
        times.push(latency(&world, 20).await);
        world.platform.tells(ANN, "hi");
        round += 1;
        world.gets(channel, round).await;
    }
    times.sort_unstable();
    let (busy, worst) = (times[times.len() / 2].0, times.iter().map(|(_, longest)| *longest).max().unwrap());
    super::say(&format!(
        "{} reconnects in {:.1} s; an answer over HTTP takes {quiet:?}, meanwhile {busy:?}, {worst:?} at worst",
        resumed(),
        begun.elapsed().as_secs_f64()
    ));
    assert!(busy <= 5 * quiet + Duration::from_millis(100), "{quiet:?}, {busy:?}");
    assert!(worst <= Duration::from_secs(3), "{worst:?}");
    assert_eq!(broken.iter().map(Platform::identifies).sum::<usize>(), CHANNELS, "sessions are not used up");

    broken.iter().for_each(|platform| platform.hangs_up(false));
    until("all are connected again", async || broken.iter().all(|platform| platform.connected() == 1)).await;
    assert_eq!(world.platform.connections().len(), 1, "the one that works has never noticed");
    world.rests().await;
    for platform in &broken {
        assert_eq!(platform.violations(), Vec::<String>::new());
    }
}
