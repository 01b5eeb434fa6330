//! Asks: rows, and how equal ones are counted.

use std::time::Duration;

use caigunn_bridge::contract::store::{AskResult, BeginAsk, Begun, EqualAsks, FinishTurn};
use caigunn_bridge::model::turn::{AskState, Outcome, Reason, Turn};

use super::{StoreFactory, World, secs};

pub(crate) async fn each_ask_is_a_row<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, contact) = w.say("ann", "1").await;
    w.begin(&turn, &contact).await;
    let result = AskResult { n: 0, state: AskState::Answered("one".into()) };
    w.store.finish_ask(turn.seq, w.claim, result).await.unwrap();
    assert!(matches!(w.store.begin_ask(w.ask(&turn, &contact, 1, w.claim)).await.unwrap(), Begun::Yes));
    w.clock.advance(secs(3));
    let (now, _) = w.store.turn(turn.seq).await.unwrap().unwrap();
    let asks: Vec<_> = now.asks.iter().map(|ask| (ask.n, ask.state.clone(), ask.age)).collect();
    assert_eq!(asks, [(0, AskState::Answered("one".into()), secs(3)), (1, AskState::Open, secs(3))]);
    assert_eq!(now.asks[0].uid, contact.uid());
    for state in [AskState::Ambiguous, AskState::NotProcessed, AskState::Failed(Reason::Refused)] {
        w.store.finish_ask(turn.seq, w.claim, AskResult { n: 1, state: state.clone() }).await.unwrap();
        let (now, _) = w.store.turn(turn.seq).await.unwrap().unwrap();
        assert_eq!(now.asks[1].state, state);
    }
}

pub(crate) async fn what_failed_before_it_was_begun_is_recorded<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (turn, _) = w.say("ann", "1").await;
    let unreadable = AskResult { n: 0, state: AskState::Failed(Reason::UnreadableImage) };
    w.store.finish_ask(turn.seq, w.claim, unreadable.clone()).await.unwrap();
    let (now, _) = w.store.turn(turn.seq).await.unwrap().unwrap();
    assert_eq!(now.asks[0].state, unreadable.state);
    assert!(w.runnable().await.is_empty(), "the result claims the turn");
    let last = AskResult { n: 1, ..unreadable };
    let outcome = Outcome::Explained(Reason::UnreadableImage);
    w.store.finish_turn(FinishTurn { ask: Some(last), outcome, ..w.end(&turn, Vec::new()) }).await.unwrap();
}

async fn equal<F: StoreFactory>(w: &World<F>, turn: &Turn, uid: &str, digest: u8) -> EqualAsks {
    w.store.equal_asks(turn.seq, 0, uid, [digest; 16], secs(600)).await.unwrap()
}

pub(crate) async fn equal_texts_are_counted<F: StoreFactory>() {
    let w = World::<F>::new().await;
    for key in ["1", "2"] {
        w.exchange("ann", key, &[]).await;
    }
    w.exchange("bob", "3", &[]).await;
    let (turn, contact) = w.say("ann", "4").await;
    w.begin(&turn, &contact).await;
    let uid = contact.uid();
    assert_eq!(equal(&w, &turn, &uid, 7).await, EqualAsks { answered: 2, doubtful: 0 });
    assert_eq!(equal(&w, &turn, &uid, 8).await, EqualAsks::default(), "another text");
    assert_eq!(equal(&w, &turn, "another-uid", 7).await, EqualAsks::default());
    w.clock.advance(secs(601));
    assert_eq!(equal(&w, &turn, &uid, 7).await, EqualAsks::default(), "too long ago");
}

pub(crate) async fn doubts_are_counted<F: StoreFactory>() {
    let w = World::<F>::new().await;
    let (first, contact) = w.say("ann", "1").await;
    let (second, _) = w.say("ann", "2").await;
    let uid = contact.uid();
    let begin = |turn: &Turn| -> BeginAsk { w.ask(turn, &contact, 0, w.claim) };
    // Not processed: no doubt. Left ambiguous and asked again: the earlier attempt may have been processed.
    for (state, doubtful) in [(AskState::NotProcessed, 0), (AskState::Ambiguous, 1), (AskState::Ambiguous, 2)] {
        w.begin(&first, &contact).await;
        w.store.finish_ask(first.seq, w.claim, AskResult { n: 0, state }).await.unwrap();
        assert!(matches!(w.store.begin_ask(begin(&first)).await.unwrap(), Begun::Yes));
        let open = 1;
        assert_eq!(equal(&w, &second, &uid, 7).await, EqualAsks { answered: 0, doubtful: doubtful + open });
        assert_eq!(
            equal(&w, &first, &uid, 7).await,
            EqualAsks::default(),
            "whichever attempt it was, it is this ask's"
        );
        w.store
            .release_turn(
                first.seq,
                w.claim,
                Some(AskResult { n: 0, state: AskState::NotProcessed }),
                Duration::ZERO,
                None,
            )
            .await
            .unwrap();
    }
    // An answer that is found in the end resolves its own attempt only.
    let found = Some(AskResult { n: 0, state: AskState::Answered("found".into()) });
    w.begin(&first, &contact).await;
    w.store.finish_turn(FinishTurn { ask: found, ..w.end(&first, Vec::new()) }).await.unwrap();
    w.begin(&second, &contact).await;
    assert_eq!(equal(&w, &second, &uid, 7).await, EqualAsks { answered: 1, doubtful: 2 });
    // A turn given up in doubt stays in doubt.
    let ask = Some(AskResult { n: 0, state: AskState::Ambiguous });
    let outcome = Outcome::Dead(Reason::GaveUp);
    w.store.finish_turn(FinishTurn { ask, outcome, ..w.end(&second, Vec::new()) }).await.unwrap();
    let (third, _) = w.say("ann", "3").await;
    w.begin(&third, &contact).await;
    assert_eq!(equal(&w, &third, &uid, 7).await, EqualAsks { answered: 1, doubtful: 3 });
    // Open after a crash and asked again: a doubt as well, for whoever comes after it.
    let w = w.crash().await;
    w.begin(&third, &contact).await;
    assert_eq!(equal(&w, &third, &uid, 7).await, EqualAsks { answered: 1, doubtful: 3 });
    let (fourth, _) = w.say("ann", "4").await;
    assert_eq!(equal(&w, &fourth, &uid, 7).await, EqualAsks { answered: 1, doubtful: 5 });
}
