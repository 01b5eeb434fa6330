//! What the service manager is told, over its own socket.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use caigunn_bridge::sandbox::SandboxOptions;

use crate::support::process::{Daemon, Place, SOON, steady_addr};
use crate::support::until;

/// The service manager's end.
struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    /// At a path, as systemd's.
    fn at_a_path(place: &Place) -> Self {
        let path = place.folder().join("notify");
        Self { socket: UnixDatagram::bind(&path).unwrap(), name: path.display().to_string() }.waiting()
    }

    /// Under a name in Linux's abstract namespace, as in some containers.
    fn of_a_name() -> Self {
        let name = format!("caigunn-bridge-test-{}", fastrand::u64(..));
        let addr = SocketAddr::from_abstract_name(&name).unwrap();
        Self { socket: UnixDatagram::bind_addr(&addr).unwrap(), name: format!("@{name}") }.waiting()
    }

    fn waiting(self) -> Self {
        self.socket.set_nonblocking(true).unwrap();
        self
    }

    fn start(&self, place: &Place, env: &[(&str, &str)]) -> Daemon {
        let mut command = place.command(&["run"]);
        command.env("NOTIFY_SOCKET", &self.name).envs(env.iter().copied());
        place.spawn_command(command)
    }

    fn received(&self) -> Option<String> {
        let mut buffer = [0; 4096];
        match self.socket.recv(&mut buffer) {
            Ok(length) => Some(String::from_utf8(buffer[..length].to_vec()).unwrap()),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
                None
            }
        }
    }

    async fn next(&self) -> String {
        let mut received = None;
        until("the manager is told", async || {
            received = self.received();
            received.is_some()
        })
        .await;
        received.unwrap()
    }
}

async fn place() -> (Place, String) {
    let addr = steady_addr().to_string();
    let place = Place::new(SandboxOptions::default()).await.set("SERVER__LISTEN", &addr);
    (place, format!("http://{addr}/healthz"))
}

#[tokio::test]
async fn ready_once_it_answers_and_stopping_at_the_signal() {
    let (place, url) = place().await;
    for manager in [Manager::at_a_path(&place), Manager::of_a_name()] {
        let daemon = manager.start(&place, &[]);
        assert_eq!(manager.next().await, "READY=1\nSTATUS=1 of 1 channel connected");
        assert_eq!(place.client.get(&url).send().await.unwrap().status(), 200, "ready means that it answers");
        daemon.signal("TERM");
        assert_eq!(manager.next().await, "STOPPING=1\nSTATUS=finishing what is in flight");
        assert_eq!(daemon.exit_code().await, 0);
        assert_eq!(manager.received(), None, "no watchdog was asked for");
    }
}

#[tokio::test]
async fn the_watchdog_is_fed_in_time() {
    let (place, _) = place().await;
    let manager = Manager::at_a_path(&place);
    let daemon = manager.start(&place, &[("WATCHDOG_USEC", "1000000")]);
    assert!(manager.next().await.starts_with("READY=1"));
    let ready = std::time::Instant::now();
    for _ in 0..4 {
        assert_eq!(manager.next().await, "WATCHDOG=1");
    }
    // At twice the rate that is asked for: half a second apart, but on a busy machine.
    assert!(ready.elapsed() < SOON, "{:?}", ready.elapsed());
    daemon.signal("TERM");
    let mut told = manager.next().await;
    while told == "WATCHDOG=1" {
        told = manager.next().await;
    }
    assert!(told.starts_with("STOPPING=1"), "{told}");
    assert_eq!(daemon.exit_code().await, 0);
}

#[tokio::test]
async fn another_process_s_watchdog_is_not_fed() {
    let (place, _) = place().await;
    let manager = Manager::at_a_path(&place);
    let daemon = manager.start(&place, &[("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")]);
    assert!(manager.next().await.starts_with("READY=1"));
    daemon.signal("TERM");
    assert!(manager.next().await.starts_with("STOPPING=1"));
    assert_eq!(daemon.exit_code().await, 0);
}

#[tokio::test]
async fn a_socket_that_leads_nowhere_stops_nothing() {
    let (place, url) = place().await;
    let mut command = place.command(&["run"]);
    command.env("NOTIFY_SOCKET", "/nowhere/at/all").env("WATCHDOG_USEC", "1000");
    let (daemon, _) = place.listens(place.spawn_command(command)).await;
    assert_eq!(place.client.get(&url).send().await.unwrap().status(), 200);
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
}
