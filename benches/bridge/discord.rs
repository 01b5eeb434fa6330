//! The Discord channel, through a gateway and an API of the bench's own, beside the least that serenity can do.

pub(crate) mod server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::Plan;
use crate::child::{self, Bridge, Process};
use crate::push::{Sides, compare};

pub(crate) async fn run(plan: &Plan) -> Result<()> {
    let program = built()?;
    let stub = child::stub()?;
    let (for_echo, for_bridge) = (child::role(&["--as-discord"])?, child::role(&["--as-discord"])?);
    let url = |server: &Process| format!("http://{}", server.address);
    let echo = child::program(&program, &[("ECHO_API", &url(&for_echo)), ("ECHO_TOKEN", server::TOKEN)])?;
    // Nothing limits it: `pace` is off where the API is not Discord's own.
    let settings = [
        ("CHANNELS__DC__KIND", "discord"),
        ("CHANNELS__DC__BOT", "main"),
        ("CHANNELS__DC__TOKEN", server::TOKEN),
        ("CHANNELS__DC__API_URL", &url(&for_bridge)),
    ];
    let bridge = Bridge::start(&stub, &settings).await?;
    for server in [&for_echo, &for_bridge] {
        listened_to(server).await?;
    }
    compare(plan, "Discord", "serenity", Sides { stub, for_echo, echo, for_bridge, bridge }).await
}

/// The echo bot, as it is now: a program of its own, because serenity's client brings other versions of what the bridge uses.
fn built() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.join("target/serenity");
    let manifest = root.join("tests/serenity/Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--locked", "--manifest-path"]).arg(manifest).arg("--target-dir").arg(&target);
    let status = command.status().context("cargo, for the echo bot")?;
    ensure!(status.success(), "the echo bot cannot be built");
    Ok(target.join("release/serenity-echo"))
}

async fn listened_to(server: &Process) -> Result<()> {
    for _ in 0..100 {
        if server.get("/bench/connected").await? == "yes" {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("nobody connects to the gateway")
}
