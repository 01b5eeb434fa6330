//! The control endpoint.

use caigunn_bridge::sandbox::SandboxOptions;
use serde_json::{Value, json};

use super::{World, refused};

async fn controlled() -> World {
    World::new(SandboxOptions { control: true, ..SandboxOptions::default() }).await
}

async fn post(world: &World, path: &str, body: Value) -> (u16, Value) {
    let request = world.http.post(format!("{}/_sandbox/{path}", world.sandbox.base_url()));
    let answer = request.json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn get(world: &World, path: &str) -> Value {
    let url = format!("{}/_sandbox/{path}", world.sandbox.base_url());
    world.http.get(url).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn there_is_none_unless_it_is_asked_for() {
    let world = World::plain().await;
    assert_eq!(post(&world, "reset", json!({})).await.0, 404);
}

#[tokio::test]
async fn settings_are_changed_one_by_one_and_mistakes_named() {
    let world = controlled().await;
    let (status, now) = post(&world, "settings", json!({ "latency_ms": 20, "latency_jitter_ms": 5 })).await;
    assert_eq!((status, &now["settings"]["latency_ms"]), (200, &json!(20)));
    let (_, now) = post(&world, "settings", json!({ "token_ttl_ms": 60000 })).await;
    assert_eq!((&now["settings"]["latency_ms"], &now["settings"]["token_ttl_ms"]), (&json!(20), &json!(60000)));
    assert_eq!(post(&world, "settings", json!({ "latencyms": 20 })).await.0, 422);
    assert_eq!(post(&world, "settings", json!({ "failure_rate": 2 })).await.0, 422);
    world.say("u", "x").await;
    assert!(world.sandbox.log()[0].duration_ms.unwrap() >= 20);
}

#[tokio::test]
async fn a_script_is_taken_whole_or_not_at_all() {
    let world = controlled().await;
    let broken = json!([{ "kind": "hang" }, { "kind": "explode" }]);
    assert_eq!(post(&world, "script", broken).await.0, 422);
    let misspelt = json!({ "kind": "status", "status": 503, "txet": "a" });
    assert_eq!(post(&world, "script", misspelt).await.0, 422);
    assert_eq!(world.sandbox.pending_faults(), 0);
    let script =
        json!([{ "kind": "status", "status": 503, "retry_after": "1", "text": "a" }, { "kind": "empty_text" }]);
    assert_eq!(post(&world, "script", script).await.1["scripted"], 2);
    assert_eq!(world.say("u", "b").await, "");
    assert_eq!(refused(world.talk("u", "a")).await.0, 503);
    post(&world, "script", json!({ "kind": "html502", "times": 0 })).await;
    let url = format!("{}/_sandbox/script", world.sandbox.base_url());
    world.http.delete(url).send().await.unwrap();
    world.say("u", "a").await;
}

#[tokio::test]
async fn tokens_and_keys_are_taken_away_and_given_back() {
    let mut world = controlled().await;
    post(&world, "expire-token", json!({})).await;
    post(&world, "refuse-refresh", json!({ "on": true })).await;
    assert_eq!(refused(world.talk("u", "x")).await.0, 401);
    assert_eq!(refused(world.get("/user/token/refresh")).await.0, 401);
    post(&world, "add-token", json!({ "token": "fresh" })).await;
    world.token = "fresh".into();
    world.say("u", "x").await;
    assert_eq!(post(&world, "revoke-key", json!({ "api_key": "sandbox-key" })).await.0, 200);
    assert_eq!(refused(world.talk("u", "x")).await.0, 403);
    post(&world, "restore-key", json!({ "bot": "demo" })).await;
    world.say("u", "x").await;
    assert_eq!(post(&world, "revoke-key", json!({ "api_key": "nobody's" })).await.0, 404);
}

#[tokio::test]
async fn the_log_shows_calls_without_secrets_and_a_reset_starts_over() {
    let world = controlled().await;
    world.say("u", "hello").await;
    let log = get(&world, "log").await;
    assert_eq!(log[0]["n"], 1);
    assert_eq!((&log[0]["call"], &log[0]["bot"], &log[0]["text"]), (&json!("talk"), &json!("demo"), &json!("hello")));
    assert_eq!((&log[0]["outcome"], &log[0]["processed"]), (&json!("answered"), &json!(true)));
    assert!(!log.to_string().contains("sandbox-key") && !log.to_string().contains("sandbox-token"));

    post(&world, "expire-token", json!({})).await;
    let (_, state) = post(&world, "reset", json!({})).await;
    assert_eq!((&state["bots"][0]["conversations"], &state["in_flight"]), (&json!(0), &json!(0)));
    assert_eq!(get(&world, "log").await, json!([]));
    assert_eq!(world.say("u", "hello").await, "Turn 1: you said \"hello\"");
    assert_eq!(get(&world, "state").await["received"], 2);
}
