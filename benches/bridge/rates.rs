//! Messages per second and their latency, against the floor.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;

use crate::child::{self, Bridge, Process};
use crate::wire::{Connection, message};
use crate::{Plan, median};

/// One round: as many conversations at once, each waiting for its answer before it says the next.
struct Round {
    rate: f64,
    p50: f64,
    p99: f64,
    messages: usize,
    /// Processor time per message of the process under load, in microseconds.
    cpu: f64,
}

/// The medians of several rounds.
#[derive(Default)]
struct Rounds(Vec<Round>);

impl Rounds {
    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(&mut self.0.iter().map(of).collect::<Vec<_>>())
    }
}

pub(crate) async fn run(plan: &Plan) -> Result<()> {
    let stub = child::stub()?;
    let floor = child::floor(&stub)?;
    let bridge = Bridge::start(&stub, &[]).await?;
    println!(
        "Rates: medians of {} alternating rounds of {} s; the backend answers at once",
        plan.rounds,
        plan.round.as_secs()
    );
    println!("  at once            messages/s   p50 ms   p99 ms   CPU µs/message   commits/message   ratio");
    for &at_once in &plan.concurrency {
        let (mut floors, mut bridges, mut ratios) = (Rounds::default(), Rounds::default(), Vec::new());
        for process in [&floor, &bridge.process] {
            round(process, at_once, plan.round / 3).await?;
        }
        let (mut commits, mut messages) = (0.0, 0);
        for _ in 0..plan.rounds {
            let on_floor = round(&floor, at_once, plan.round).await?;
            let before = bridge.metric("bridge_store_commits_total", "").await?;
            let on_bridge = round(&bridge.process, at_once, plan.round).await?;
            commits += bridge.metric("bridge_store_commits_total", "").await? - before;
            messages += on_bridge.messages;
            ratios.push(on_bridge.rate / on_floor.rate);
            floors.0.push(on_floor);
            bridges.0.push(on_bridge);
        }
        let row = |name: &str, rounds: &Rounds, more: String| {
            println!(
                "  {at_once:>4} {name:<12} {:>11.0} {:>8.2} {:>8.2} {:>16.0}   {more}",
                rounds.median(|round| round.rate),
                rounds.median(|round| round.p50),
                rounds.median(|round| round.p99),
                rounds.median(|round| round.cpu),
            );
        };
        row("floor", &floors, String::new());
        let spread = ratios.clone();
        let ratio = median(&mut ratios);
        #[expect(clippy::cast_precision_loss, reason = "a count of messages")]
        let commits = commits / messages as f64;
        let low = spread.iter().copied().fold(f64::INFINITY, f64::min);
        let high = spread.iter().copied().fold(0.0, f64::max);
        row(
            "bridge",
            &bridges,
            format!("{commits:>15.2}   {:.0} % ({:.0}–{:.0})", ratio * 100.0, low * 100.0, high * 100.0),
        );
        let added = bridges.median(|round| round.p50) - floors.median(|round| round.p50);
        println!("  {:>4} {:<12} {:>11} {added:>+8.2}", "", "added", "");
    }
    if let Some(rss) = bridge.process.rss() {
        println!("  the bridge's memory afterwards: {:.1} MB", rss / 1024.0);
    }
    println!();
    Ok(())
}

async fn round(process: &Process, at_once: usize, length: Duration) -> Result<Round> {
    let mut talkers = JoinSet::new();
    let cpu = process.cpu();
    let began = Instant::now();
    let until = began + length;
    for n in 0..at_once {
        let address = process.address.clone();
        talkers.spawn(async move { talk(&address, n, until).await });
    }
    let mut latencies = Vec::new();
    while let Some(done) = talkers.join_next().await {
        latencies.extend(done??);
    }
    let took = began.elapsed().as_secs_f64();
    let used = process.cpu().zip(cpu).map_or(f64::NAN, |(after, before)| after - before);
    ensure!(!latencies.is_empty(), "nothing was answered");
    latencies.sort_unstable();
    let at = |share: usize| f64::from(latencies[(latencies.len() - 1) * share / 100]) / 1000.0;
    #[expect(clippy::cast_precision_loss, reason = "a count of messages")]
    let messages = latencies.len() as f64;
    Ok(Round { rate: messages / took, p50: at(50), p99: at(99), messages: latencies.len(), cpu: used / messages * 1e6 })
}

/// One conversation; answers the latencies in microseconds.
async fn talk(address: &str, n: usize, until: Instant) -> Result<Vec<u32>> {
    let mut connection = Connection::open(address).await?;
    let (mut request, mut latencies) = (Vec::new(), Vec::new());
    let user = format!("user{n}");
    while Instant::now() < until {
        message(&mut request, &user, latencies.len() as u64, "");
        let sent = Instant::now();
        let (status, body) = connection.exchange(&request).await?;
        ensure!(status == 200 && body.contains("Lunar New Year"), "{status}: {body}");
        latencies.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(latencies)
}
