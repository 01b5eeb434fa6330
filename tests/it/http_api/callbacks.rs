//! Callbacks, as a receiver sees them.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::receiver::{Got, HANGS, RESETS, Receiver, TAKES};
use crate::support::log::Log;
use crate::support::{Bridge, KEY, OTHER_KEY, Setup, until};

/// 32 bytes each.
const SECRET: &str = "whsec_c2VjcmV0LW9mLXRoZS1zaG9wLTAxMjM0NTY3ODlhYmM=";
const NEW_SECRET: &str = "whsec_bmV3LXNlY3JldC1vZi10aGUtc2hvcC0wMTIzNDU2Nzg=";

/// The key `shop` has a callback, `desk` has none.
fn setup(receiver: &Receiver) -> Setup {
    Setup::default()
        .set("CHANNELS__WEB__KEYS__SHOP__CALLBACK__URL", &receiver.url("/hook?token=of-the-shop"))
        .set("CHANNELS__WEB__KEYS__SHOP__CALLBACK__SECRET", SECRET)
}

async fn world() -> (Receiver, Bridge) {
    let receiver = Receiver::start().await;
    let bridge = setup(&receiver).start().await;
    (receiver, bridge)
}

fn database(bridge: &Bridge) -> rusqlite::Connection {
    rusqlite::Connection::open(bridge.folder().join("bridge.db")).unwrap()
}

fn count(bridge: &Bridge, rows: &str) -> i64 {
    database(bridge).query_row(&format!("SELECT count(*) FROM outbox WHERE {rows}"), [], |row| row.get(0)).unwrap()
}

async fn channel(bridge: &Bridge) -> Value {
    let ready = bridge.ready().await;
    ready["channels"].as_array().unwrap().iter().find(|channel| channel["name"] == "web").unwrap().clone()
}

/// The number of the one dead letter.
async fn dead(bridge: &Bridge) -> Vec<Value> {
    let listed = bridge.command(&["messages", "list", "--dead", "--json"]).await;
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap_or_else(|_| {
        listed.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    });
    listed
}

#[tokio::test]
async fn a_reply_is_posted_and_can_be_read_all_the_same() {
    let (receiver, bridge) = world().await;
    let body = json!({ "user": "alice", "conversation": "order|7", "text": "hi" });
    let answer: Value = bridge.post(KEY, &body).send().await.unwrap().json().await.unwrap();
    assert_eq!((&answer["state"], answer["text"].as_str()), (&json!("answered"), Some(r#"Turn 1: you said "hi""#)));
    let got = receiver.gets(1).await.remove(0);
    assert_eq!(got.path, "/hook?token=of-the-shop");
    let event = got.json();
    assert_eq!(event["type"], "message.created");
    assert!(event["timestamp"].as_str().is_some_and(|at| at.len() == 24 && at.ends_with('Z')), "{event}");
    let n = event["data"]["n"].as_i64().unwrap();
    let data = json!({
        "n": n, "message": answer["id"], "user": "alice", "conversation": "order|7", "from": "bot",
        "text": r#"Turn 1: you said "hi""#
    });
    assert_eq!(event["data"], data);
    let reset = bridge.client.post(bridge.url("/v1/conversations/alice/reset")).bearer_auth(KEY).send().await.unwrap();
    let reset: Value = reset.json().await.unwrap();
    let told = receiver.gets(2).await[1].json();
    assert_eq!((&told["data"]["from"], &told["data"]["text"]), (&json!("notice"), &reset["text"]));
    assert!(told["data"]["n"].as_i64() > Some(n) && told["data"].get("conversation").is_none(), "{told}");
    // A key without a callback is answered as ever, and nothing waits.
    let body = json!({ "user": "alice", "text": "hello" });
    let answer: Value = bridge.post(OTHER_KEY, &body).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["state"], "answered");
    until("both are sent", async || count(&bridge, "state = 2") == 2).await;
    assert_eq!((count(&bridge, "true"), receiver.got().len()), (2, 2));
}

#[tokio::test]
async fn one_conversation_is_told_in_order_and_again_until_it_is_taken() {
    let (receiver, bridge) = world().await;
    receiver.next(&["500 Oops", RESETS, "302 Found\r\nLocation: /elsewhere", "404 Not Found"]);
    for text in ["one", "two", "three"] {
        bridge.say("alice", text).await;
    }
    receiver.gets(1).await;
    until("all are taken", async || receiver.taken().len() == 3).await;
    let answers: Vec<String> =
        (1..).zip(["one", "two", "three"]).map(|(n, text)| format!("Turn {n}: you said \"{text}\"")).collect();
    assert_eq!(receiver.taken(), answers);
    let got = receiver.got();
    assert_eq!(got.len(), 7);
    assert!(got[..5].iter().all(|again| (again.id(), &again.body) == (got[0].id(), &got[0].body)), "it stays the same");
    let ids: std::collections::BTreeSet<_> = got.iter().map(Got::id).collect();
    assert_eq!(ids.len(), 3, "each has its own");
    assert!(got.iter().all(|got| got.path == "/hook?token=of-the-shop"), "no redirect is followed");
}

#[tokio::test]
async fn a_rest_that_is_asked_for_is_given_to_the_whole_receiver() {
    let (receiver, bridge) = world().await;
    receiver.next(&["429 Too Many Requests\r\nRetry-After: 2"]);
    bridge.say("alice", "one").await;
    let begun = receiver.gets(1).await[0].at;
    until("the rest is noted", async || count(&bridge, "state = 0 AND error LIKE '%rate limited%'") == 1).await;
    bridge.say("bob", "two").await;
    receiver.gets(3).await;
    let waited = receiver.got()[1].at - begun;
    assert!(waited >= Duration::from_millis(1_900), "{waited:?}");
    assert_eq!(count(&bridge, "attempts > 0"), 0, "it is no failed attempt");
}

#[tokio::test]
async fn a_receiver_that_wants_no_more_is_left_alone_until_it_is_tried_again() {
    let receiver = Receiver::start().await;
    let mut bridge = setup(&receiver).start().await;
    receiver.always("410 Gone");
    bridge.say("alice", "one").await;
    until("it is dead", async || count(&bridge, "state = 3") == 1).await;
    bridge.say("alice", "two").await;
    bridge.say("bob", "three").await;
    until("all are dead", async || count(&bridge, "state = 3") == 3).await;
    assert_eq!(receiver.got().len(), 1, "nobody calls any more");
    let state = channel(&bridge).await;
    assert_eq!(state["state"], "limited", "{state}");
    let page = bridge.ready().await.to_string();
    assert!(page.contains("`shop`") && page.contains("messages retry") && !page.contains("of-the-shop"), "{page}");
    let letters = dead(&bridge).await;
    assert_eq!(letters.len(), 3);
    assert!(letters.iter().all(|letter| letter.to_string().contains("410")), "{letters:?}");

    bridge.start_again(&[]).await;
    until("it is known again", async || channel(&bridge).await["state"] == "limited").await;
    bridge.say("carol", "four").await;
    until("that is dead, too", async || count(&bridge, "state = 3") == 4).await;
    assert_eq!(receiver.got().len(), 1);

    // A retry is a try; it is still unwilling.
    let id = letters[1]["id"].as_str().unwrap().to_owned();
    bridge.command(&["messages", "retry", &id]).await;
    receiver.gets(2).await;
    until("it is dead again", async || count(&bridge, "state = 3") == 4).await;
    receiver.always(TAKES);
    bridge.say("dave", "five").await;
    until("nobody has asked it", async || count(&bridge, "state = 3") == 5).await;
    assert_eq!(receiver.got().len(), 2);
    bridge.command(&["messages", "retry", &id]).await;
    until("it takes that", async || receiver.taken().len() == 1).await;
    until("all is well", async || channel(&bridge).await["state"] == "connected").await;
    bridge.say("erin", "six").await;
    until("and what comes after", async || receiver.taken().len() == 2).await;
    assert_eq!(receiver.got()[1].id(), receiver.got()[2].id());
    bridge.start_again(&[]).await;
    bridge.say("erin", "seven").await;
    until("over a restart", async || receiver.taken().len() == 3).await;
    assert_eq!(channel(&bridge).await["state"], "connected");
}

#[tokio::test]
async fn a_receiver_that_keeps_failing_is_seen_until_it_takes_a_call() {
    let receiver = Receiver::start().await;
    let mut bridge = setup(&receiver).start().await;
    receiver.always("500 Oops");
    bridge.say("alice", "one").await;
    until("it has failed", async || count(&bridge, "state = 0 AND attempts > 0") == 1).await;
    assert_eq!(channel(&bridge).await["state"], "connected", "once is no news");
    bridge.stop().await;
    let aged = "UPDATE outbox SET first_sent_at = first_sent_at - 60000, due_at = due_at - 60000";
    assert_eq!(database(&bridge).execute(aged, []).unwrap(), 1);
    bridge.start_again(&[]).await;
    until("it is reported", async || channel(&bridge).await["state"] == "limited").await;
    let page = bridge.ready().await.to_string();
    assert!(page.contains("`shop`") && page.contains("it answers 500") && !page.contains("of-the-shop"), "{page}");
    receiver.always(TAKES);
    until("it takes it", async || receiver.taken().len() == 1).await;
    until("all is well", async || channel(&bridge).await["state"] == "connected").await;
}

#[tokio::test]
async fn another_url_is_another_receiver() {
    let receiver = Receiver::start().await;
    let mut bridge = setup(&receiver).start().await;
    receiver.next(&["410 Gone"]);
    bridge.say("alice", "one").await;
    until("it is dead", async || count(&bridge, "state = 3") == 1).await;
    bridge.start_again(&[("CHANNELS__WEB__KEYS__SHOP__CALLBACK__URL", &receiver.url("/other"))]).await;
    bridge.say("alice", "two").await;
    assert_eq!(receiver.gets(2).await[1].path, "/other");
    assert_eq!(channel(&bridge).await["state"], "connected");
}

#[tokio::test]
async fn one_that_was_open_in_a_crash_comes_again_under_its_id() {
    let receiver = Receiver::start().await;
    // It may have arrived; that is for the receiver to know, so it is sent all the same.
    let setup = setup(&receiver).set("PIPELINE__AMBIGUOUS_SEND", "drop").crashable();
    let mut bridge = setup.start().await;
    receiver.next(&[HANGS]);
    bridge.say("alice", "one").await;
    bridge.say("alice", "two").await;
    receiver.gets(1).await;
    bridge.crash().await;
    bridge.start_again(&[]).await;
    until("both are taken", async || receiver.taken().len() == 2).await;
    let got = receiver.got();
    assert_eq!(got.len(), 3);
    assert_eq!((got[0].id(), &got[0].body), (got[1].id(), &got[1].body));
    assert_ne!(got[1].id(), got[2].id());
}

#[tokio::test]
async fn after_a_day_it_is_a_dead_letter_that_can_be_sent_again() {
    let receiver = Receiver::start().await;
    let mut bridge = setup(&receiver).start().await;
    receiver.always("500 Oops");
    bridge.say("alice", "one").await;
    until("it was tried", async || count(&bridge, "attempts > 0 AND state = 0") == 1).await;
    bridge.stop().await;
    let day = 24 * 60 * 60 * 1_000;
    database(&bridge).execute("UPDATE outbox SET spent = ?1, due_at = 0", [day]).unwrap();
    bridge.start_again(&[]).await;
    until("it is given up", async || count(&bridge, "state = 3 AND reason = 'gave_up'") == 1).await;
    let letter = dead(&bridge).await.remove(0);
    receiver.always(TAKES);
    bridge.command(&["messages", "retry", letter["id"].as_str().unwrap()]).await;
    until("it is taken", async || receiver.taken().len() == 1).await;
    let got = receiver.got();
    assert_eq!(got[0].id(), got.last().unwrap().id());
}

#[tokio::test]
async fn one_without_a_callback_any_more_is_set_aside() {
    let receiver = Receiver::start().await;
    let mut bridge = setup(&receiver).start().await;
    receiver.always("500 Oops");
    bridge.say("alice", "one").await;
    receiver.gets(1).await;
    let key = "CHANNELS__WEB__KEYS__SHOP__CALLBACK";
    bridge.start_again(&[(&format!("{key}__URL"), ""), (&format!("{key}__SECRET"), "")]).await;
    until("it is dead", async || count(&bridge, "state = 3 AND reason = 'address_refused'") == 1).await;
    assert_eq!(bridge.say("alice", "two").await["state"], "answered");
    assert_eq!(count(&bridge, "true"), 1);
}

const VERIFY: &str = r#"
import json, sys
from standardwebhooks import Webhook, WebhookVerificationError
for line in sys.stdin:
    case = json.loads(line)
    try:
        event = Webhook(case["secret"]).verify(case["body"], case["headers"])
        print("ok", event["data"]["text"])
    except WebhookVerificationError as error:
        print("no")
"#;

/// What the library that receivers use says of requests.
fn verified(python: &std::path::Path, cases: &[Value]) -> Vec<String> {
    let mut child =
        Command::new(python).args(["-c", VERIFY]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_library_of_standard_webhooks_takes_our_signatures() {
    let Some(tools) = std::env::var_os("PYTHON_TOOLS") else {
        eprintln!("passed over: PYTHON_TOOLS is not set, so there is no standardwebhooks (CI installs it)");
        return;
    };
    let python = std::path::Path::new(&tools).join("python");
    let receiver = Receiver::start().await;
    let mut bridge = setup(&receiver).start().await;
    bridge.say("alice", "小明 says \"hi\" \u{1f600}\n").await;
    receiver.gets(1).await;
    let rotated = [
        ("CHANNELS__WEB__KEYS__SHOP__CALLBACK__SECRET", NEW_SECRET),
        ("CHANNELS__WEB__KEYS__SHOP__CALLBACK__PREVIOUS_SECRET", SECRET),
    ];
    bridge.start_again(&rotated).await;
    bridge.say("alice", "two").await;
    let got = receiver.gets(2).await;
    let case = |got: &Got, secret: &str| json!({ "secret": secret, "headers": got.headers, "body": got.body });
    let mut cases = vec![
        case(&got[0], SECRET),
        case(&got[0], NEW_SECRET),
        case(&got[1], SECRET),
        case(&got[1], NEW_SECRET),
        case(&got[1], "whsec_YSBzZWNyZXQgdGhhdCBub2JvZHkgaGFzIGNvbmZpZ3VyZWQ="),
    ];
    for change in ["body", "webhook-id", "webhook-timestamp"] {
        let mut changed = case(&got[0], SECRET);
        match change {
            "body" => changed["body"] = got[0].body.replace("alice", "mallo").into(),
            header => changed["headers"][header] = format!("{}1", got[0].headers[header]).into(),
        }
        cases.push(changed);
    }
    let said = tokio::task::spawn_blocking(move || verified(&python, &cases)).await.unwrap();
    let verdicts: Vec<&str> = said.iter().map(|line| &line[..2]).collect();
    assert_eq!(verdicts, ["ok", "no", "ok", "ok", "no", "no", "no", "no"], "{said:?}");
    assert_eq!(got[1].headers["webhook-signature"].split(' ').count(), 2);
}

#[tokio::test]
async fn no_log_and_no_page_tells_a_secret_an_address_or_a_word() {
    let (log, receiver) = (Log::default(), Receiver::start().await);
    let setup = setup(&receiver)
        .set("CHANNELS__WEB__KEYS__SHOP__CALLBACK__PREVIOUS_SECRET", NEW_SECRET)
        .set("CHANNELS__WEB__KEYS__SHOP__CALLBACK__TIMEOUT", "300ms")
        .set("CHANNELS__WEB__KEYS__DESK__CALLBACK__URL", "http://127.0.0.1:1/desk?token=of-the-shop")
        .set("CHANNELS__WEB__KEYS__DESK__CALLBACK__SECRET", NEW_SECRET)
        .logged(&log);
    let bridge = setup.start().await;
    receiver.next(&["500 Oops", HANGS, RESETS, "429 Wait\r\nRetry-After: 1", TAKES, "410 Gone"]);
    bridge.say("alice", "words of a person").await;
    let body = json!({ "user": "alice", "text": "words of a person" });
    bridge.post(OTHER_KEY, &body).send().await.unwrap();
    receiver.gets(5).await;
    bridge.say("alice", "words of a person").await;
    until("one is dead", async || count(&bridge, "state = 3") == 1).await;
    until("the other one was tried", async || count(&bridge, "state = 0 AND attempts > 0") == 1).await;
    let mut all = vec![log.text(), bridge.ready().await.to_string(), bridge.metrics().await];
    for args in [&["config", "show"][..], &["messages", "list", "--json"], &["check"]] {
        all.push(bridge.command(args).await);
    }
    assert!(all[0].contains("the receiver answers 500") && all[0].contains("no answer in time"), "the run was loud");
    let bare = |secret: &'static str| secret.strip_prefix("whsec_").unwrap();
    for needle in [bare(SECRET), bare(NEW_SECRET), "secret-of-the-shop", "words of a person", "v1,"] {
        for text in &all {
            assert!(!text.contains(needle), "{needle}: {}", text.lines().find(|line| line.contains(needle)).unwrap());
        }
    }
    for (n, text) in all.iter().enumerate().filter(|(n, _)| *n != 3) {
        assert!(
            !text.contains("of-the-shop"),
            "{n}: {}",
            text.lines().find(|line| line.contains("of-the-shop")).unwrap()
        );
    }
}

/// What is slow is no reason for a person to wait.
#[tokio::test]
async fn who_waits_for_an_answer_does_not_wait_for_the_receiver() {
    let (receiver, bridge) = world().await;
    receiver.next(&[HANGS]);
    let begun = Instant::now();
    assert_eq!(bridge.say("alice", "one").await["state"], "answered");
    assert!(begun.elapsed() < Duration::from_secs(10));
    receiver.gets(1).await;
}

#[tokio::test]
async fn a_receiver_that_hangs_takes_no_room_from_another() {
    let (hangs, works) = (Receiver::start().await, Receiver::start().await);
    let setup = setup(&hangs)
        .set("CHANNELS__WEB__KEYS__SHOP__CALLBACK__TIMEOUT", "1m")
        .set("CHANNELS__WEB__KEYS__DESK__CALLBACK__URL", &works.url("/"))
        .set("CHANNELS__WEB__KEYS__DESK__CALLBACK__SECRET", SECRET);
    let bridge = setup.start().await;
    hangs.always(HANGS);
    for n in 0..80 {
        bridge.hand_in(&format!("user{n}"), "hi").await;
    }
    until("all are answered", async || count(&bridge, "true") == 80).await;
    let body = json!({ "user": "alice", "text": "hi" });
    assert_eq!(bridge.post(OTHER_KEY, &body).send().await.unwrap().status(), 200);
    // Long before the others' calls are late.
    works.gets(1).await;
    assert!(hangs.got().len() <= 32);
}
