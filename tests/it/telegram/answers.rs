//! What people write is answered.

use super::World;

const ANN: i64 = 7;

#[tokio::test]
async fn a_private_message_is_answered() {
    let world = World::new("tg_private").await;
    world.platform.says(ANN, ANN, "Hello");
    assert_eq!(world.gets(ANN, 1).await, ["Turn 1: you said \"Hello\""]);
    world.rests().await;
}
