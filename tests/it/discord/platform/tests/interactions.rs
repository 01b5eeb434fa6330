//! Commands that are used, and how they are answered.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{APPLICATION, Slash};
use super::{ANN, Bot, ROOM, said, with};

/// Where an interaction is answered, by its number.
struct Paths {
    callback: String,
    webhook: String,
}

impl Paths {
    fn of(bot: &Bot, interaction: u64) -> Self {
        let token = bot.platform.lock().interactions[&interaction].token.clone();
        Self {
            callback: format!("interactions/{interaction}/{token}/callback"),
            webhook: format!("webhooks/{APPLICATION}/{token}"),
        }
    }

    fn original(&self) -> String {
        format!("{}/messages/@original", self.webhook)
    }
}

fn deferred(flags: u64) -> Value {
    json!({ "type": 5, "data": { "flags": flags } })
}

#[tokio::test]
async fn a_deferred_command_is_answered_by_an_edit_and_follow_ups() {
    let bot = Bot::new().await;
    let asked = bot.platform.uses(Slash::new(ROOM, ANN, "ask").option("text", "hello"));
    let paths = Paths::of(&bot, asked);
    bot.refuses("POST", &paths.webhook, said("early"), 404, 10015).await;
    assert_eq!(bot.call("POST", &paths.callback, deferred(0)).await, (204, Value::Null));
    assert_eq!(bot.platform.answers(asked), ["…"]);
    bot.refuses("POST", &paths.callback, deferred(0), 400, 40060).await;
    bot.objects("acknowledged twice");
    let edited = bot.ok("PATCH", &paths.original(), said("one")).await;
    assert_eq!((&edited["flags"], &edited["type"]), (&0.into(), &20.into()));
    let more = bot.ok("POST", &format!("{}?wait=true", paths.webhook), said("two")).await;
    assert_ne!(more["id"], edited["id"]);
    let at = format!("{}/messages/{}", paths.webhook, more["id"].as_str().unwrap());
    bot.ok("PATCH", &at, said("2")).await;
    assert_eq!(bot.get(&paths.original()).await["content"], "one");
    assert_eq!(bot.platform.answers(asked), ["one", "2"]);
    assert_eq!(bot.platform.texts(ROOM), ["one", "2"]);
    let sent = bot.platform.sent(ROOM);
    assert_eq!(
        sent.iter().map(|sent| (&*sent.text, sent.interaction)).collect::<Vec<_>>(),
        [("one", Some(asked)), ("two", Some(asked))]
    );
    let routes: Vec<_> = bot.platform.responses(asked).iter().map(|response| (response.route, response.kind)).collect();
    assert_eq!(routes, [("callback", Some(5)), ("edit_original", None), ("follow_up", None), ("edit_follow_up", None)]);
    bot.clean();
    bot.ok("POST", &paths.webhook, with(said("x"), "nonce", "n".into())).await;
    bot.objects("follow_up has no `nonce`");
}

#[tokio::test]
async fn the_first_follow_up_after_a_deferral_takes_its_place() {
    let bot = Bot::new().await;
    let asked = bot.platform.uses(Slash::new(ROOM, ANN, "ask"));
    let paths = Paths::of(&bot, asked);
    bot.ok("POST", &paths.callback, deferred(64)).await;
    assert_eq!(bot.platform.acknowledged(asked), Some((5, true)));
    // As it is said to be, whatever the flags now are.
    bot.ok("POST", &paths.webhook, said("for one")).await;
    assert_eq!(bot.platform.answers(asked), ["for one"]);
    assert!(bot.platform.responses(asked)[1].ephemeral);
    bot.clean();
    bot.ok("POST", &paths.webhook, with(said("also"), "flags", 64.into())).await;
    assert_eq!(bot.platform.answers(asked), ["for one", "also"]);
    assert_eq!(bot.platform.sent_count(ROOM), 0);
    bot.clean();
    bot.ok("POST", &paths.webhook, said("for all")).await;
    bot.objects("a public answer");
}

#[tokio::test]
async fn commands_are_answered_in_time_once_and_while_the_token_lives() {
    let bot = Bot::new().await;
    let at_once = bot.platform.uses(Slash::new(ROOM, ANN, "help"));
    let paths = Paths::of(&bot, at_once);
    let message = json!({ "type": 4, "data": with(said("help"), "flags", 64.into()) });
    let told = bot.ok("POST", &format!("{}?with_response=true", paths.callback), message.clone()).await;
    assert_eq!(told["resource"]["message"]["content"], "help");
    assert_eq!(bot.platform.answers(at_once), ["help"]);
    bot.platform.tokens_live(Duration::ZERO);
    bot.refuses("PATCH", &paths.original(), said("x"), 401, 50027).await;
    bot.refuses("POST", &paths.webhook, said("x"), 401, 50027).await;
    bot.clean();

    let late = bot.platform.uses(Slash::new(ROOM, ANN, "help"));
    bot.platform.wants_callbacks_within(Duration::ZERO);
    bot.refuses("POST", &Paths::of(&bot, late).callback, message, 404, 10062).await;
    bot.refuses("POST", "interactions/5/x/callback", deferred(0), 404, 10062).await;
    bot.refuses("POST", &format!("webhooks/{APPLICATION}/nobodys"), said("x"), 404, 10015).await;
    bot.refuses("POST", "webhooks/7/nobodys", said("x"), 404, 10015).await;
    bot.objects("webhooks/7");
    bot.platform.wants_callbacks_within(Duration::from_secs(3));
    let odd = bot.platform.uses(Slash::new(ROOM, ANN, "help"));
    bot.refuses("POST", &Paths::of(&bot, odd).callback, json!({ "type": 1 }), 400, 50035).await;
    bot.objects("type 1");
    let empty = json!({ "type": 4, "data": said("") });
    bot.refuses("POST", &Paths::of(&bot, odd).callback, empty, 400, 50006).await;
    bot.clean();
}

#[tokio::test]
async fn what_is_said_first_can_be_taken_back() {
    let bot = Bot::new().await;
    for flags in [0, 64] {
        let asked = bot.platform.uses(Slash::new(ROOM, ANN, "ask"));
        let paths = Paths::of(&bot, asked);
        bot.ok("POST", &paths.callback, deferred(flags)).await;
        bot.ok("DELETE", &paths.original(), Value::Null).await;
        assert_eq!(bot.platform.answers(asked), [""; 0]);
        bot.refuses("GET", &paths.original(), Value::Null, 404, 10008).await;
    }
    bot.clean();
}
