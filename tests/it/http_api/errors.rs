//! The table of errors, each once.

use reqwest::RequestBuilder;
use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::http_api::{file, post_form};
use crate::support::{Bridge, KEY, Setup, problem};

/// Sends a request that is refused; checks the form of the problem and reads its detail.
async fn refused(request: RequestBuilder, status: u16, code: &str) -> String {
    let (got, document) = problem(request.send().await.unwrap()).await;
    assert_eq!((got, document["code"].as_str()), (status, Some(code)), "{document}");
    assert_eq!(document["status"], status);
    assert_eq!(document["type"], format!("urn:caigunn-bridge:error:{code}"));
    assert!(document["title"].is_string() && document["hint"].is_string(), "{document}");
    document["detail"].as_str().unwrap_or_default().to_owned()
}

fn raw(bridge: &Bridge, content_type: &str, body: &str) -> RequestBuilder {
    let request = bridge.client.post(bridge.url("/v1/messages")).bearer_auth(KEY);
    request.header("Content-Type", content_type).body(body.to_owned())
}

#[tokio::test]
async fn what_cannot_be_read_is_400() {
    let bridge = Bridge::new().await;
    let bad = |body: &str| raw(&bridge, "application/json", body);
    refused(bad("{"), 400, "bad_request").await;
    refused(bad(""), 400, "bad_request").await;
    refused(raw(&bridge, "multipart/form-data", "x"), 400, "bad_request").await;
    refused(raw(&bridge, "multipart/form-data; boundary=b", "--b\r\nnonsense"), 400, "bad_request").await;
    refused(bridge.message("a", "hi").header("Prefer", "wait=soon"), 400, "bad_request").await;
    for key in ["", "\"\"", "x".repeat(256).as_str()] {
        let detail = refused(bridge.message("a", "hi").header("Idempotency-Key", key), 400, "bad_request").await;
        assert!(detail.contains("Idempotency-Key"), "{detail}");
    }
    assert!(bridge.asks().is_empty());
}

#[tokio::test]
async fn a_hint_is_about_what_was_wrong() {
    let bridge = Bridge::new().await;
    let hint = async |request: RequestBuilder| {
        let (status, document) = problem(request.send().await.unwrap()).await;
        (status, document["hint"].as_str().unwrap().to_owned())
    };
    let compare = |what: &str| (400, format!("Compare the {what} with the API reference."));
    assert_eq!(hint(bridge.get(KEY, "/v1/conversations/a/history?x=1")).await, compare("query"));
    assert_eq!(hint(bridge.get(KEY, "/v1/conversations/%FF/history")).await, compare("path"));
    assert_eq!(hint(bridge.message("a", "hi").header("Prefer", "wait=soon")).await, compare("header"));
    assert_eq!(hint(raw(&bridge, "application/json", "{")).await, compare("body"));
    let (status, told) = hint(bridge.get(KEY, "/v1/session")).await;
    assert!(status == 403 && told.contains("session token") && !told.contains("access"), "{told}");
    let token = bridge.client.post(bridge.url("/v1/sessions")).bearer_auth(KEY).json(&json!({ "user": "a" }));
    let token: Value = token.send().await.unwrap().json().await.unwrap();
    let again = bridge.client.post(bridge.url("/v1/sessions")).bearer_auth(token["token"].as_str().unwrap());
    let (status, told) = hint(again.json(&json!({ "user": "a" }))).await;
    assert!(status == 403 && told.contains("API key") && !told.contains("access"), "{told}");
}

#[tokio::test]
async fn who_has_no_key_is_told_nothing() {
    let bridge = Bridge::new().await;
    for path in ["/v1/messages/msg_x", "/v1/conversations/a/history", "/v1/conversations/%FF/history"] {
        for authorization in [None, Some("Bearer key-that-nobody-has-01"), Some("Basic a2V5")] {
            let mut request = bridge.client.get(bridge.url(path));
            if let Some(value) = authorization {
                request = request.header("Authorization", value);
            }
            let response = request.send().await.unwrap();
            assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"), "{path}");
            let (status, document) = problem(response).await;
            assert_eq!((status, &document["code"]), (401, &json!("unauthorized")), "{path}");
        }
    }
    refused(bridge.client.post(bridge.url("/v1/messages")).body("{"), 401, "unauthorized").await;
    refused(bridge.client.post(bridge.url("/v1/conversations/a/reset")), 401, "unauthorized").await;
}

#[tokio::test]
async fn what_is_not_there_is_404_and_a_wrong_method_is_405() {
    let bridge = Setup::default().set("CHANNELS__WEB__PATH", "/shop").start().await;
    let unknown = "msg_01234567890123456789012345";
    for path in [
        "/",
        "/v1/messages/x",
        "/shop",
        "/shop/v1",
        "/shop/v2/messages",
        "/shop/v1/messages/x",
        "/shop/v1/messages/%FF",
    ] {
        refused(bridge.get(KEY, path), 404, "not_found").await;
    }
    refused(bridge.get(KEY, &format!("/shop/v1/messages/{unknown}")), 404, "not_found").await;
    for (path, method, allow) in [
        ("/shop/v1/messages", reqwest::Method::GET, "POST"),
        ("/shop/v1/messages/x", reqwest::Method::DELETE, "GET,HEAD"),
        ("/shop/v1/conversations/a/reset", reqwest::Method::GET, "POST"),
        ("/healthz", reqwest::Method::POST, "GET,HEAD"),
    ] {
        let response = bridge.client.request(method, bridge.url(path)).bearer_auth(KEY).send().await.unwrap();
        assert_eq!(response.headers()["allow"], allow, "{path}");
        let (status, document) = problem(response).await;
        assert_eq!((status, &document["code"]), (405, &json!("method_not_allowed")), "{path}");
    }
}

#[tokio::test]
async fn other_types_are_415() {
    let bridge = Bridge::new().await;
    refused(raw(&bridge, "text/plain", "hi"), 415, "unsupported_media_type").await;
    refused(raw(&bridge, "application/x-www-form-urlencoded", "user=a&text=b"), 415, "unsupported_media_type").await;
    refused(bridge.client.post(bridge.url("/v1/messages")).bearer_auth(KEY), 415, "unsupported_media_type").await;
}

#[tokio::test]
async fn a_field_that_is_wrong_is_422_and_named() {
    let bridge =
        Setup::default().set("CHANNELS__WEB__MAX_TEXT", "5").set("CHANNELS__WEB__MAX_IMAGES", "1").start().await;
    let long = "x".repeat(257);
    let named = [
        (json!({ "text": "hi" }), "`user` is missing"),
        (json!({ "user": "", "text": "hi" }), "user"),
        (json!({ "user": long, "text": "hi" }), "user"),
        (json!({ "user": "a\u{7}", "text": "hi" }), "user"),
        (json!({ "user": 7, "text": "hi" }), "user"),
        (json!({ "user": "a" }), "text"),
        (json!({ "user": "a", "text": "六個字的訊息" }), "text"),
        (json!({ "user": "a", "text": "hi", "nickname": long }), "nickname"),
        (json!({ "user": "a", "text": "hi", "conversation": "" }), "conversation"),
        (json!({ "user": "a", "images": ["§"] }), "images[0]"),
        (json!({ "user": "a", "images": [{ "name": "x" }] }), "images"),
        (json!({ "user": "a", "images": ["AAAA", "AAAA"] }), "images"),
        (json!({ "user": "a", "text": "hi", "colour": "red" }), "colour"),
        (json!({ "user": null, "text": "hi" }), "null"),
        (json!({ "user": "a", "images": [{ "data": "AAAA", "size": 3 }] }), "images"),
        (json!({ "user": "a", "images": [["AAAA"]] }), "images"),
        // serde would read a struct's fields from it.
        (json!(["a", "hi"]), "a JSON object"),
    ];
    for (body, field) in named {
        let detail = refused(bridge.post(KEY, &body), 422, "invalid").await;
        assert!(detail.contains(field), "{body}: {detail}");
    }
    let quoted = refused(bridge.post(KEY, &json!({ "x".repeat(100_000): 1 })), 422, "invalid").await;
    assert!(quoted.len() <= 300, "a refusal does not repeat the whole body: {} bytes", quoted.len());
    let forms: [(Form, &str); 5] = [
        (Form::new().text("text", "hi"), "`user` is missing"),
        (Form::new().text("user", "a").text("user", "b").text("text", "hi"), "user"),
        (Form::new().text("user", "a").text("text", "六個字的訊息"), "text"),
        (Form::new().text("user", "a").text("text", "hi").text("colour", "red"), "colour"),
        (Form::new().text("user", "a").part("images", file(vec![1])).part("images", file(vec![1])), "images"),
    ];
    for (form, field) in forms {
        let detail = refused(post_form(&bridge, KEY, form), 422, "invalid").await;
        assert!(detail.contains(field), "{field}: {detail}");
    }
    let detail = refused(bridge.get(KEY, "/v1/conversations/%20/history"), 422, "invalid").await;
    assert!(detail.contains("user"), "{detail}");
    assert!(bridge.asks().is_empty());
    let five: Value = bridge.say("a", "五個字的詞").await;
    assert_eq!(five["state"], "answered", "the limit counts characters");
}

#[tokio::test]
async fn a_large_body_is_413_and_a_large_head_431() {
    let bridge = Setup::default().set("SERVER__MAX_BODY", "2KiB").set("SERVER__MAX_HEADER_BYTES", "8KiB").start().await;
    let limit = "The body is larger than 2048 bytes.";
    assert_eq!(refused(bridge.message("a", &"x".repeat(3_000)), 413, "too_large").await, limit);
    let form = Form::new().text("user", "a").part("images", file(vec![0; 3_000]));
    assert_eq!(refused(post_form(&bridge, KEY, form), 413, "too_large").await, limit);
    let head = bridge.message("a", "hi").header("X-Long", "x".repeat(9_000)).send().await.unwrap();
    assert_eq!(head.status(), 431);
    assert!(bridge.asks().is_empty());
}

#[tokio::test]
async fn a_store_that_has_no_room_is_503_and_stores_nothing() {
    let bridge = Setup::default().set("STORE__MEDIA_BUDGET", "1MiB").start().await;
    let form = || Form::new().text("user", "a").text("text", "look").part("images", file(vec![7; 1_500_000]));
    let request = || post_form(&bridge, KEY, form()).header("Idempotency-Key", "k");
    let response = request().send().await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    let (status, document) = problem(response).await;
    assert_eq!((status, &document["code"]), (503, &json!("unavailable")));
    refused(request(), 503, "unavailable").await;
    let text = bridge.message("a", "hi").header("Idempotency-Key", "k").send().await.unwrap();
    assert_eq!(text.status(), 200, "the key is free, and text is taken");
}

#[tokio::test]
async fn a_history_that_cannot_be_read_is_503() {
    use caigunn_bridge::sandbox::{Call, Fault, Scripted};
    let bridge = Bridge::new().await;
    bridge.say("a", "hi").await;
    bridge.sandbox.push_fault(Scripted::on(Fault::Html502, Call::Messages));
    let detail = refused(bridge.get(KEY, "/v1/conversations/a/history"), 503, "unavailable").await;
    assert!(!detail.contains("502") && !detail.contains("html"), "no error text of the backend: {detail}");
}
