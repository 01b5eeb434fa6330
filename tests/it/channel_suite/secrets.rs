//! What goes wrong is told without the token, and without what anybody wrote.

use std::time::Duration;

use super::{ANN, BEA, CID, Chat, Fault, Need, On, Platform, World};
use crate::support::log::Log;
use crate::support::picture;

/// What people write.
const WORDS: &str = "planted-words";

pub(crate) async fn neither_the_token_nor_anybodys_words_are_told<P: Platform>() {
    let log = Log::default();
    let mut world = World::<P>::with("secrets", &[(P::TIMEOUT_KEY, "1s")], |setup| setup.logged(&log)).await;
    let has_markup = !P::LACKS.contains(&Need::Markup);
    let faults = [
        Fault::Reset,
        Fault::SentThenReset,
        Fault::Hang,
        Fault::Busy,
        Fault::RejectsMarkup,
        Fault::Rejects,
        Fault::ChatLimit(Duration::from_secs(1)),
    ];
    let faults: Vec<Fault> = faults.into_iter().filter(|fault| has_markup || *fault != Fault::RejectsMarkup).collect();
    for (n, &fault) in (10..).zip(&faults) {
        world.platform.fails(fault, On::To(Chat::With(n)), 1);
        world.says(Chat::With(n), WORDS);
    }
    for (n, _) in (10..).zip(&faults) {
        world.gets(Chat::With(n), 1).await;
    }
    world.platform.shows(ANN, &picture(image::ImageFormat::Png), WORDS, None);
    world.gets(ANN, 1).await;
    world.rests().await;
    world.crashes().await;
    world.says(BEA, WORDS);
    world.gets(BEA, 1).await;
    world.rests().await;
    world.platform.refuses_token(true);
    // A channel that is told, and does not ask, finds out by what it sends.
    world.says(CID, WORDS);
    world.is("bad_credentials").await;
    let pages = [world.bridge.metrics().await, world.bridge.ready().await.to_string(), log.text()];
    assert!(pages.iter().all(|page| page.contains(&world.id)), "the channel is spoken of");
    for page in &pages {
        for secret in [P::TOKEN, WORDS] {
            let line = page.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{secret}: {line:?}");
        }
    }
}
