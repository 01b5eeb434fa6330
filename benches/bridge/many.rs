//! Many conversations at once; the process at rest, and its start.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;

use crate::child::{self, Bridge, Process};
use crate::wire::{Connection, message};
use crate::{Plan, median};

/// Connections that hand the messages in.
const CALLERS: usize = 64;

/// The time from the start of the process to its first answer, and its memory at rest.
pub(crate) async fn start_and_idle(plan: &Plan) -> Result<()> {
    let stub = child::stub()?;
    let (mut times, mut sizes) = (Vec::new(), Vec::new());
    for _ in 0..plan.starts {
        let bridge = Bridge::start(&stub, &[]).await?;
        times.push(bridge.started_in.as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_millis(300)).await;
        sizes.extend(bridge.process.rss().map(|rss| rss / 1024.0));
    }
    println!(
        "Start: {:.0} ms from the start of the process to its first answer (median of {}, new store)",
        median(&mut times),
        plan.starts
    );
    println!("Idle:  {:.1} MB resident\n", median(&mut sizes));
    Ok(())
}

pub(crate) async fn run(plan: &Plan) -> Result<()> {
    let stub = child::stub()?;
    wall_time(plan, &stub).await?;
    open_asks(plan, &stub).await?;
    queued_turns(plan, &stub).await
}

/// As many conversations as one backend of 2 s could answer in 2 s.
async fn wall_time(plan: &Plan, stub: &Process) -> Result<()> {
    let count = plan.conversations;
    let bridge = Bridge::start(stub, &[("PIPELINE__MAX_IN_FLIGHT", &count.to_string())]).await?;
    stub.get("/stub/2000").await?;
    let began = Instant::now();
    hand_in(&bridge, 0..count).await?;
    let accepted = began.elapsed().as_secs_f64();
    answered(&bridge, count).await?;
    let took = began.elapsed().as_secs_f64();
    stub.get("/stub/0").await?;
    println!("{count} conversations at once, backend 2 s, all may be in flight");
    println!(
        "  accepted after {accepted:.2} s, all answered after {took:.2} s: {:.2} times the ideal (2 s)",
        took / 2.0
    );
    Ok(())
}

async fn open_asks(plan: &Plan, stub: &Process) -> Result<()> {
    let count = plan.conversations;
    let bridge = Bridge::start(stub, &[("PIPELINE__MAX_IN_FLIGHT", &count.to_string())]).await?;
    warm_up(&bridge).await?;
    stub.get("/stub/hold").await?;
    let before = settled(&bridge).await;
    hand_in(&bridge, 0..count).await?;
    until_open(stub, count).await?;
    let with = settled(&bridge).await;
    println!("  {count} asks open: {}", each(before, with, count));
    stub.get("/stub/release").await?;
    answered(&bridge, WARM_UP + count).await?;
    println!(
        "  memory: {:.1} MB before, {:.1} MB with them, {:.1} MB afterwards",
        mb(before),
        mb(with),
        mb(settled(&bridge).await)
    );
    Ok(())
}

/// The default bound of what is in flight; the rest waits.
async fn queued_turns(plan: &Plan, stub: &Process) -> Result<()> {
    const BOUND: usize = 1_024;
    let count = plan.conversations;
    let bridge = Bridge::start(stub, &[]).await?;
    warm_up(&bridge).await?;
    stub.get("/stub/hold").await?;
    hand_in(&bridge, 0..BOUND).await?;
    until_open(stub, BOUND).await?;
    let before = settled(&bridge).await;
    hand_in(&bridge, BOUND..BOUND + count).await?;
    let with = settled(&bridge).await;
    println!(
        "  {BOUND} asks open and {count} turns queued behind them (the default bound): {}",
        each(before, with, count)
    );
    let released = Instant::now();
    stub.get("/stub/release").await?;
    answered(&bridge, WARM_UP + BOUND + count).await?;
    let took = released.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a count of turns")]
    let rate = (BOUND + count) as f64 / took;
    println!("  all of them answered {took:.2} s after the backend went on ({rate:.0}/s)");
    Ok(())
}

const WARM_UP: usize = 1_000;

/// So that what is there once for all (pools, caches, statements) is not counted with the conversations.
async fn warm_up(bridge: &Bridge) -> Result<()> {
    hand_in(bridge, 1_000_000..1_000_000 + WARM_UP).await?;
    answered(bridge, WARM_UP).await
}

async fn hand_in(bridge: &Bridge, users: std::ops::Range<usize>) -> Result<()> {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (address, users) = (bridge.process.address.clone(), users.clone());
        callers.spawn(async move {
            let mut connection = Connection::open(&address).await?;
            let mut request = Vec::new();
            for user in users.skip(caller).step_by(CALLERS) {
                message(&mut request, &format!("user{user}"), 1, "prefer: respond-async\r\n");
                let (status, body) = connection.exchange(&request).await?;
                ensure!(status == 202, "{status}: {body}");
            }
            Ok(())
        });
    }
    while let Some(done) = callers.join_next().await {
        done??;
    }
    Ok(())
}

async fn answered(bridge: &Bridge, count: usize) -> Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "a count of turns")]
    while bridge.metric("bridge_turns_total", "outcome=\"answered\"").await? < count as f64 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn until_open(stub: &Process, count: usize) -> Result<()> {
    while stub.get("/stub/open").await? != count.to_string() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Resident memory in KiB, once it stands still.
async fn settled(bridge: &Bridge) -> Option<f64> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    bridge.process.rss()
}

fn each(before: Option<f64>, with: Option<f64>, count: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a count of turns")]
    before
        .zip(with)
        .map_or("memory unknown".to_owned(), |(before, with)| format!("{:.2} KB each", (with - before) / count as f64))
}

fn mb(kib: Option<f64>) -> f64 {
    kib.unwrap_or(f64::NAN) / 1024.0
}
