//! `kill -9` at any instant: what was accepted is answered, once and in order.
//!
//! The real binary is killed again and again while people write. `CRASH_SEED=<number>` repeats a run's dice; the moments at
//! which the kills fall are the machine's.

mod judge;
mod people;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use caigunn_bridge::sandbox::{Call, Fault, SandboxOptions, Scripted};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::Setup;
use crate::support::process::{Place, steady_addr};
use judge::Judge;
use people::{Line, Person};

/// How long the bridge lives before it is killed.
enum Life {
    /// From the moment it listens.
    Listening(Duration),
    /// From its start: it may never come to listen.
    Started(Duration),
}

struct Plan {
    people: usize,
    /// Messages of each.
    each: usize,
    pictures: bool,
    kills: usize,
    life: fn(&mut fastrand::Rng, usize) -> Life,
}

/// A run that is not over by then hangs.
const LIMIT: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_messages_survive_two_dozen_kills() {
    // A few lives are long enough for a look into the history to end without a find, and the repeated ask to be killed too.
    let life = |dice: &mut fastrand::Rng, n: usize| match n % 6 {
        4 => Life::Listening(Duration::from_millis(dice.u64(1_000..1_200))),
        _ => Life::Listening(Duration::from_millis(dice.u64(5..350))),
    };
    run(Plan { people: 50, each: 10, pictures: false, kills: 24, life }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_survive_kills() {
    let life = |dice: &mut fastrand::Rng, _| Life::Listening(Duration::from_millis(dice.u64(5..350)));
    run(Plan { people: 12, each: 4, pictures: true, kills: 8, life }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_start_up_and_in_quick_succession_lose_nothing() {
    let life = |dice: &mut fastrand::Rng, n: usize| match n % 5 {
        0 => Life::Listening(Duration::from_millis(dice.u64(50..250))),
        _ => Life::Started(Duration::from_millis(dice.u64(0..120))),
    };
    run(Plan { people: 16, each: 6, pictures: false, kills: 30, life }).await;
}

/// Killed twice over one message: the first ask had not arrived, the second had. The answer is still found.
#[tokio::test]
async fn an_answer_is_found_though_an_earlier_ask_was_lost() {
    let bridge = Setup::default().start().await;
    bridge.sandbox.push_fault(Scripted::on(Fault::Reset, Call::Talk));
    bridge.sandbox.push_fault(Scripted::on(Fault::ProcessThenReset, Call::Talk));
    let answer = bridge.say("alice", "hello").await;
    assert_eq!(answer["text"], r#"Turn 1: you said "hello""#);
    let asks: Vec<bool> =
        bridge.sandbox.log().iter().filter(|call| call.call == Call::Talk).map(|call| call.processed).collect();
    assert_eq!(asks, [false, true]);
}

async fn run(plan: Plan) {
    let seed = std::env::var("CRASH_SEED").ok().map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
    say(&format!("CRASH_SEED={seed}"));
    let mut dice = fastrand::Rng::with_seed(seed);
    let begun = Instant::now();
    let options = SandboxOptions { latency: Duration::from_millis(50), ..SandboxOptions::default() };
    let addr = steady_addr();
    let place = Place::new(options).await.set("SERVER__LISTEN", &addr.to_string());

    let (killed, kills) = watch::channel(0);
    let mut talking = JoinSet::new();
    for n in 0..plan.people {
        let person = Person::new(n, plan.each, plan.pictures, plan.kills, dice.fork());
        talking.spawn(person.talk(Line::new(addr, place.client.clone()), kills.clone()));
    }
    let everything = async {
        let kill_times = kill_again_and_again(&place, &plan, &mut dice, &killed).await;
        let (daemon, _) = place.start().await;
        let mut said = Vec::new();
        while let Some(one) = talking.join_next().await {
            said.extend(one.expect("a person's task"));
        }
        (kill_times, said, daemon)
    };
    let (kill_times, said, daemon) = tokio::time::timeout(LIMIT, everything).await.expect("the run ends");
    let took = begun.elapsed();

    let kill_times = kill_times.into_iter().map(|at| at.duration_since(begun)).collect();
    let judge = Judge { said: &said, calls: place.sandbox.log(), log: place.log_lines(), kills: kill_times };
    say(&format!("{} messages in {:.1} s: {}", said.len(), took.as_secs_f64(), judge.summary()));
    assert_eq!(said.len(), plan.people * plan.each);
    assert!(place.sandbox.peak_in_flight() > 2, "conversations overlap");
    judge.every_message_has_its_own_answer();
    judge.order_holds();
    judge.nothing_is_asked_twice_without_need();
    replay(&said, addr, &place.client).await;
    nothing_is_left(&place).await;
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
}

async fn kill_again_and_again(
    place: &Place,
    plan: &Plan,
    dice: &mut fastrand::Rng,
    killed: &watch::Sender<usize>,
) -> Vec<Instant> {
    let mut times = Vec::new();
    for n in 0..plan.kills {
        let (daemon, life) = match (plan.life)(dice, n) {
            Life::Listening(life) => (place.start().await.0, life),
            Life::Started(life) => (place.spawn(), life),
        };
        tokio::time::sleep(life).await;
        times.push(Instant::now());
        daemon.kill();
        killed.send_replace(n + 1);
    }
    times
}

/// The same request once more has the same answer, and is no new message.
async fn replay(said: &[people::Said], addr: SocketAddr, client: &reqwest::Client) {
    let line = Line::new(addr, client.clone());
    for one in said {
        let response = line.request(&one.message).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["idempotent-replayed"]),
            (200, &"true".parse().unwrap())
        );
        let view: serde_json::Value = response.json().await.unwrap();
        assert_eq!(view, one.answer);
    }
}

/// Nothing waits, nothing was given up.
async fn nothing_is_left(place: &Place) {
    let listed = place.run(&["messages", "list", "--json"]).await;
    assert_eq!((listed.code, listed.out.as_str(), listed.err.as_str()), (0, "", ""));
}

#[expect(clippy::print_stderr, reason = "what a run was like is worth seeing, and its seed is needed when it failed")]
fn say(text: &str) {
    eprintln!("{text}");
}
