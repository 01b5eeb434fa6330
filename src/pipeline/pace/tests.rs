use std::time::Duration;

use tokio::time::Instant;

use super::{Pace, Places, Step, Waiter, stretched};
use crate::model::capabilities::SendRate;
use crate::model::outbound::Lane;

const SECOND: Duration = Duration::from_secs(1);

fn rate(scope: &'static str, calls: u32, per: Duration) -> SendRate {
    SendRate { scope: scope.into(), calls, per }
}

/// One a second in a chat, three a second in all.
fn pace() -> Pace {
    Pace::new(&[rate("chat:", 1, SECOND), rate("bot", 3, SECOND)])
}

fn scopes(chat: &str) -> Vec<String> {
    vec![format!("chat:{chat}"), "bot".to_owned()]
}

fn waiter(pace: &mut Pace, chat: &str, lane: Lane) -> Waiter {
    let ticket = pace.ticket();
    pace.waiter(&scopes(chat), lane, ticket)
}

fn try_take(pace: &mut Pace, chat: &str, now: Instant) -> Option<Places> {
    pace.try_take(&scopes(chat), Lane::Reply, now)
}

/// A call that takes no time.
fn call(pace: &mut Pace, chat: &str, now: Instant) -> bool {
    let places = try_take(pace, chat, now);
    places.map(|places| pace.end(places, true, now)).is_some()
}

fn windows(pace: &Pace) -> usize {
    pace.rates.iter().map(|rate| rate.windows.len() + rate.leaving.len()).sum()
}

#[test]
fn exactly_so_many_in_a_window_and_the_next_when_the_first_has_left() {
    let (mut pace, start) = (pace(), Instant::now());
    for n in 0..3 {
        assert!(call(&mut pace, &n.to_string(), start + SECOND / 10 * n));
    }
    let free = start + stretched(SECOND);
    assert!(!call(&mut pace, "9", start + SECOND), "a margin is kept");
    assert!(!call(&mut pace, "9", free.checked_sub(Duration::from_nanos(1)).unwrap()));
    assert!(call(&mut pace, "9", free));
    assert!(!call(&mut pace, "8", free), "the second has not left");
    assert!(call(&mut pace, "8", free + SECOND / 10));
}

#[test]
fn a_place_is_free_only_a_window_after_its_call_has_ended() {
    let (mut pace, start) = (pace(), Instant::now());
    let slow = try_take(&mut pace, "a", start).unwrap();
    let mut next = waiter(&mut pace, "a", Lane::Reply);
    assert_eq!(pace.step(&mut next, start + SECOND * 5), Step::Later, "nobody knows when");
    pace.end(slow, true, start + SECOND * 6);
    let free = start + SECOND * 6 + stretched(SECOND);
    assert_eq!(pace.step(&mut next, start + SECOND * 6), Step::At(free));
    assert_eq!(pace.step(&mut next, free), Step::Go);
}

#[test]
fn what_was_not_used_is_free_at_once() {
    let (mut pace, now) = (pace(), Instant::now());
    let places = try_take(&mut pace, "a", now).unwrap();
    let mut next = waiter(&mut pace, "a", Lane::Reply);
    assert_eq!(pace.step(&mut next, now), Step::Later);
    pace.end(places, false, now);
    assert_eq!(pace.step(&mut next, now), Step::Go);
    pace.end(next.places(), false, now);
    assert_eq!(windows(&pace), 0);
}

#[test]
fn a_chat_that_must_wait_takes_nothing_of_the_others() {
    let (mut pace, now) = (pace(), Instant::now());
    assert!(call(&mut pace, "a", now));
    let mut waiting = waiter(&mut pace, "a", Lane::Reply);
    assert_eq!(pace.step(&mut waiting, now), Step::At(now + stretched(SECOND)));
    assert!(call(&mut pace, "b", now) && call(&mut pace, "c", now), "all three of the bot's places were there");
    assert!(!call(&mut pace, "d", now));
    pace.leave(&mut waiting, now);
}

#[test]
fn the_whole_bot_is_waited_for_in_order_and_replies_go_first() {
    let (mut pace, now) = (pace(), Instant::now());
    for chat in ["a", "b", "c"] {
        assert!(call(&mut pace, chat, now));
    }
    let free = now + stretched(SECOND);
    let mut bulk = waiter(&mut pace, "d", Lane::Bulk);
    assert_eq!(pace.step(&mut bulk, now), Step::At(free));
    let mut first = waiter(&mut pace, "e", Lane::Reply);
    let mut second = waiter(&mut pace, "f", Lane::Reply);
    assert_eq!(pace.step(&mut second, now), Step::At(free));
    assert_eq!(pace.step(&mut first, now), Step::At(free), "asked later, came earlier");
    assert!(try_take(&mut pace, "g", free).is_none(), "nobody passes by");
    assert_eq!(pace.step(&mut bulk, free), Step::Later);
    assert_eq!(pace.step(&mut second, free), Step::Later);
    assert_eq!(pace.step(&mut first, free), Step::Go);
    assert_eq!(pace.step(&mut second, free), Step::Go);
    assert!(pace.try_take(&scopes("g"), Lane::Bulk, free).is_none(), "bulk came before this bulk");
    assert!(try_take(&mut pace, "g", free).is_some(), "a reply passes bulk by");
    assert_eq!(pace.step(&mut bulk, free), Step::Later);
    pace.leave(&mut bulk, free);
}

#[tokio::test]
async fn the_first_in_the_queue_is_woken_when_that_changes() {
    let (mut pace, now) = (pace(), Instant::now());
    let held: Vec<_> = ["a", "b", "c"].iter().map(|chat| try_take(&mut pace, chat, now).unwrap()).collect();
    let mut queue: Vec<_> = ["d", "e"].iter().map(|chat| waiter(&mut pace, chat, Lane::Reply)).collect();
    for waiting in &mut queue {
        assert_eq!(pace.step(waiting, now), Step::Later);
    }
    for places in held {
        pace.end(places, true, now);
    }
    let (mut second, mut first) = (queue.pop().unwrap(), queue.pop().unwrap());
    tokio::time::timeout(SECOND, first.wake().notified()).await.expect("it can say by now when");
    assert_eq!(pace.step(&mut first, now), Step::At(now + stretched(SECOND)));
    pace.leave(&mut first, now);
    tokio::time::timeout(SECOND, second.wake().notified()).await.expect("it is the first now");
    pace.leave(&mut second, now);
}

#[test]
fn several_scopes_count_at_once_and_those_without_a_rate_do_not() {
    let (mut pace, mut now) = (Pace::new(&[rate("chat:", 1, SECOND), rate("group:", 3, SECOND * 60)]), Instant::now());
    let group = ["group:g".to_owned(), "chat:g".to_owned(), "chat:g".to_owned(), "bot".to_owned()];
    let mut calls = 0;
    for _ in 0..10 {
        if let Some(places) = pace.try_take(&group, Lane::Reply, now) {
            pace.end(places, true, now);
            calls += 1;
        }
        now += SECOND * 2;
    }
    assert_eq!(calls, 3);
    for _ in 0..100 {
        assert!(pace.try_take(&["bot".to_owned()], Lane::Bulk, now).is_some());
    }
}

#[test]
fn whatever_the_way_takes_a_strict_window_is_never_overrun() {
    const CALLS: usize = 5;
    let mut pace = Pace::new(&[rate("bot", 5, SECOND)]);
    let (mut now, random) = (Instant::now(), &mut fastrand::Rng::with_seed(7));
    let mut open: Vec<(Instant, Places)> = Vec::new();
    let mut counted = Vec::new();
    let end = now + SECOND * 200;
    while now < end {
        open.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        while open.last().is_some_and(|(at, _)| *at <= now) {
            let (at, places) = open.pop().unwrap();
            pace.end(places, true, at);
        }
        if let Some(places) = pace.try_take(&["bot".to_owned()], Lane::Reply, now) {
            // The platform counts it at any moment until its answer is here.
            let took = Duration::from_millis(random.u64(0..3_000));
            counted.push(now + took.mul_f64(random.f64()));
            open.push((now + took, places));
        }
        now += Duration::from_millis(random.u64(0..20));
    }
    counted.sort();
    assert!(counted.len() > 300, "{}", counted.len());
    assert!(counted.windows(CALLS + 1).all(|calls| calls[CALLS] - calls[0] >= SECOND));
}

#[test]
fn many_chats_cost_no_search_and_are_forgotten() {
    let (mut pace, start) = (Pace::new(&[rate("chat:", 1, SECOND)]), Instant::now());
    let began = std::time::Instant::now();
    for n in 0..50_000_u32 {
        assert!(call(&mut pace, &n.to_string(), start + Duration::from_micros(100) * n));
        assert!(windows(&pace) < 21_000, "only those of the last second");
    }
    let end = start + SECOND * 7;
    let mut waiting: Vec<_> = (0..20_000).map(|n| waiter(&mut pace, &n.to_string(), Lane::Reply)).collect();
    for waiting in &mut waiting {
        assert_eq!(pace.step(waiting, end), Step::Go);
    }
    for mut waiting in waiting {
        pace.end(waiting.places(), true, end);
    }
    assert!(call(&mut pace, "last", end + SECOND * 2));
    assert_eq!(windows(&pace), 2);
    // A search among thousands for each of tens of thousands of calls would take minutes.
    assert!(began.elapsed() < Duration::from_secs(20));
}
