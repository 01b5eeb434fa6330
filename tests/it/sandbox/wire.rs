//! Talk and vision: what is answered, and what is refused.

use caigunn_bridge::sandbox::{Call, EntryKind, LogOutcome, SandboxOptions};
use image::ImageFormat;
use reqwest::multipart::{Form, Part};
use serde_json::json;

use super::{World, picture, refused, text_of, two_bots};

#[tokio::test]
async fn a_talk_tells_its_turn_and_is_kept() {
    let world = World::plain().await;
    assert_eq!(world.say("u1", "hello").await, "Turn 1: you said \"hello\"");
    assert_eq!(world.say("u2", "hello").await, "Turn 1: you said \"hello\"");
    assert_eq!(world.say("u1", "再見").await, "Turn 2: you said \"再見\"");
    assert_eq!(world.say("u1", "empty").await, "");
    assert_eq!(world.say("u1", "long 5000").await.len(), 5000);
    assert!(world.say("u1", "What is this?").await.contains("caigunn-bridge"));
    let kept = world.sandbox.history("demo", "u1");
    assert_eq!(kept.len(), 5);
    assert_eq!((kept[1].question.as_str(), kept[1].nickname.as_str()), ("再見", "Ann"));
    assert!(kept.is_sorted_by_key(|entry| entry.created_at));
}

#[tokio::test]
async fn two_sandboxes_that_hear_the_same_say_the_same() {
    let (one, two) = (World::plain().await, World::plain().await);
    for text in ["hello", "help", "long 300", "empty"] {
        assert_eq!(one.say("u", text).await, two.say("u", text).await);
    }
    let look = |world: &World| world.vision("u", picture(ImageFormat::Png), "x").send();
    assert_eq!(text_of(look(&one).await.unwrap()).await, text_of(look(&two).await.unwrap()).await);
}

#[tokio::test]
async fn a_nickname_is_decoded_and_logged() {
    let world = World::plain().await;
    let request = world.post("/chatbot/talk").query(&[("nickname", "王 & Söhne #1")]).header("uid", "u");
    request.json(&json!({ "text": "x" })).send().await.unwrap();
    assert_eq!(world.sandbox.log()[0].nickname.as_deref(), Some("王 & Söhne #1"));
}

#[tokio::test]
async fn vision_judges_by_the_bytes_and_names_what_it_sees() {
    let world = World::plain().await;
    for (turn, (format, name)) in
        [(ImageFormat::Png, "PNG"), (ImageFormat::Gif, "GIF"), (ImageFormat::Tiff, "TIFF")].into_iter().enumerate()
    {
        let answer = text_of(world.vision("u", picture(format), "").send().await.unwrap()).await;
        let turn = turn + 1;
        assert_eq!(answer, format!("Turn {turn}: you sent a {name} picture, 40 × 20 pixels, mostly red and blue"));
    }
    let answer = text_of(world.vision("u", picture(ImageFormat::Jpeg), "nice?").send().await.unwrap()).await;
    assert!(answer.starts_with("Turn 4: you sent a JPEG picture, 40 × 20 pixels, mostly red"), "{answer}");
    assert!(answer.ends_with("and wrote \"nice?\""), "{answer}");

    let kept = world.sandbox.history("demo", "u");
    assert_eq!((kept[3].kind, kept[3].question.as_str()), (EntryKind::Image, "nice?"));
    assert_eq!(kept[0].kwargs["image"]["width"], 40);
    let log = world.sandbox.log();
    assert_eq!((log[0].call, log[0].image_format), (Call::Vision, Some("png")));
    assert_eq!(log[0].image_bytes, Some(picture(ImageFormat::Png).len()));
}

#[tokio::test]
async fn images_that_vision_does_not_take_are_400() {
    let world = World::plain().await;
    for image in [picture(ImageFormat::WebP), picture(ImageFormat::Bmp), b"no picture at all".to_vec()] {
        let (status, detail) = refused(world.vision("u", image, "")).await;
        assert_eq!(status, 400);
        assert!(detail.contains("Unsupported image format"), "{detail}");
    }
    let mut cut = picture(ImageFormat::Png);
    cut.truncate(cut.len() / 2);
    assert_eq!(refused(world.vision("u", cut, "")).await.0, 400);
    assert!(world.sandbox.history("demo", "u").is_empty());
    assert!(world.sandbox.log().iter().all(|entry| entry.outcome == LogOutcome::Refused && !entry.processed));
}

#[tokio::test]
async fn an_image_over_the_limit_is_413() {
    let world = World::new(SandboxOptions { max_image_bytes: 100, ..SandboxOptions::default() }).await;
    assert_eq!(refused(world.vision("u", vec![0; 200], "")).await.0, 413);
    assert_eq!(refused(world.vision("u", vec![0; 2 * 1024 * 1024], "")).await.0, 413);
}

#[tokio::test]
async fn headers_are_mandatory() {
    let world = World::plain().await;
    let bare = |headers: &[(&'static str, &str)]| {
        let request = world.http.post(world.url("/chatbot/talk")).json(&json!({ "text": "x" }));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    };
    let (token, key, uid) = (("caigunn-access-token", "sandbox-token"), ("api-key", "sandbox-key"), ("uid", "u"));
    assert_eq!(bare(&[token, key, uid]).send().await.unwrap().status(), 200);
    for (headers, status, about) in [
        (vec![key, uid], 401, "caigunn-access-token is missing"),
        (vec![("caigunn-access-token", "other"), key, uid], 401, "access token is not valid"),
        (vec![token, uid], 401, "api-key is missing"),
        (vec![token, ("api-key", "other"), uid], 403, "api key is not valid"),
        (vec![token, key], 400, "uid is missing"),
        (vec![token, key, ("uid", "")], 400, "uid is missing"),
        (vec![token, key, ("uid", "ü")], 400, "ASCII"),
        (vec![token, key, uid, ("uid", "v")], 400, "twice"),
    ] {
        let (got, detail) = refused(bare(&headers)).await;
        assert_eq!(got, status, "{headers:?}");
        assert!(detail.contains(about), "{detail}");
    }
    let log = world.sandbox.log();
    assert_eq!((log.len(), log[1].status, log[1].outcome), (9, Some(401), LogOutcome::Refused));
    assert!(!serde_json::to_string(&log).unwrap().contains("sandbox-key"));
}

#[tokio::test]
async fn without_a_required_token_none_is_needed() {
    let world = World::new(SandboxOptions { require_token: false, ..SandboxOptions::default() }).await;
    let request = world.http.post(world.url("/chatbot/talk")).header("api-key", "sandbox-key").header("uid", "u");
    assert_eq!(request.json(&json!({ "text": "x" })).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn bodies_have_to_be_as_documented() {
    let world = World::plain().await;
    let talk = || world.post("/chatbot/talk").header("uid", "u");
    let vision = || world.post("/chatbot/vision").header("uid", "u");
    let file = |name: &'static str| Form::new().part(name, Part::bytes(picture(ImageFormat::Png)).file_name("a.png"));
    let cases = [
        (talk().json(&json!({ "message": "x" })), "missing field"),
        (talk().json(&json!({ "text": 7 })), "not as documented"),
        (talk().header("content-type", "application/json").body("{\"text\":"), "not as documented"),
        (talk().header("content-type", "text/plain").body("{\"text\":\"x\"}"), "application/json"),
        (talk().header("content-type", "application/x-www-form-urlencoded").body("text=x"), "application/json"),
        (talk().body("{\"text\":\"x\"}"), "application/json"),
        (vision().multipart(Form::new().text("text", "x")), "image is missing"),
        (vision().multipart(file("file")), "image is missing"),
        (vision().multipart(Form::new().text("image", "x")), "filename"),
        (vision().multipart(file("image").part("image", Part::bytes(vec![1]).file_name("b"))), "more than one"),
        (vision().header("content-type", "application/x-www-form-urlencoded").body("text=x"), "image is missing"),
        (vision().json(&json!({ "text": "x" })), "multipart/form-data"),
        (vision().header("content-type", "multipart/form-data").body("x"), "boundary"),
    ];
    for (request, about) in cases {
        let (status, detail) = refused(request).await;
        assert_eq!(status, 400, "{detail}");
        assert!(detail.contains(about), "{detail:?} does not say {about:?}");
    }
    let without_caption = vision().multipart(file("image")).send().await.unwrap();
    assert!(text_of(without_caption).await.starts_with("Turn 1: you sent a PNG"));
}

#[tokio::test]
async fn paths_and_methods_are_404_and_405() {
    let world = World::plain().await;
    assert_eq!(refused(world.get("/chatbot/nothing")).await.0, 404);
    // The slip of the documents, `talk&nickname=`, is no path either.
    assert_eq!(refused(world.post("/chatbot/talk&nickname=x")).await.0, 404);
    for path in ["/chatbot/talk", "/chatbot/vision"] {
        assert_eq!(refused(world.get(path)).await.0, 405);
    }
    for path in ["/chatbot/uids", "/chatbot/messages", "/user/token/refresh"] {
        assert_eq!(refused(world.post(path)).await.0, 405);
    }
}

#[tokio::test]
async fn two_bots_know_nothing_of_each_other() {
    let mut world = World::new(two_bots()).await;
    assert_eq!(world.say("u", "one").await, "Turn 1: you said \"one\"");
    world.key = "key-b".into();
    assert_eq!(world.say("u", "two").await, "Turn 1: you said \"two\"");
    assert_eq!(world.list("u", "").await.len(), 1);
    let names: Vec<_> = world.sandbox.log().into_iter().map(|entry| entry.bot.unwrap().to_string()).collect();
    assert_eq!(names, ["a", "b", "b"]);
    assert!(world.sandbox.revoke_key("b"));
    assert_eq!(refused(world.talk("u", "x")).await.0, 403);
    world.key = "key-a".into();
    assert_eq!(world.say("u", "three").await, "Turn 2: you said \"three\"");
    assert!(world.sandbox.restore_key("b"));
    world.key = "key-b".into();
    assert_eq!(world.say("u", "four").await, "Turn 2: you said \"four\"");
}
