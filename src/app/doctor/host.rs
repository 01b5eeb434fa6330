//! This machine: the address to listen on, how many files may be open, and what its clock says.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use rustix::process::{Resource, getrlimit};
use tokio::net::TcpListener;

use super::{Leg, Look};
use crate::app::{limits, rules};
use crate::caigunn::{self, HttpClient};
use crate::config::Config;

/// How long the bridge itself may take to answer on this machine.
const SOON: Duration = Duration::from_secs(3);

/// What a clock may be off: access tokens and signed requests are good for minutes.
const OFF: Duration = Duration::from_secs(60);

pub(super) fn limits(config: &Config) -> Look {
    let needed = limits::open_files_needed(config);
    let connections = config.server.max_connections;
    // The bridge raises the soft limit itself when it starts.
    match getrlimit(Resource::Nofile).maximum {
        Some(hard) if hard < needed => Look::warn(
            Leg::Limits,
            format!("limits: {hard} files may be open, and {connections} connections need {needed}"),
            "raise it (`ulimit -Hn`, systemd's `LimitNOFILE=`, `--ulimit nofile=` of a container), or lower \
             `server.max_connections`",
        ),
        _ => Look::ok(Leg::Limits, format!("limits: enough files may be open for {connections} connections")),
    }
}

/// Whether the address can be listened on. `in_use`: a bridge runs on this store.
pub(super) async fn listen(config: &Config, in_use: bool) -> Look {
    let addr = *config.server.listen;
    let error = match TcpListener::bind(addr).await {
        Ok(_) if addr.port() == 0 => {
            return Look::ok(Leg::Listen, format!("listen {addr}: any free port will be taken"));
        }
        Ok(_) => return Look::ok(Leg::Listen, format!("listen {addr}: free")),
        Err(error) => error,
    };
    let (why, hint) = match error.kind() {
        ErrorKind::AddrInUse if in_use && (!config.server.health || answers_as_bridge(addr).await) => {
            return Look::ok(Leg::Listen, format!("listen {addr}: the running bridge listens there"));
        }
        ErrorKind::AddrInUse => (
            "another program listens there".to_owned(),
            "stop it (`ss -ltnp` names it), or set `server.listen` to another port",
        ),
        ErrorKind::PermissionDenied => (
            "ports below 1024 are privileged".to_owned(),
            "set `server.listen` to a higher port, or grant the right (systemd's \
             `AmbientCapabilities=CAP_NET_BIND_SERVICE`)",
        ),
        ErrorKind::AddrNotAvailable => (
            "this machine does not have that address".to_owned(),
            "set `server.listen` to one of its own, or to 0.0.0.0 for all of them",
        ),
        _ => (error.to_string(), "set `server.listen` to another address"),
    };
    Look::wrong(Leg::Listen, format!("listen {addr}: {why}"), hint)
}

/// Whether what listens there is a bridge.
async fn answers_as_bridge(addr: SocketAddr) -> bool {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let url = format!("http://{}/healthz", SocketAddr::new(ip, addr.port()));
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(SOON).build() else { return false };
    let Ok(answer) = client.get(url).send().await else { return false };
    answer.json::<serde_json::Value>().await.is_ok_and(|page| page["status"].is_string())
}

/// Compares the clock with that of each server that CaiGunn answers from. One that does not answer is its bots' matter.
pub(super) async fn clock(config: &Config) -> Vec<Look> {
    let mut asked = BTreeSet::new();
    let mut looks = Vec::new();
    for account in config.accounts.values() {
        if !asked.insert(&account.base_url) {
            continue;
        }
        let Ok(http) = HttpClient::new(&rules::client_options(account)) else { continue };
        let before = SystemTime::now();
        if let Some(theirs) = caigunn::server_time(&account.base_url, &http).await {
            looks.push(judged(before, SystemTime::now(), theirs));
        }
    }
    looks.dedup();
    looks
}

/// `theirs` was true at some instant between `before` and `after`, give or take the second to which it is told.
fn judged(before: SystemTime, after: SystemTime, theirs: SystemTime) -> Look {
    let behind = theirs.duration_since(after).unwrap_or_default();
    let ahead = before.duration_since(theirs).unwrap_or_default();
    if behind.max(ahead) <= OFF {
        return Look::ok(Leg::Clock, "clock: agrees with CaiGunn's");
    }
    let (off, direction) = if behind > ahead { (behind, "behind") } else { (ahead, "ahead of") };
    Look::wrong(
        Leg::Clock,
        format!("clock: {} {direction} CaiGunn's", span(off)),
        "set it (`timedatectl set-ntp true`): tokens and signed requests are judged by the time",
    )
}

fn span(off: Duration) -> String {
    match off.as_secs() {
        seconds if seconds < 2 * 60 => format!("{seconds} s"),
        seconds if seconds < 2 * 60 * 60 => format!("{} min", seconds / 60),
        seconds if seconds < 2 * 24 * 60 * 60 => format!("{} h", seconds / 60 / 60),
        seconds => format!("{} days", seconds / 60 / 60 / 24),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::judged;

    #[test]
    fn a_clock_is_judged_by_the_interval_in_which_the_answer_came() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds);
        for (theirs, said) in [
            (at(100), "clock: agrees with CaiGunn's"),
            // An answer that took 20 s says nothing about them.
            (at(180), "clock: agrees with CaiGunn's"),
            (at(181), "clock: 61 s behind CaiGunn's"),
            (at(39), "clock: 61 s ahead of CaiGunn's"),
            (at(100 + 3 * 60 * 60), "clock: 2 h behind CaiGunn's"),
            (at(0) - Duration::from_secs(9 * 86_400), "clock: 9 days ahead of CaiGunn's"),
        ] {
            assert_eq!(judged(at(100), at(120), theirs).what, said);
        }
    }
}
