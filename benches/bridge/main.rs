//! The load generator, with the floor in the same run: `cargo bench`, or `cargo bench -- quick` for less than a minute.
//!
//! Everything that is measured runs in a process of its own, and so does the stub that stands in CaiGunn's place; this
//! program starts itself again in these roles. The floor is what the same machine does with axum, reqwest and nothing
//! between them: what the bridge costs is told as a ratio to it, because rounds of both alternate under the same
//! conditions. `docs/performance.md` says how to read the figures.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod child;
mod discord;
mod floor;
mod flow;
mod many;
mod push;
mod rates;
mod stub;
mod telegram;
mod wire;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How long and how often is measured.
struct Plan {
    concurrency: Vec<usize>,
    rounds: usize,
    round: Duration,
    conversations: usize,
    starts: usize,
}

impl Plan {
    fn new(quick: bool) -> Self {
        let concurrency = vec![1, 64, 512];
        if quick {
            Self { concurrency, rounds: 3, round: Duration::from_secs(1), conversations: 4_000, starts: 5 }
        } else {
            Self { concurrency, rounds: 7, round: Duration::from_secs(3), conversations: 10_000, starts: 10 }
        }
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let role = arguments.first().map(String::as_str).unwrap_or_default();
    match role {
        "--as-stub" => one_thread()?.block_on(stub::run()),
        "--as-discord" => one_thread()?.block_on(discord::server::run()),
        "--as-telegram" => one_thread()?.block_on(telegram::server::run()),
        "--as-echo" => {
            tokio::runtime::Runtime::new()?.block_on(telegram::echo::run(arguments.get(1).context("the server's URL")?))
        }
        // The floor has the runtime that a service would have: as many workers as cores.
        "--as-floor" => {
            tokio::runtime::Runtime::new()?.block_on(floor::run(arguments.get(1).context("the stub's URL")?))
        }
        _ => one_thread()?.block_on(measure(&arguments)),
    }
}

fn one_thread() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// `cargo bench -- [quick] [start|rates|many|telegram|discord]... [N]...`: the parts named, or all; rates at the concurrencies N.
async fn measure(arguments: &[String]) -> Result<()> {
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let mut plan = Plan::new(has("quick"));
    let concurrency: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    if !concurrency.is_empty() {
        plan.concurrency = concurrency;
    }
    let wants =
        |part: &str| has(part) || !["rates", "many", "start", "telegram", "discord"].iter().any(|other| has(other));
    let began = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores; the bridge, the floor, the stub and the load generator share them\n");
    if wants("start") {
        many::start_and_idle(&plan).await?;
    }
    if wants("rates") {
        rates::run(&plan).await?;
    }
    if wants("many") {
        many::run(&plan).await?;
    }
    if wants("telegram") {
        telegram::run(&plan).await?;
    }
    if wants("discord") {
        discord::run(&plan).await?;
    }
    println!("\n{:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
