//! Among several people.

use super::{Chat, Need, Platform, World};

pub(crate) async fn only_what_addresses_the_bot_is_answered<P: Platform>() {
    let world = World::<P>::new("group").await;
    world.says(Chat::Group, "lunch?");
    let asked = world.platform.addresses("what is tea?");
    world.says(Chat::Group, "not now");
    if !P::LACKS.contains(&Need::Voice) {
        world.platform.speaks(Chat::Group);
    }
    let got = world.gets_messages(Chat::Group, 1).await;
    world.rests().await;
    assert_eq!(world.asked(), ["what is tea?"]);
    assert_eq!(world.platform.sent(Chat::Group).len(), 1, "nothing is said to the others");
    assert_eq!(got[0].text, "Turn 1: you said \"what is tea?\"");
    assert!(P::LACKS.contains(&Need::Replies) || got[0].reply_to.as_ref() == Some(&asked), "{got:?}");
}

pub(crate) async fn the_first_part_of_an_answer_names_its_question<P: Platform>() {
    let world = World::<P>::new("parts").await;
    world.answers_in_three_parts();
    let questions = [world.platform.addresses("long one"), world.platform.addresses("long two")];
    let got = world.gets_messages(Chat::Group, 6).await;
    world.rests().await;
    let named: Vec<_> = got.iter().map(|sent| sent.reply_to.as_deref()).collect();
    assert_eq!(named, [Some(&*questions[0]), None, None, Some(&*questions[1]), None, None]);
}
