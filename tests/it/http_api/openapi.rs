//! `docs/openapi.json` beside the routes: neither has what the other has not. That what it says of requests and answers is true is
//! the fuzzer's to show (`.ci/fuzz`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use caigunn_bridge::model::error::CATALOGUE;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Bridge, KEY, Setup, problem};

type Operations = BTreeMap<String, BTreeSet<Method>>;

const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document() -> Value {
    serde_json::from_str(&fs::read_to_string(top().join("docs/openapi.json")).unwrap()).unwrap()
}

fn documented(document: &Value) -> Operations {
    let paths = document["paths"].as_object().unwrap();
    let of = |operations: &Value| {
        operations.as_object().unwrap().keys().map(|method| method.to_uppercase().parse().unwrap()).collect()
    };
    paths.iter().map(|(path, operations)| (path.clone(), of(operations))).collect()
}

/// What the source routes: every `.route("path", method(…))` of the HTTP channel.
fn routed() -> Operations {
    let mut routed = Operations::new();
    for file in sources(&top().join("src/channels/http")) {
        let text = fs::read_to_string(&file).unwrap();
        for (at, _) in text.match_indices(".route(") {
            let rest = text[at + ".route(".len()..].trim_start();
            let (path, handler) = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')).unwrap_or_else(|| {
                panic!("{}: a route whose path is not written out cannot be compared", file.display())
            });
            let handler = handler.trim_start_matches(',').trim_start();
            let method = match handler.split('(').next().unwrap() {
                "get" => Method::GET,
                "post" => Method::POST,
                // A function of the channel's own; what it takes is asked of the bridge.
                "openapi::route" => Method::GET,
                other => panic!("{}: the method of `{path}` is not understood: {other}", file.display()),
            };
            assert!(routed.entry(path.to_owned()).or_default().insert(method), "{path} is routed twice");
        }
    }
    routed
}

/// Every file below a folder, but those of the chat page and the widget, which are no API.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !["chat", "page", "widget"].iter().any(|page| path.file_stem().is_some_and(|stem| stem == *page))
        {
            files.push(path);
        }
    }
    files
}

async fn bridge() -> Bridge {
    Setup::default().set("CHANNELS__WEB__PATH", "/web").set("CHANNELS__WEB__PLAYGROUND", "true").start().await
}

#[test]
fn every_route_is_in_the_document_and_nothing_else() {
    assert_eq!(documented(&document()), routed());
}

#[tokio::test]
async fn every_operation_is_routed_and_allow_names_them_all() {
    let bridge = bridge().await;
    for (path, methods) in documented(&document()) {
        let path = path.replace("{id}", "msg_x").replace("{user}", "a").replace("{n}", "0");
        for method in METHODS {
            let request = bridge.client.request(method.clone(), bridge.url(&format!("/web{path}")));
            let response = request.send().await.unwrap();
            if methods.contains(&method) {
                // Without a key: routed, and refused before anything is looked up. Who needs none gets something else.
                let status = response.status().as_u16();
                assert!([200, 401, 415].contains(&status), "{method} {path}: {status}");
            } else {
                let allowed: BTreeSet<Method> =
                    response.headers()["allow"].to_str().unwrap().split(',').map(|one| one.parse().unwrap()).collect();
                let mut expected = methods.clone();
                // RFC 9110: what can be got can be asked for its head.
                expected.extend(methods.contains(&Method::GET).then_some(Method::HEAD));
                assert_eq!(allowed, expected, "{method} {path}");
                assert_eq!(problem(response).await.0, 405, "{method} {path}");
            }
        }
    }
}

#[test]
fn every_code_of_an_error_is_in_the_document() {
    let document = document();
    let codes = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"].as_array().unwrap();
    let mut expected: BTreeMap<&str, u16> = CATALOGUE.iter().map(|entry| (entry.code, entry.status)).collect();
    // Answered by the server before there is a request: it has no body.
    expected.remove("headers_too_large");
    expected.insert("body_timeout", 408);
    assert_eq!(
        codes.iter().map(|code| code.as_str().unwrap()).collect::<BTreeSet<_>>(),
        expected.keys().copied().collect()
    );

    // Where an answer names its codes, they go with its status, and each code is some answer's.
    let mut answered = BTreeSet::from(["method_not_allowed"]);
    for (name, response) in document["components"]["responses"].as_object().unwrap() {
        let Some(problem) = response["content"].get("application/problem+json") else { continue };
        let properties = &problem["schema"]["allOf"][1]["properties"];
        for code in properties["code"]["enum"].as_array().unwrap() {
            let code = code.as_str().unwrap();
            assert_eq!(properties["status"]["const"], expected[code], "{name}: {code}");
            answered.insert(code);
        }
    }
    assert_eq!(answered, expected.keys().copied().collect());
}

#[test]
fn every_answer_has_the_status_that_it_stands_under_and_nothing_is_left_unused() {
    let document = document();
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    for kind in ["schemas", "parameters", "headers", "responses", "examples", "links"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            assert!(used.remove(&format!("#/components/{kind}/{name}")), "{kind}/{name} is not used");
        }
    }
    assert!(used.is_empty(), "not there: {used:?}");
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for operation in operations.as_object().unwrap().values() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{path}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                let Some(reference) = response["$ref"].as_str() else { continue };
                let response = document.pointer(reference.trim_start_matches('#')).unwrap();
                let schema = &response["content"]["application/problem+json"]["schema"];
                if let Some(told) = schema["allOf"][1]["properties"]["status"]["const"].as_u64() {
                    assert_eq!(*status, told.to_string(), "{path}: {reference}");
                }
            }
        }
    }
}

fn references(part: &Value, into: &mut BTreeSet<String>) {
    match part {
        Value::Object(map) => {
            into.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|inner| references(inner, into));
        }
        Value::Array(all) => all.iter().for_each(|inner| references(inner, into)),
        _ => {}
    }
}

#[tokio::test]
async fn it_is_served_with_what_this_channel_says() {
    let limits = |setup: Setup| setup.set("CHANNELS__WEB__MAX_TEXT", "123").set("CHANNELS__WEB__MAX_IMAGES", "4");
    let bridge = limits(Setup::default()).set("CHANNELS__WEB__PATH", "/shop").start().await;
    let get = || bridge.client.get(bridge.url("/shop/v1/openapi.json"));
    let response = get().send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    let tag = response.headers()["etag"].clone();
    let served: Value = response.json().await.unwrap();
    let mut expected = document();
    expected["servers"] = json!([{ "url": "/shop" }]);
    expected["components"]["schemas"]["Text"]["maxLength"] = json!(123);
    expected["components"]["schemas"]["Images"]["maxItems"] = json!(4);
    expected["components"]["schemas"]["Files"]["maxItems"] = json!(4);
    assert!(expected["paths"].as_object_mut().unwrap().remove("/chat/session").is_some(), "there is no playground");
    assert_eq!(served, expected);

    for known in [tag.to_str().unwrap(), "*", &format!("\"x\", W/{}", tag.to_str().unwrap())] {
        let response = get().header("If-None-Match", known).send().await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["etag"]), (304, &tag), "{known}");
        assert_eq!(response.bytes().await.unwrap().len(), 0);
    }
    assert_eq!(get().header("If-None-Match", "\"x\"").send().await.unwrap().status(), 200);

    let plain = Bridge::new().await;
    let served: Value = plain.get(KEY, "/v1/openapi.json").send().await.unwrap().json().await.unwrap();
    assert_eq!(served["servers"], json!([{ "url": "/" }]));
}
