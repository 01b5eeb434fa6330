//! While nothing can be committed, nothing is acknowledged.

use std::time::Duration;

use caigunn_bridge::sandbox::SandboxOptions;
use rusqlite::Connection;

use crate::support::until;
use crate::telegram::setting::Outside;

const ANN: i64 = 7;

/// Killed while the store is locked by another process: what came in meanwhile comes again.
async fn nothing_is_acknowledged_that_is_not_stored(outside: Outside, asked: impl Fn(&Outside) -> usize) {
    let (daemon, addr) = outside.place.start().await;
    outside.platform.webhook_goes_to(&format!("http://{addr}"));
    outside.platform.says(ANN, ANN, "before");
    until("it is answered", async || outside.platform.sent_count(ANN) == 1).await;
    until("it is acknowledged", async || outside.platform.pending() == 0).await;
    // Or the answer, which arrived and is not recorded yet, would be an open send when the process is killed.
    until("nothing is left", async || outside.place.run(&["messages", "list", "--json"]).await.out.is_empty()).await;

    let lock = Connection::open(outside.place.store()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = asked(&outside);
    outside.platform.says(ANN, ANN, "meanwhile");
    outside.platform.says(ANN, ANN, "and more");
    until("the bridge hears of it", async || asked(&outside) > before).await;
    // Long enough for whoever acknowledges early.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(outside.platform.pending(), 2, "nothing is acknowledged");
    daemon.kill();
    drop(lock);
    assert_eq!(outside.platform.pending(), 2);

    let (_daemon, addr) = outside.place.start().await;
    outside.platform.webhook_goes_to(&format!("http://{addr}"));
    until("the answers", async || outside.platform.sent_count(ANN) == 3).await;
    let answers = ["before", "meanwhile", "and more"];
    let answers = (1..).zip(answers).map(|(turn, text)| format!("Turn {turn}: you said \"{text}\""));
    assert_eq!(outside.platform.texts(ANN), answers.collect::<Vec<_>>());
    assert_eq!(outside.platform.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_poll_acknowledges_what_is_stored() {
    let outside = Outside::new(SandboxOptions::default()).await;
    // An open poll is answered when something comes.
    let answered = |outside: &Outside| {
        outside.platform.attempts("getUpdates").iter().filter(|attempt| attempt.status == 200).count()
    };
    nothing_is_acknowledged_that_is_not_stored(outside, answered).await;
}

#[tokio::test]
async fn a_delivery_is_acknowledged_when_it_is_stored() {
    let by_webhook = |place: crate::support::process::Place| {
        place.set("CHANNELS__TG__RECEIVE", "webhook").set("CHANNELS__TG__WEBHOOK_URL", "https://bot.example.com")
    };
    let outside = Outside::with(SandboxOptions::default(), by_webhook).await;
    nothing_is_acknowledged_that_is_not_stored(outside, |outside| outside.platform.taken()).await;
}
