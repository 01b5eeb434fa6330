//! Setting a webhook, and what comes of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Bot, NONE};
use crate::support::{PATIENCE, until};

/// The secret, and the update's number.
type Got = (Option<String>, i64);

/// Takes what is delivered, after having refused it so many times.
#[derive(Clone, Default)]
struct Receiver {
    got: Arc<Mutex<Vec<Got>>>,
    refusals: Arc<Mutex<u32>>,
    /// How many are held up at once, and were at most.
    busy: Arc<Mutex<(u32, u32)>>,
}

impl Receiver {
    async fn start(&self) -> (String, DropGuard) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().route("/tg/hook", post(receive)).with_state(self.clone());
        let stop = CancellationToken::new();
        tokio::spawn(caigunn_bridge::http::serve(listener, app, Default::default(), stop.clone()));
        (base, stop.drop_guard())
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: axum::Json<Value>) -> StatusCode {
    {
        let mut busy = receiver.busy.lock().unwrap();
        *busy = (busy.0 + 1, busy.1.max(busy.0 + 1));
    }
    tokio::time::sleep(Duration::from_millis(30)).await;
    receiver.busy.lock().unwrap().0 -= 1;
    let mut refusals = receiver.refusals.lock().unwrap();
    if *refusals > 0 {
        *refusals -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let secret = headers.get("x-telegram-bot-api-secret-token").map(|secret| secret.to_str().unwrap().to_owned());
    receiver.got.lock().unwrap().push((secret, body["update_id"].as_i64().unwrap()));
    StatusCode::OK
}

#[tokio::test]
async fn updates_are_delivered_in_order_until_they_are_taken() {
    let (bot, receiver) = (Bot::new().await, Receiver::default());
    let (base, _stop) = receiver.start().await;
    *receiver.refusals.lock().unwrap() = 2;
    bot.platform.loses_webhook_answers(1);
    bot.platform.webhook_goes_to(&base);
    bot.platform.says(7, 7, "before");
    let params = json!({ "url": "https://bot.example.com/tg/hook", "secret_token": "s3cret_-", "max_connections": 1 });
    bot.ok("setWebhook", params).await;
    bot.platform.says(7, 7, "one");
    bot.platform.says(8, 8, "two");
    until("all are delivered", async || bot.platform.pending() == 0).await;
    let got = receiver.got.lock().unwrap().clone();
    let first = got[0].1;
    let expected = [first, first, first + 1, first + 2].map(|id| (Some("s3cret_-".to_owned()), id));
    assert_eq!(got, expected);
    let tries: Vec<_> = bot.platform.deliveries().iter().map(|delivery| (delivery.update, delivery.status)).collect();
    assert_eq!(tries, [(first, 503), (first, 503), (first, 200), (first, 200), (first + 1, 200), (first + 2, 200)]);
    let last = bot.platform.deliveries().pop().unwrap();
    assert_eq!((last.url, last.secret.as_deref()), (format!("{base}/tg/hook"), Some("s3cret_-")));
    assert!(last.at.elapsed() < PATIENCE);
    let info = bot.ok("getWebhookInfo", json!({})).await;
    assert_eq!((&info["pending_update_count"], &info["max_connections"]), (&0.into(), &1.into()));
    assert_eq!(info["last_error_message"], "Read timeout expired");
    assert!(info["last_error_date"].is_i64());
    assert_eq!((bot.platform.webhook_sets(), bot.platform.drops()), (1, 0));
    bot.clean();
}

#[tokio::test]
async fn so_many_deliveries_are_open_at_once() {
    let (bot, receiver) = (Bot::new().await, Receiver::default());
    let (base, _stop) = receiver.start().await;
    for text in ["one", "two", "three", "four", "five", "six"] {
        bot.platform.says(7, 7, text);
    }
    bot.ok("setWebhook", json!({ "url": "https://bot.example.com/tg/hook", "max_connections": 3 })).await;
    until("nobody is there", async || bot.platform.deliveries().len() >= 3).await;
    assert_eq!((bot.platform.deliveries()[0].status, bot.platform.pending()), (0, 6));
    bot.platform.webhook_goes_to(&base);
    until("all are delivered", async || bot.platform.pending() == 0).await;
    let (most, got) = (receiver.busy.lock().unwrap().1, receiver.got.lock().unwrap().len());
    assert!((1..=3).contains(&most) && got == 6, "{most} at once, {got} in all");
}

#[tokio::test]
async fn polling_and_a_webhook_exclude_each_other() {
    let bot = Bot::new().await;
    let set = async {
        while bot.platform.polls().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bot.platform.sets_webhook("https://elsewhere.example.com/");
    };
    let (poll, ()) = tokio::join!(bot.fails("getUpdates", json!({ "timeout": 50 })), set);
    assert_eq!(poll, (409, "Conflict: terminated by setWebhook request".to_owned()));
    let (status, what) = bot.fails("getUpdates", json!({})).await;
    assert!(status == 409 && what.contains("use deleteWebhook to delete the webhook first"), "{what}");
    assert_eq!(bot.ok("getWebhookInfo", json!({})).await["url"], "https://elsewhere.example.com/");
    bot.ok("deleteWebhook", json!({})).await;
    assert_eq!((bot.platform.webhook(), bot.ok("getWebhookInfo", json!({})).await["url"].as_str()), (None, Some("")));
    assert_eq!(bot.updates(json!({})).await, NONE);
    bot.platform.sets_webhook("https://elsewhere.example.com/");
    bot.platform.removes_webhook();
    bot.platform.says(7, 7, "hello");
    bot.ok("deleteWebhook", json!({ "drop_pending_updates": true })).await;
    assert_eq!((bot.platform.drops(), bot.platform.pending()), (1, 0));
}

#[tokio::test]
async fn a_webhook_has_to_be_right() {
    let bot = Bot::new().await;
    let bad = async |params: Value, what: &str| {
        bot.refuses("setWebhook", params, 400, &format!("Bad Request: {what}")).await;
    };
    bad(json!({ "url": "http://a.example/" }), "bad webhook: An HTTPS URL must be provided for webhook").await;
    let ports = "bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443";
    bad(json!({ "url": "https://a.example:8080/" }), ports).await;
    let secret = |secret: &str| json!({ "url": "https://a.example/", "secret_token": secret });
    bad(secret("a b"), "secret token contains unallowed characters").await;
    bad(secret(&"x".repeat(257)), "secret token is too long").await;
    bot.ok("setWebhook", secret(&"x".repeat(256))).await;
    bot.clean();
    bot.ok("setWebhook", json!({ "url": "https://a.example/", "max_connections": 101 })).await;
    assert_eq!(bot.platform.violations().len(), 1);
    bot.platform.is_self_hosted();
    bot.ok("setWebhook", json!({ "url": "http://127.0.0.1:9/" })).await;
    bot.ok("setWebhook", json!({ "url": "" })).await;
    assert_eq!(bot.platform.webhook(), None);
}
