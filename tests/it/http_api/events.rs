//! `GET /v1/conversations/{user}/events`: no gap and no double, whatever breaks off.

use std::time::Duration;

use caigunn_bridge::sandbox::Fault;
use reqwest::RequestBuilder;
use serde_json::json;

use crate::support::sse::Stream;
use crate::support::{Bridge, KEY, OTHER_KEY, Setup, picture, problem};

fn request(bridge: &Bridge, user: &str, query: &str) -> RequestBuilder {
    // No end of its own, as a stream has none.
    let client = reqwest::Client::builder().connect_timeout(crate::support::PATIENCE).build().unwrap();
    client.get(bridge.url(&format!("/v1/conversations/{user}/events{query}"))).bearer_auth(KEY)
}

async fn open(bridge: &Bridge, user: &str, query: &str) -> Stream {
    Stream::open(request(bridge, user, query)).await
}

fn answer(n: usize, text: &str) -> String {
    format!(r#"Turn {n}: you said "{text}""#)
}

#[tokio::test]
async fn a_stream_that_was_there_before_the_first_word_tells_all_of_it() {
    let bridge = Bridge::new().await;
    let mut stream = open(&bridge, "alice", "").await;
    assert_eq!(stream.expect("state").await.data, json!({ "pending": [] }));
    let id = bridge.hand_in("alice", "hi").await;
    bridge.hand_in("bob", "not for alice").await;
    let said = stream.expect("message").await;
    assert_eq!(
        (said.data["from"].as_str(), said.text(), said.data["message"].as_str()),
        (Some("user"), "hi", Some(&*id))
    );
    assert_eq!(said.id.as_deref(), Some(said.data["n"].to_string().as_str()));
    assert!(said.data["at"].as_str().unwrap().ends_with('Z') && said.data["images"] == 0, "{said:?}");
    let replied = stream.expect("message").await;
    assert_eq!((replied.data["from"].as_str(), replied.text()), (Some("bot"), &*answer(1, "hi")));
    assert_eq!(replied.data["message"], said.data["message"]);
    assert!(replied.data["n"].as_i64() > said.data["n"].as_i64());
    assert_eq!(stream.expect("ended").await.data, json!({ "message": id, "state": "answered" }));
    stream.is_silent(Duration::from_millis(300)).await;
}

#[tokio::test]
async fn it_begins_with_the_newest_or_after_a_number_or_now() {
    let bridge = Bridge::new().await;
    for text in ["one", "two", "three"] {
        bridge.say("alice", text).await;
    }
    let mut last = open(&bridge, "alice", "?last=2").await;
    assert_eq!(last.expect("message").await.text(), "three");
    let replied = last.expect("message").await;
    assert_eq!(replied.text(), answer(3, "three"));
    last.expect("state").await;

    let mut now = open(&bridge, "alice", "").await;
    now.expect("state").await;
    let first = open(&bridge, "alice", "?last=200").await.expect("message").await;
    assert_eq!(first.text(), "one");
    let mut after = open(&bridge, "alice", &format!("?after={}", first.id.as_deref().unwrap())).await;
    assert_eq!(after.texts_up_to("two").await, [answer(1, "one"), "two".to_owned()]);
    // The header is the browser's own, and wins.
    let resumed = request(&bridge, "alice", "?after=1").header("Last-Event-ID", replied.id.as_deref().unwrap());
    let mut resumed = Stream::open(resumed).await;
    resumed.expect("state").await;

    bridge.say("alice", "four").await;
    for stream in [&mut last, &mut now, &mut resumed] {
        assert_eq!(stream.texts_up_to(&answer(4, "four")).await, ["four".to_owned(), answer(4, "four")]);
    }
}

#[tokio::test]
async fn a_number_of_another_journal_begins_anew() {
    let bridge = Bridge::new().await;
    for n in 0..26 {
        bridge.say("alice", &n.to_string()).await;
    }
    let mut beyond = open(&bridge, "alice", "?after=99999999").await;
    let reset = beyond.expect("reset").await;
    assert_eq!((reset.id, reset.data), (None, json!({})));
    assert_eq!(beyond.expect("message").await.text(), "1", "the newest 50 of 52");
    beyond.texts_up_to(&answer(26, "25")).await;
    beyond.expect("state").await;
    bridge.say("alice", "more").await;
    assert_eq!(beyond.expect("message").await.text(), "more");
    let mut last = Stream::open(request(&bridge, "alice", "").header("Last-Event-ID", &beyond.last_id)).await;
    last.expect("message").await;
    last.expect("state").await;

    let mut empty = open(&bridge, "bob", "?after=7").await;
    empty.expect("reset").await;
    empty.expect("state").await;
    bridge.say("bob", "first").await;
    assert_eq!(empty.expect("message").await.text(), "first");
    open(&bridge, "carol", "?after=0").await.expect("state").await;
}

#[tokio::test]
async fn what_is_open_is_named_and_its_end_told_even_without_a_word() {
    let bridge = Setup::default().set("PIPELINE__RETRY__MIN", "10ms").start().await;
    bridge.sandbox.set_latency(Duration::from_millis(700));
    let id = bridge.hand_in("alice", "slow").await;
    let mut stream = open(&bridge, "alice", "?last=10").await;
    assert_eq!(stream.expect("message").await.text(), "slow");
    assert_eq!(stream.expect("state").await.data, json!({ "pending": [id] }));
    stream.expect("message").await;
    assert_eq!(stream.expect("ended").await.data, json!({ "message": id, "state": "answered" }));

    bridge.sandbox.set_latency(Duration::ZERO);
    bridge.sandbox.push_fault(Fault::EmptyText);
    let silent = bridge.hand_in("alice", "say nothing").await;
    assert_eq!(stream.expect("message").await.text(), "say nothing");
    let ended = stream.expect("ended").await.data;
    assert_eq!(ended, json!({ "message": silent, "state": "dropped", "reason": "empty_answer" }));
}

#[tokio::test]
async fn pictures_commands_and_notices_are_told_as_what_they_are() {
    let bridge = Bridge::new().await;
    let png = picture(image::ImageFormat::Png);
    let shown = json!({ "user": "alice", "text": "look", "images": [crate::support::base64(&png)], "lang": "en" });
    let id = bridge.post(KEY, &shown).send().await.unwrap().json::<serde_json::Value>().await.unwrap()["id"].clone();
    let reset = bridge.client.post(bridge.url("/v1/conversations/alice/reset")).bearer_auth(KEY);
    assert_eq!(reset.send().await.unwrap().status(), 200);
    let mut stream = open(&bridge, "alice", "?last=10&html=true").await;
    let look = stream.expect("message").await.data;
    assert_eq!((&look["text"], &look["images"], look.get("html")), (&json!("look"), &json!(1), None));
    assert!(stream.expect("message").await.data["html"].as_str().unwrap().starts_with("<p>"));
    let reset = stream.expect("message").await.data;
    assert_eq!((&reset["from"], &reset["command"]), (&json!("user"), &json!("reset")));
    let notice = stream.expect("message").await.data;
    assert_eq!(
        (&notice["from"], notice.get("html")),
        (&json!("notice"), None),
        "the bridge's own words are no Markdown"
    );

    let path = |n: usize| format!("/v1/messages/{}/images/{n}", id.as_str().unwrap());
    let read = bridge.get(KEY, &path(0)).send().await.unwrap();
    assert_eq!((read.status().as_u16(), &read.headers()["content-type"]), (200, &"image/png".parse().unwrap()));
    assert_eq!(read.headers()["x-content-type-options"], "nosniff");
    assert!(read.headers()["content-security-policy"].to_str().unwrap().contains("sandbox"));
    assert_eq!(read.bytes().await.unwrap(), png);
    for (key, path) in [(KEY, path(1)), (OTHER_KEY, path(0)), (KEY, "/v1/messages/msg_0/images/0".to_owned())] {
        assert_eq!(problem(bridge.get(key, &path).send().await.unwrap()).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn a_killed_bridge_leaves_no_gap_and_no_double() {
    let mut bridge = Setup::default().crashable().start().await;
    bridge.sandbox.set_latency(Duration::from_millis(30));
    let mut heard = Vec::new();
    let mut last_id = String::new();
    for round in 0..4 {
        let mut stream = match last_id.as_str() {
            "" => open(&bridge, "alice", "").await,
            id => Stream::open(request(&bridge, "alice", "").header("Last-Event-ID", id)).await,
        };
        for n in 0..5 {
            bridge.hand_in("alice", &format!("{round}.{n}")).await;
        }
        // Cut off in the midst of the answers: some are told, some stored and not told, some not asked yet.
        let enough = 3 + 2 * round;
        let mut here = 0;
        while here < enough {
            let Some(event) = stream.next().await else { break };
            if event.name == "message" {
                heard.push((event.data["n"].as_i64().unwrap(), event.text().to_owned()));
                here += 1;
            }
        }
        last_id = stream.last_id.clone();
        bridge.crash().await;
        bridge.start_again(&[]).await;
    }
    bridge.say("alice", "the end").await;
    let mut stream = Stream::open(request(&bridge, "alice", "").header("Last-Event-ID", &last_id)).await;
    loop {
        let event = stream.next().await.unwrap();
        if event.name == "message" {
            heard.push((event.data["n"].as_i64().unwrap(), event.text().to_owned()));
            if event.text().contains("Turn") && event.text().contains("the end") {
                break;
            }
        }
    }
    let mut all = open(&bridge, "alice", "?last=200").await;
    let mut stored = Vec::new();
    while let Some(event) = all.next().await.filter(|event| event.name == "message") {
        stored.push((event.data["n"].as_i64().unwrap(), event.text().to_owned()));
    }
    assert_eq!(heard, stored, "exactly what is stored, in order, once");
    assert_eq!(stored.len(), 2 * 21, "20 messages and the last one, each with an answer: {stored:#?}");
}

#[tokio::test]
async fn a_stop_ends_streams_and_there_are_bounds() {
    let mut bridge = Bridge::new().await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(open(&bridge, "alice", "").await);
    }
    let (status, document) = problem(request(&bridge, "alice", "").send().await.unwrap()).await;
    assert_eq!((status, &document["code"]), (429, &json!("rate_limited")));
    assert_eq!(request(&bridge, "bob", "").send().await.unwrap().status(), 200);
    streams.pop();
    crate::support::until("a closed stream makes room", async || {
        request(&bridge, "alice", "").send().await.unwrap().status() == 200
    })
    .await;
    for (query, status) in
        [("?last=201", 422), ("?last=x", 400), ("?after=x", 400), ("?conversation=", 422), ("?x=1", 400)]
    {
        let refused = problem(request(&bridge, "alice", query).send().await.unwrap()).await;
        assert_eq!(refused.0, status, "{query}: {refused:?}");
    }
    let odd = request(&bridge, "bob", "").header("Last-Event-ID", "412x");
    assert_eq!(problem(odd.send().await.unwrap()).await.0, 400);

    let mut open = streams.pop().unwrap();
    open.expect("state").await;
    bridge.stop().await;
    assert_eq!(open.next().await, None, "the stream ends with the bridge, and holds it up no longer");
}
