//! `kill -9` at any instant while 30 chats write: every message is answered, in order, and doubled only where a kill (or a
//! cut connection) fell inside an open send.
//!
//! `CRASH_SEED=<number>` repeats a run's dice; the moments at which the kills fall are the machine's.

mod albums;
mod commit;
mod crowd;
mod judge;

use std::time::{Duration, Instant};

use caigunn_bridge::sandbox::SandboxOptions;
use futures_util::future::join_all;
use tokio::sync::watch;

use super::platform::{BAD_GATEWAY, Fault, Platform};
use super::setting::Outside;
use crate::support::process::{Daemon, Place, steady_addr};
use crate::support::until;
use crowd::Said;
use judge::Judge;

/// How long the bridge lives before it is killed.
enum Life {
    /// From the moment it listens.
    Listening(Duration),
    /// From the moment it has been told of updates: it may not have stored them.
    Told(Duration),
    /// From its start: it may never come to listen.
    Started(Duration),
}

struct Plan {
    chats: usize,
    /// Updates of each chat.
    each: usize,
    kills: usize,
    latency: Duration,
    webhook: bool,
    /// Whether Telegram fails as well.
    faults: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { chats: 30, each: 10, kills: 24, latency: Duration::ZERO, webhook: false, faults: false }
    }
}

/// A run that is not over by then hangs.
const LIMIT: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_updates_survive_two_dozen_kills() {
    run("at once", Plan::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_survive_with_a_chatbot_that_takes_a_second() {
    run("slow", Plan { latency: Duration::from_secs(1), ..Plan::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_by_webhook_survive_kills() {
    let plan = Plan { chats: 10, each: 6, kills: 10, webhook: true, ..Plan::default() };
    run("webhook", plan).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_while_telegram_fails_lose_nothing() {
    let plan = Plan { chats: 12, each: 10, kills: 10, faults: true, ..Plan::default() };
    run("faults", plan).await;
}

impl Plan {
    fn life(&self, dice: &mut fastrand::Rng, n: usize) -> Life {
        let millis = |range: std::ops::Range<u64>, dice: &mut fastrand::Rng| Duration::from_millis(dice.u64(range));
        match n % 6 {
            // Long enough for whole turns, and for a look into the history to end.
            4 => Life::Listening(millis(900..1_300, dice)),
            5 => Life::Started(millis(0..120, dice)),
            0 => Life::Listening(millis(5..350, dice)),
            1 | 2 => Life::Told(millis(0..6, dice)),
            // What waited while nobody listened is worked on by then.
            _ => Life::Listening(millis(5..100, dice)),
        }
    }

    fn configure(&self, place: Place) -> Place {
        let place = place.set("PIPELINE__RECOVERY_WINDOW", if self.latency.is_zero() { "1s" } else { "5s" });
        if !self.webhook {
            return place;
        }
        place
            .set("SERVER__LISTEN", &steady_addr().to_string())
            .set("CHANNELS__TG__RECEIVE", "webhook")
            .set("CHANNELS__TG__WEBHOOK_URL", "https://bot.example.com")
    }
}

async fn run(name: &str, plan: Plan) {
    let seed = std::env::var("CRASH_SEED").ok().map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
    super::say(&format!("{name}: CRASH_SEED={seed}"));
    let mut dice = fastrand::Rng::with_seed(seed);
    let options = SandboxOptions { latency: plan.latency, ..SandboxOptions::default() };
    let outside = Outside::with(options, |place| plan.configure(place)).await;
    let begun = Instant::now();

    let (killed, kills) = watch::channel(0);
    let chats = crowd::chats(&outside.platform, plan.chats, plan.each);
    let writing: Vec<_> =
        chats.into_iter().map(|chat| chat.write(&outside.platform, kills.clone(), plan.kills, dice.fork())).collect();
    let everything = async {
        let (said, kills) = tokio::join!(join_all(writing), kill_again_and_again(&outside, &plan, &mut dice, &killed));
        let said: Vec<Said> = said.into_iter().flatten().collect();
        let (daemon, addr) = outside.place.listens(spawn(&outside, plan.kills)).await;
        outside.platform.webhook_goes_to(&format!("http://{addr}"));
        outside.platform.heals();
        all_is_done(&outside, &said).await;
        (said, kills, daemon)
    };
    let (said, kills, daemon) = tokio::time::timeout(LIMIT, everything).await.expect("the run ends");
    let took = begun.elapsed();

    assert_eq!(outside.platform.happened().0, (plan.chats * plan.each + crowd::TOPICS_OPENED) as u64);
    let judge = Judge::new(&outside, said, kills);
    super::say(&format!("{name}: {} in {:.1} s", judge.summary(), took.as_secs_f64()));
    judge.every_message_has_its_own_answer();
    judge.order_holds();
    judge.nothing_is_asked_twice();
    judge.doubles_have_a_reason();
    assert_eq!(outside.platform.drops(), 0);
    judge.violations_have_a_reason(&outside.platform.violations());
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
}

/// The bridge's `n`th life: Telegram is reached by a door of its own, so that each call can be told whose it was.
fn spawn(outside: &Outside, n: usize) -> Daemon {
    outside.place.spawn_with(&[("CHANNELS__TG__API_URL", &outside.platform.door(n))])
}

async fn kill_again_and_again(
    outside: &Outside,
    plan: &Plan,
    dice: &mut fastrand::Rng,
    killed: &watch::Sender<usize>,
) -> Vec<Instant> {
    let mut times = Vec::new();
    for n in 0..plan.kills {
        if plan.faults {
            fails_somewhere(&outside.platform, dice);
        }
        let (daemon, life) = match plan.life(dice, n) {
            Life::Listening(life) => {
                let (daemon, addr) = outside.place.listens(spawn(outside, n)).await;
                outside.platform.webhook_goes_to(&format!("http://{addr}"));
                (daemon, life)
            }
            Life::Told(life) => {
                let told = told(&outside.platform);
                let (daemon, addr) = outside.place.listens(spawn(outside, n)).await;
                outside.platform.webhook_goes_to(&format!("http://{addr}"));
                let deadline = Instant::now() + Duration::from_millis(350);
                while self::told(&outside.platform) == told && Instant::now() < deadline {
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
                (daemon, life)
            }
            Life::Started(life) => (spawn(outside, n), life),
        };
        tokio::time::sleep(life).await;
        times.push(Instant::now());
        daemon.kill();
        killed.send_replace(n + 1);
    }
    times
}

/// Changes with every poll that is answered, every delivery that is made, and every update that is acknowledged.
fn told(platform: &Platform) -> usize {
    let polls = platform.attempts("getUpdates");
    let acknowledged = usize::try_from(platform.acknowledged().unwrap_or_default()).unwrap();
    polls.iter().filter(|poll| poll.status == 200).count() + platform.taken() + acknowledged
}

/// A few of the calls to come go wrong. Refusals for a while are left to those that name a chat: a killed bridge forgets what
/// the whole bot was told.
fn fails_somewhere(platform: &Platform, dice: &mut fastrand::Rng) {
    for _ in 0..dice.usize(4..12) {
        let (method, fault) = match dice.u8(0..9) {
            0 => ("getUpdates", Fault::Reset),
            1 => ("getUpdates", Fault::Answer(502, BAD_GATEWAY)),
            2 => ("getFile", Fault::Refuse(500, "Internal Server Error")),
            3 => ("file", Fault::Reset),
            4 => ("sendMessage", Fault::Reset),
            5 => ("sendMessage", Fault::ProcessedThenReset),
            6 => ("sendMessage", Fault::Answer(502, BAD_GATEWAY)),
            7 => ("sendMessage", Fault::Refuse(500, "Internal Server Error")),
            _ => ("sendMessage", Fault::RetryAfter(1)),
        };
        platform.fails(method, None, fault, 1);
    }
}

/// Waits until as much is answered as was said and nothing is left, or for so long that something is lost.
async fn all_is_done(outside: &Outside, said: &[Said]) {
    let chats = crowd::by_chat(said);
    let deadline = Instant::now() + Duration::from_secs(60);
    let answered = || chats.iter().all(|(chat, said)| outside.platform.sent_count(*chat) >= said.len());
    while !(outside.platform.pending() == 0 && answered()) && Instant::now() < deadline {
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
