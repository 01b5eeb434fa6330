//! Tells the service manager how the process is: `sd_notify` (https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html).
//! Without `NOTIFY_SOCKET` nothing is sent.

use std::ffi::OsStr;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::web::health::{Health, HealthSource};

/// How often the status line is looked at; the watchdog may ask for more.
const LOOK: Duration = Duration::from_secs(5);

/// The service manager's socket, if there is one.
pub struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// As `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` of this process's environment say.
    pub fn of_process() -> Self {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let number = |name: &str| var(name).and_then(|value| value.to_str()?.parse::<u64>().ok());
        // The variables are inherited: another process's watchdog is none of ours.
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| ours && *usec > 0).map(Duration::from_micros);
        let socket = var("NOTIFY_SOCKET").and_then(|name| {
            open(&name)
                .inspect_err(|error| tracing::warn!(%error, "the service manager's NOTIFY_SOCKET cannot be used"))
                .ok()
        });
        Self { socket, watchdog }
    }

    /// Everything has started.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// The configuration is being read again; [`reloaded`](Self::reloaded) ends it. With the time that `Type=notify-reload` demands.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let usec = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
    }

    /// That has ended, in a new configuration or with the old one.
    pub fn reloaded(&self) {
        self.send("READY=1");
    }

    fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=finishing what is in flight");
    }

    /// Best effort: a service manager that is not there any more must not stop the bridge.
    fn send(&self, state: &str) {
        if let Some((socket, manager)) = &self.socket
            && let Err(error) = socket.send_to_addr(state.as_bytes(), manager)
        {
            tracing::debug!(%error, "the service manager cannot be told");
        }
    }
}

/// A path, or with `@` in front a name in Linux's abstract namespace.
fn open(name: &OsStr) -> std::io::Result<(UnixDatagram, SocketAddr)> {
    let socket = UnixDatagram::unbound()?;
    // A manager that reads slowly must not hold up a worker thread.
    socket.set_nonblocking(true)?;
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::ffi::OsStrExt as _;
        if let Some(name) = name.as_bytes().strip_prefix(b"@") {
            return Ok((socket, SocketAddr::from_abstract_name(name)?));
        }
    }
    Ok((socket, SocketAddr::from_pathname(name)?))
}

/// Says that the bridge is ready, then how it is, until the process ends. The watchdog is fed only while `/healthz` would be ok, at
/// twice the rate that it asks for: a dispatcher that hangs, or a runtime that does, ends in a restart by the manager.
pub async fn report(notifier: Arc<Notifier>, source: Arc<dyn HealthSource>, stop: CancellationToken) {
    if notifier.socket.is_none() {
        return;
    }
    let mut status = status(&source.health());
    notifier.ready(&status);
    let feed = notifier.watchdog.map(|watchdog| watchdog / 2);
    let mut ticks = tokio::time::interval(feed.unwrap_or(LOOK).min(LOOK));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looked = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let health = source.health();
        if feed.is_some() && health.sick().is_empty() {
            notifier.send("WATCHDOG=1");
        }
        if looked.elapsed() < LOOK {
            continue;
        }
        looked = Instant::now();
        let now = self::status(&health);
        if now != status {
            notifier.send(&format!("STATUS={now}"));
            status = now;
        }
    }
    notifier.stopping();
    // The dispatcher may rest while others finish. The manager bounds the stop itself (`TimeoutStopSec=`).
    let Some(feed) = feed else { return };
    loop {
        notifier.send("WATCHDOG=1");
        tokio::time::sleep(feed).await;
    }
}

/// One line: `2 of 3 channels connected (telegram: bad_credentials)`.
fn status(health: &Health) -> String {
    let wrong: Vec<String> =
        health.channels.iter().filter(|part| !part.ok).map(|part| format!("{}: {}", part.name, part.state)).collect();
    let all = health.channels.len();
    let mut status = format!("{} of {all} channel{} connected", all - wrong.len(), if all == 1 { "" } else { "s" });
    if !wrong.is_empty() {
        status.push_str(&format!(" ({})", wrong.join(", ")));
    }
    status
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::{Notifier, UnixDatagram, open, report, status};
    use crate::web::health::{Health, HealthSource, PartHealth};

    /// A bridge whose dispatcher hangs at will.
    #[derive(Default)]
    struct Hanging(AtomicBool);

    impl HealthSource for Hanging {
        fn health(&self) -> Health {
            let dispatcher_age = if self.0.load(Ordering::Relaxed) { 3600.0 } else { 0.0 };
            Health { dispatcher_age, ..Health::default() }
        }
    }

    fn pair(folder: &tempfile::TempDir) -> (UnixDatagram, Notifier) {
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        let socket = Some(open(path.as_os_str()).unwrap());
        (manager, Notifier { socket, watchdog: Some(Duration::from_millis(20)) })
    }

    fn received(manager: &UnixDatagram) -> Option<String> {
        let mut buffer = [0; 256];
        manager.recv(&mut buffer).ok().map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    #[tokio::test]
    async fn a_bridge_that_hangs_does_not_feed_the_watchdog() {
        let folder = tempfile::tempdir().unwrap();
        let (manager, notifier) = pair(&folder);
        let (bridge, stop) = (Arc::new(Hanging::default()), CancellationToken::new());
        tokio::spawn(report(Arc::new(notifier), Arc::clone(&bridge) as _, stop.clone()));
        let mut fed = 0;
        while fed < 3 {
            fed += usize::from(received(&manager).is_some_and(|told| told == "WATCHDOG=1"));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // On this test's one thread nothing is told between here and the next wait.
        bridge.0.store(true, Ordering::Relaxed);
        while received(&manager).is_some() {}
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(received(&manager), None);
        stop.cancel();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(received(&manager).is_some_and(|told| told.starts_with("STOPPING=1")));
        assert_eq!(received(&manager).as_deref(), Some("WATCHDOG=1"), "the manager bounds the stop by itself");
    }

    #[test]
    fn a_reload_carries_the_time_that_the_manager_compares() {
        let folder = tempfile::tempdir().unwrap();
        let (manager, notifier) = pair(&folder);
        notifier.reloading();
        let told = received(&manager).unwrap();
        let usec: u64 = told.lines().nth(1).unwrap().strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!(told.starts_with("RELOADING=1\n") && usec > 0, "{told}");
        notifier.ready("1 of 1 channel connected");
        assert_eq!(received(&manager).unwrap(), "READY=1\nSTATUS=1 of 1 channel connected");
    }

    #[test]
    fn the_status_names_what_does_not_work() {
        let part = |name: &str, state, ok| PartHealth {
            name: name.to_owned(),
            state,
            detail: String::new(),
            last_heard: None,
            ok,
            generation: None,
        };
        let mut health = Health { channels: vec![part("web", "connected", true)], ..Health::default() };
        assert_eq!(status(&health), "1 of 1 channel connected");
        health.channels.push(part("telegram", "bad_credentials", false));
        assert_eq!(status(&health), "1 of 2 channels connected (telegram: bad_credentials)");
    }
}
