//! `kill -9` and drops of the gateway at any instant while 30 channels write: every message is answered once, in order.
//!
//! `CRASH_SEED=<number>` repeats a run's dice; the moments at which the kills fall are the machine's.

mod crowd;
mod judge;

use std::time::{Duration, Instant};

use caigunn_bridge::sandbox::SandboxOptions;
use futures_util::future::join_all;
use tokio::sync::watch;

use super::platform::{BAD_GATEWAY, Fault, Platform};
use super::setting::Outside;
use crate::support::until;
use crowd::Said;
use judge::Judge;

/// How long the bridge lives before it is killed.
enum Life {
    /// From the moment it listens; again and again the gateway does something to its connection.
    Listening(Duration),
    /// From the moment it has logged in: it may not have stored what it was told.
    LoggedIn(Duration),
    /// From its start: it may never come to listen.
    Started(Duration),
    /// Discord knows its session no longer. From the moment the next one begins: what was missed is read then.
    Begun(Duration),
}

struct Plan {
    chats: usize,
    /// Messages of each chat.
    each: usize,
    kills: usize,
    latency: Duration,
    /// Of so many lives one finds its session gone; 0: none.
    forgets_every: usize,
    /// Whether calls fail as well.
    faults: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { chats: 30, each: 10, kills: 24, latency: Duration::ZERO, forgets_every: 0, faults: false }
    }
}

/// A run that is not over by then hangs.
const LIMIT: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_messages_survive_two_dozen_kills_and_drops() {
    run("at once", Plan::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_survive_with_a_chatbot_that_takes_a_second() {
    run("slow", Plan { latency: Duration::from_secs(1), ..Plan::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_survive_where_sessions_are_forgotten() {
    let plan = Plan { chats: 20, each: 10, kills: 20, forgets_every: 4, ..Plan::default() };
    run("forgotten", plan).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_survive_while_calls_fail() {
    let plan = Plan { chats: 12, each: 10, kills: 12, forgets_every: 6, faults: true, ..Plan::default() };
    run("faults", plan).await;
}

impl Plan {
    fn life(&self, dice: &mut fastrand::Rng, n: usize) -> Life {
        let millis = |range: std::ops::Range<u64>, dice: &mut fastrand::Rng| Duration::from_millis(dice.u64(range));
        if self.forgets_every > 0 && n % self.forgets_every == 1 {
            // By the end of the first there is nothing to be read yet.
            return Life::Begun(millis(0..250, dice));
        }
        match n % 6 {
            // Long enough for whole turns, for a resume, and for a look into the history to end.
            0 | 4 => Life::Listening(millis(700..1_600, dice)),
            1 | 2 => Life::LoggedIn(millis(0..30, dice)),
            3 => Life::Listening(millis(5..300, dice)),
            _ => Life::Started(millis(0..120, dice)),
        }
    }
}

async fn run(name: &str, plan: Plan) {
    let seed = std::env::var("CRASH_SEED").ok().map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
    super::say(&format!("{name}: CRASH_SEED={seed}"));
    let mut dice = fastrand::Rng::with_seed(seed);
    let options = SandboxOptions { latency: plan.latency, ..SandboxOptions::default() };
    let window = if plan.latency.is_zero() { "1s" } else { "5s" };
    let outside = Outside::with(options, |place| place.set("PIPELINE__RECOVERY_WINDOW", window)).await;
    let begun = Instant::now();

    let chats = crowd::chats(&outside.platform, plan.chats, plan.each);
    let mut said = introduced(&outside, &chats).await;
    let (killed, kills) = watch::channel(0);
    let writing: Vec<_> =
        chats.into_iter().map(|chat| chat.write(&outside.platform, kills.clone(), plan.kills, dice.fork())).collect();
    let everything = async {
        let (more, ()) = tokio::join!(join_all(writing), kill_again_and_again(&outside, &plan, &mut dice, &killed));
        said.extend(more.into_iter().flatten());
        outside.platform.heals();
        let daemon = outside.start().await;
        all_is_done(&outside, &said).await;
        daemon
    };
    let daemon = tokio::time::timeout(LIMIT, everything).await.expect("the run ends");
    let took = begun.elapsed();

    assert_eq!(said.len(), plan.chats * (plan.each + 1));
    let judge = Judge::new(&outside, said);
    super::say(&format!("{name}: {} kills; {} in {:.1} s", plan.kills, judge.summary(&outside), took.as_secs_f64()));
    judge.every_message_has_one_answer();
    judge.order_holds();
    judge.nothing_is_asked_twice();
    assert_eq!(outside.platform.violations(), Vec::<String>::new());
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
}

/// Everybody says hello to a bridge that nothing happens to: what was missed is read only where the bot is known.
async fn introduced(outside: &Outside, chats: &[crowd::Chat]) -> Vec<Said> {
    let daemon = outside.start().await;
    until("it is connected", async || outside.platform.connected() == 1).await;
    let said: Vec<Said> = chats.iter().map(|chat| chat.says(&outside.platform, 0)).collect();
    all_is_done(outside, &said).await;
    daemon.kill();
    said
}

async fn kill_again_and_again(outside: &Outside, plan: &Plan, dice: &mut fastrand::Rng, killed: &watch::Sender<usize>) {
    let platform = &outside.platform;
    for n in 0..plan.kills {
        if plan.faults {
            // What the last life did not come to does not go wrong any more: piled up, failures to log in would be waited out for
            // minutes.
            platform.heals();
            fails_somewhere(platform, dice);
        }
        let (daemon, life) = match plan.life(dice, n) {
            Life::Listening(life) => {
                let daemon = outside.start().await;
                let end = Instant::now() + life;
                loop {
                    let pause = Duration::from_millis(dice.u64(50..500));
                    if Instant::now() + pause >= end {
                        break (daemon, end - Instant::now());
                    }
                    tokio::time::sleep(pause).await;
                    something_happens(platform, dice, plan.forgets_every > 0);
                }
            }
            Life::LoggedIn(life) => {
                let logins = platform.logins().len();
                let daemon = outside.place.spawn();
                until("it logs in", async || platform.logins().len() > logins).await;
                (daemon, life)
            }
            Life::Started(life) => (outside.place.spawn(), life),
            Life::Begun(life) => {
                platform.forgets_sessions();
                // Whoever writes now is heard by nobody.
                killed.send_replace(n);
                let begun = platform.identifies();
                let daemon = outside.place.spawn();
                until("a session begins", async || platform.identifies() > begun).await;
                (daemon, life)
            }
        };
        tokio::time::sleep(life).await;
        daemon.kill();
        killed.send_replace(n + 1);
    }
}

/// What a connection goes through. Its session goes on, or is gone as well.
fn something_happens(platform: &Platform, dice: &mut fastrand::Rng, forgets: bool) {
    match dice.u8(0..8) {
        0 if forgets => platform.closes(4009),
        0..3 => platform.drops_connections(),
        3 => platform.reconnects(),
        4 => platform.closes(4000),
        5 => platform.closes_without_code(),
        6 => platform.invalidates(true),
        _ => platform.closes(1001),
    }
}

/// A few of the calls to come go wrong. Refusals for a while are left out: a killed bridge forgets what it was told.
fn fails_somewhere(platform: &Platform, dice: &mut fastrand::Rng) {
    for _ in 0..dice.usize(4..12) {
        let (route, fault) = match dice.u8(0..12) {
            0 => ("application", Fault::Answer(502, BAD_GATEWAY)),
            1 => ("gateway_bot", Fault::Reset),
            2 => ("history", Fault::Answer(502, BAD_GATEWAY)),
            3 => ("history", Fault::Reset),
            4 => ("guild_member", Fault::Refuse(500, 0, "500: Internal Server Error")),
            5 => ("channel", Fault::Reset),
            6 => ("send", Fault::Reset),
            7 | 8 => ("send", Fault::ProcessedThenReset),
            9 => ("send", Fault::Answer(502, BAD_GATEWAY)),
            10 => ("send", Fault::Truncated),
            _ => ("send", Fault::Refuse(500, 0, "500: Internal Server Error")),
        };
        platform.fails(route, None, fault, 1);
    }
}

/// Waits until as much is answered as was said and nothing is left, or for so long that something is lost.
async fn all_is_done(outside: &Outside, said: &[Said]) {
    let chats = crowd::by_chat(said);
    let deadline = Instant::now() + Duration::from_secs(60);
    let answered = || chats.iter().all(|(chat, said)| outside.platform.sent_count(*chat) >= said.len());
    while !answered() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut left = String::new();
    until("nothing is left", async || {
        let listed = outside.place.run(&["messages", "list", "--json"]).await;
        assert_eq!((listed.code, listed.err.as_str()), (0, ""));
        left = listed.out;
        left.is_empty() || Instant::now() > deadline
    })
    .await;
    assert_eq!(left, "", "what is left");
}
