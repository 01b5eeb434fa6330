//! A channel that pushes, through a stand-in of its platform, beside the least that the platform's own library can do.

use anyhow::{Result, bail, ensure};

use crate::child::{Bridge, Process};
use crate::{Plan, median};

/// Chats that write at once, each waiting for its answer before it writes again.
const CHATS: usize = 256;

/// Both programs, each before a platform of its own.
pub(crate) struct Sides {
    pub(crate) stub: Process,
    pub(crate) for_echo: Process,
    pub(crate) echo: Process,
    pub(crate) for_bridge: Process,
    pub(crate) bridge: Bridge,
}

/// What the platform tells of a round.
struct Round {
    rate: f64,
    p50: f64,
    p99: f64,
}

pub(crate) async fn compare(plan: &Plan, platform: &str, echo_is: &str, sides: Sides) -> Result<()> {
    let Sides { stub, for_echo, echo, for_bridge, bridge } = sides;
    let idle = bridge.process.rss().map_or(f64::NAN, |rss| rss / 1024.0);
    println!(
        "{platform}: medians of {} alternating rounds of {} s; the backend answers at once",
        plan.rounds,
        plan.round.as_secs()
    );
    println!("  the echo bot ({echo_is}, a task for each event) asks nobody and stores nothing");
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
