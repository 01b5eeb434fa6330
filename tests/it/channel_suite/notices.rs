//! What is shown beside answers.

use std::time::Duration;

use super::{ANN, Chat, Need, Platform, World};

const WAITS: Duration = Duration::from_millis(1_500);

pub(crate) async fn typing_is_shown_while_somebody_waits<P: Platform>() {
    let world = World::<P>::new("typing").await;
    world.bridge.sandbox.set_latency(WAITS);
    let in_group = !P::LACKS.contains(&Need::Groups);
    if in_group {
        world.says(Chat::Group, "not for the bot");
    }
    world.says(ANN, "hello");
    world.asks(1).await;
    world.gets(ANN, 1).await;
    world.rests().await;
    let shown = world.platform.typing(ANN);
    let due = 1 + WAITS.as_millis() / P::TYPING_LASTS.as_millis();
    assert!(shown as u128 >= due, "again and again: {shown}");
    tokio::time::sleep(P::TYPING_LASTS + Duration::from_millis(200)).await;
    assert_eq!(world.platform.typing(ANN), shown, "it ends with the turn");
    assert!(!in_group || world.platform.typing(Chat::Group) == 0, "nobody waits there");
}
