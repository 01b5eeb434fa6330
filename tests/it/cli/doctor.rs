//! `check` as a doctor: each leg failing once, and what it says to do.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use caigunn_bridge::sandbox::SandboxOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::check::{check, check_with, place};
use super::redacted;
use crate::support::process::{Place, bare, ran, steady_addr};

/// The part of what was said that is about one thing, and the end.
fn about(said: &str, leg: &str) -> String {
    let mut lines = said.lines().peekable();
    let mut kept = Vec::new();
    while let Some(line) = lines.next() {
        if line.get(6..).is_some_and(|what| what.starts_with(leg)) {
            kept.push(line);
            kept.extend(lines.next_if(|line| line.trim_start().starts_with("hint: ")));
        }
        if line.is_empty() {
            kept.extend(lines.by_ref());
        }
    }
    kept.join("\n")
}

#[tokio::test]
async fn nothing_configured_leads_to_the_first_steps() {
    let home = tempfile::tempdir().unwrap();
    for command in [&["check"][..], &["run"], &["messages", "list"]] {
        let mut command = bare(command);
        command.current_dir(home.path()).env("HOME", home.path());
        let ran = ran(command).await;
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        insta::allow_duplicates! {
            insta::assert_snapshot!(ran.err.replace(&home.path().display().to_string(), "[home]"), @r"
            there is no configuration. It was looked for in the environment (CAIGUNN_BRIDGE_CONFIG, CAIGUNN_BRIDGE__…) and in
              bridge.toml
              config/bridge.toml
              [home]/.config/caigunn-bridge/bridge.toml
              /etc/caigunn-bridge/bridge.toml
            hint: `caigunn-bridge init` writes one, `caigunn-bridge demo` needs none
            ");
        }
    }
    let mut command = bare(&["run", "--config", "nowhere.toml"]);
    command.current_dir(home.path());
    insta::assert_snapshot!(ran(command).await.err, @r"
    1 mistake in the configuration:

              nowhere.toml does not exist
              hint: `caigunn-bridge init --output nowhere.toml` writes one, `caigunn-bridge demo` needs none
    ");
}

#[tokio::test]
async fn the_store() {
    let place = place().await;
    std::fs::write(place.folder().join("file"), "").unwrap();
    let below = place.folder().join("file/below/bridge.db").display().to_string();
    let place = place.set("STORE__PATH", &below);
    insta::assert_snapshot!(about(&check(&place, &[]).await, "store"), @r"
    WRONG store [folder]/file/below/bridge.db: [folder]/file cannot be written: Not a directory (os error 20)
          hint: set `store.path` to a folder that the bridge may write
    1 wrong
    exit code 4
    ");
    let damaged = place.folder().join("damaged.db");
    std::fs::write(&damaged, "this is no database, and it is long enough to be looked at".repeat(100)).unwrap();
    let place = place.set("STORE__PATH", &damaged.display().to_string());
    insta::assert_snapshot!(about(&check(&place, &[]).await, "store"), @r"
    WRONG store [folder]/damaged.db: the store [folder]/damaged.db is not a database
          hint: set `store.path` to another file; if this one was a store, it is damaged: restore a backup
    1 wrong
    exit code 4
    ");
}

#[tokio::test]
async fn the_pictures_may_fill_the_disk() {
    let place = place().await.set("STORE__MEDIA_BUDGET", "9000000GiB");
    let said = about(&check(&place, &[]).await, "store: ");
    let (before, after) = said.split_once(" MiB are free").unwrap();
    let said = format!("{} [n] MiB are free{after}", before.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end());
    insta::assert_snapshot!(said, @r"
    warn  store: [n] MiB are free in [folder], and pictures may take more than that
          hint: make room, or lower `store.media_budget`, so that pictures cannot fill the disk
    1 warning (--online tries every connection, too)
    exit code 0
    ");
}

#[tokio::test]
async fn the_address() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let place = place().await.set("SERVER__LISTEN", &taken);
    let said = about(&check(&place, &[]).await, "listen");
    insta::assert_snapshot!(said.replace(&taken, "[addr]"), @r"
    WRONG listen [addr]: another program listens there
          hint: stop it (`ss -ltnp` names it), or set `server.listen` to another port
    1 wrong
    exit code 4
    ");
    // One that nobody has: it is kept for documentation.
    let place = place.set("SERVER__LISTEN", "192.0.2.1:8080");
    insta::assert_snapshot!(about(&check(&place, &[]).await, "listen"), @r"
    WRONG listen 192.0.2.1:8080: this machine does not have that address
          hint: set `server.listen` to one of its own, or to 0.0.0.0 for all of them
    1 wrong
    exit code 4
    ");
}

#[tokio::test]
async fn the_running_bridge_may_listen_there() {
    let addr = steady_addr().to_string();
    let place = place().await.set("SERVER__LISTEN", &addr);
    assert!(check(&place, &[]).await.contains(&format!("ok    listen {addr}: free")));
    let (daemon, _) = place.start().await;
    let said = about(&check(&place, &[]).await, "listen");
    insta::assert_snapshot!(said.replace(&addr, "[addr]"), @r"
    ok    listen [addr]: the running bridge listens there
    all good (--online tries every connection, too)
    exit code 0
    ");
    // Another bridge, on another store, is another program.
    let other = place.folder().join("other.db").display().to_string();
    let elsewhere = |command: &mut Command| {
        command.env("CAIGUNN_BRIDGE__STORE__PATH", &other);
    };
    let said = check_with(&place, &[], elsewhere).await;
    assert!(about(&said, "listen").contains("another program listens there"), "{said}");
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
    assert!(check(&place, &[]).await.contains(&format!("ok    listen {addr}: free")));
}

#[tokio::test]
async fn the_limits() {
    let place = super::place().await;
    let said = {
        // The shell lowers the limit for what it becomes.
        let wrapped = place.command(&["check"]);
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 256; exec \"$0\" check"]).arg(wrapped.get_program());
        command.env_clear().envs(wrapped.get_envs().filter_map(|(key, value)| Some((key, value?))));
        command.current_dir(place.folder());
        ran(command).await
    };
    assert_eq!(said.code, 0, "a warning is nothing wrong");
    insta::assert_snapshot!(about(&redacted(&place, &said.out), "limits"), @r"
    warn  limits: 256 files may be open, and 10000 connections need 11232
          hint: raise it (`ulimit -Hn`, systemd's `LimitNOFILE=`, `--ulimit nofile=` of a container), or lower `server.max_connections`
    1 warning (--online tries every connection, too)
    ");
}

/// A server whose clock is off, and that answers nothing else.
async fn late_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let then = std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 60 * 60 + 60);
            let date = httpdate::fmt_http_date(then);
            let answer =
                format!("HTTP/1.1 404 Not Found\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{addr}")
}

#[tokio::test]
async fn the_clock() {
    let place = place().await.set("ACCOUNTS__MAIN__BASE_URL", &late_server().await);
    insta::assert_snapshot!(about(&check(&place, &["--online"]).await, "clock"), @r"
    WRONG clock: 3 h ahead of CaiGunn's
          hint: set it (`timedatectl set-ntp true`): tokens and signed requests are judged by the time
    2 wrong
    exit code 4
    ");
    assert!(!check(&place, &[]).await.contains("clock"), "nothing goes out unasked");
}

#[tokio::test]
async fn the_proxies() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let listening = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = listening.local_addr().unwrap().to_string();
    // The account's own sandbox is on this machine, and needs none.
    let place = place().await.set("ACCOUNTS__OTHER__PROXY", &format!("http://ann:hunter2@{closed}"));
    let place =
        place.set("ACCOUNTS__OTHER__ACCESS_TOKEN", "unused").set("ACCOUNTS__OTHER__BASE_URL", "http://127.0.0.1:1");
    let env = |command: &mut Command| {
        command.env("HTTPS_PROXY", format!("bea:hunter3@{open}")).env("ALL_PROXY", "http://:::");
    };
    for args in [&[][..], &["--online"]] {
        let said = check_with(&place, args, env).await;
        assert!(!said.contains("hunter") && !said.contains("bea"), "{said}");
        let said = about(&said, "proxy").replace(&closed, "[closed]").replace(&open, "[open]");
        insta::assert_snapshot!(format!("proxies{}", args.concat().replace('-', "_")), said);
    }
}

#[tokio::test]
async fn secrets_that_everyone_can_read() {
    let place = place().await;
    let file = place.folder().join("key");
    std::fs::write(&file, "sandbox-key").unwrap();
    let place = place.unset("BOTS__MAIN__API_KEY").set("BOTS__MAIN__API_KEY_FILE", &file.display().to_string());
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let said = check(&place, &[]).await;
    insta::assert_snapshot!(said, @r"
    ok    configuration from the environment alone: 1 account, 1 bot, 1 channel
    warn  bots.main.api_key_file names [folder]/key, which everyone on this machine can read
          hint: chmod o-r [folder]/key
    ok    limits: enough files may be open for 100 connections
    ok    store [folder]/bridge.db: will be made in [folder]: one write to the disk takes [time]
    ok    listen 127.0.0.1:0: any free port will be taken

    1 warning (--online tries every connection, too)
    exit code 0
    ");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(check(&place, &[]).await.contains("ok    secrets: none is in a file that everyone"));
}

#[tokio::test]
async fn everything_at_once() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let place = Place::new(SandboxOptions::default()).await;
    let place = place
        .set("SERVER__MAX_CONNECTIONS", "100")
        .set("SERVER__LISTEN", &taken)
        .set("CHANNELS__TG__KIND", "telegram")
        .set("CHANNELS__TG__BOT", "main")
        .set("CHANNELS__TG__TOKEN", "12345:no");
    place.sandbox.revoke_key("demo");
    insta::assert_snapshot!(check(&place, &["--online"]).await.replace(&taken, "[addr]"));
}
