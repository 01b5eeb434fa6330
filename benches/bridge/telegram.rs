//! The Telegram channel, through a Bot API server of the bench's own, beside the least that teloxide can do.

pub(crate) mod echo;
pub(crate) mod server;

use anyhow::{Result, bail, ensure};

use crate::child::{self, Bridge, Process};
use crate::{Plan, median};

/// Chats that write at once, each waiting for its answer before it writes again.
const CHATS: usize = 256;

/// What the server tells of a round.
struct Round {
    rate: f64,
    p50: f64,
    p99: f64,
}

pub(crate) async fn run(plan: &Plan) -> Result<()> {
    let stub = child::stub()?;
    let (for_echo, for_bridge) = (child::telegram()?, child::telegram()?);
    let echo = child::echo(&for_echo)?;
    let bridge = bridge(&stub, &for_bridge).await?;
    let idle = bridge.process.rss().map_or(f64::NAN, |rss| rss / 1024.0);
    println!(
        "Telegram: medians of {} alternating rounds of {} s; the backend answers at once",
        plan.rounds,
        plan.round.as_secs()
    );
    println!("  the echo bot (teloxide-core, a task for each update) asks nobody and stores nothing");
    println!("  chats                answers/s   p50 ms   p99 ms   CPU µs/answer   commits/answer   ratio");
    for chats in [1, CHATS] {
        let (mut echoes, mut bridges, mut ratios, mut commits) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (server, process) in [(&for_echo, &echo), (&for_bridge, &bridge.process)] {
            round(server, process, chats, plan.round / 3).await?;
        }
        for _ in 0..plan.rounds {
            let on_echo = round(&for_echo, &echo, chats, plan.round).await?;
            let before = bridge.metric("bridge_store_commits_total", "").await?;
            let on_bridge = round(&for_bridge, &bridge.process, chats, plan.round).await?;
            let after = bridge.metric("bridge_store_commits_total", "").await?;
            commits.push((after - before) / (on_bridge.0.rate * plan.round.as_secs_f64()));
            ratios.push(on_bridge.0.rate / on_echo.0.rate);
            echoes.push(on_echo);
            bridges.push(on_bridge);
        }
        let row = |name: &str, rounds: &[(Round, f64)], more: String| {
            let of = |get: fn(&(Round, f64)) -> f64| median(&mut rounds.iter().map(get).collect::<Vec<_>>());
            println!(
                "  {chats:>4} {name:<12} {:>11.0} {:>8.2} {:>8.2} {:>15.0}   {more}",
                of(|round| round.0.rate),
                of(|round| round.0.p50),
                of(|round| round.0.p99),
                of(|round| round.1),
            );
        };
        row("echo bot", &echoes, String::new());
        let spread = ratios.clone();
        let low = spread.iter().copied().fold(f64::INFINITY, f64::min);
        let high = spread.iter().copied().fold(0.0, f64::max);
        let ratio = median(&mut ratios) * 100.0;
        let commits = median(&mut commits);
        row("bridge", &bridges, format!("{commits:>14.2}   {ratio:.0} % ({:.0}–{:.0})", low * 100.0, high * 100.0));
    }
    stub.get("/stub/1000").await?;
    let told = for_bridge.get("/bench/burst/50/10").await?;
    let Ok(took) = told.parse::<f64>() else { bail!("{told}") };
    stub.get("/stub/0").await?;
    println!(
        "  500 messages in 50 chats at once, backend 1 s: all answered after {:.2} s (10 s is ideal)",
        took / 1000.0
    );
    let rss = |process: &Process| process.rss().map_or(f64::NAN, |rss| rss / 1024.0);
    println!(
        "  memory: {idle:.1} MB idle, {:.1} MB afterwards (echo bot: {:.1} MB)\n",
        rss(&bridge.process),
        rss(&echo)
    );
    Ok(())
}

/// A bridge that polls the server; nothing limits it.
async fn bridge(stub: &Process, server: &Process) -> Result<Bridge> {
    let bridge = Bridge::start(
        stub,
        &[
            ("CHANNELS__TG__KIND", "telegram"),
            ("CHANNELS__TG__BOT", "main"),
            ("CHANNELS__TG__TOKEN", server::TOKEN),
            ("CHANNELS__TG__API_URL", &format!("http://{}", server.address)),
        ],
    )
    .await?;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    Ok(bridge)
}

/// Answers the round and the processor time of each answer, in microseconds.
async fn round(server: &Process, process: &Process, chats: usize, length: std::time::Duration) -> Result<(Round, f64)> {
    let before = process.cpu();
    let told = server.get(&format!("/bench/flow/{chats}/{}", length.as_millis())).await?;
    let used = process.cpu().zip(before).map_or(f64::NAN, |(after, before)| after - before);
    let figures: Vec<f64> = told.split_whitespace().map_while(|figure| figure.parse().ok()).collect();
    let [answers, seconds, p50, p99] = figures[..] else { bail!("{told}") };
    ensure!(answers > 0.0, "nothing was answered");
    let round = Round { rate: answers / seconds, p50: p50 / 1000.0, p99: p99 / 1000.0 };
    Ok((round, used / answers * 1e6))
}
