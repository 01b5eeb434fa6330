//! The two forms of a body and their fields.

use image::ImageFormat;
use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::http_api::{file, post_form};
use crate::support::{Bridge, KEY, base64, picture};

#[tokio::test]
async fn json_and_multipart_carry_the_same_fields() {
    let bridge = Bridge::new().await;
    let png = picture(ImageFormat::Png);
    let body = json!({
        "user": "小明", "text": "look", "nickname": "  王小明 & co ", "conversation": "order 7", "lang": "zh-TW",
        "images": [base64(&png)],
    });
    let first: Value = bridge.post(KEY, &body).send().await.unwrap().json().await.unwrap();
    let form = Form::new()
        .text("user", "小明")
        .text("text", "look")
        .text("nickname", "王小明 & co")
        .text("conversation", "order 7")
        .text("lang", "zh-TW")
        .part("images", file(png));
    let second: Value = post_form(&bridge, KEY, form).send().await.unwrap().json().await.unwrap();
    for (answer, turn) in [(&first, "Turn 1"), (&second, "Turn 2")] {
        assert_eq!(answer["state"], "answered", "{answer}");
        let text = answer["text"].as_str().unwrap();
        assert!(text.starts_with(turn) && text.contains("look"), "one conversation for both forms: {text}");
    }
    let asks = bridge.asks();
    assert_eq!(asks.len(), 2);
    assert_eq!(asks[0].uid, asks[1].uid);
    for ask in asks {
        assert_eq!(ask.nickname.as_deref(), Some("王小明 & co"));
        assert_eq!(ask.text.as_deref(), Some("look"));
        assert_eq!(ask.image_format, Some("png"));
    }
}

#[tokio::test]
async fn images_come_in_every_base64_form() {
    let bridge = Bridge::new().await;
    let png = picture(ImageFormat::Png);
    let bare = base64(&png);
    let url_safe = bare.replace('+', "-").replace('/', "_");
    let images = json!([
        bare,
        bare.trim_end_matches('='),
        url_safe,
        format!("data:image/png;base64,{bare}"),
        { "data": bare, "name": "red.png" },
        { "data": format!("data:application/octet-stream;base64,{bare}") },
    ]);
    let answer: Value =
        bridge.post(KEY, &json!({ "user": "alice", "images": images })).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["state"], "answered", "{answer}");
    let asks = bridge.asks();
    assert_eq!(asks.len(), 6, "one ask each");
    assert!(asks.iter().all(|ask| ask.image_bytes == Some(png.len())), "each is the picture itself: {asks:?}");
    let text = answer["text"].as_str().unwrap();
    let places: Vec<_> = (1..=6).map(|n| text.find(&format!("Turn {n}:")).unwrap()).collect();
    assert!(places.is_sorted(), "one reply, the answers in order: {text}");
}

#[tokio::test]
async fn what_vision_does_not_take_is_converted_and_files_may_repeat() {
    let bridge = Bridge::new().await;
    let form = Form::new()
        .text("user", "alice")
        .part("images", file(picture(ImageFormat::WebP)))
        .part("images", file(picture(ImageFormat::Bmp)))
        .part("images", file(picture(ImageFormat::Jpeg)));
    let response = post_form(&bridge, KEY, form).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let formats: Vec<_> = bridge.asks().into_iter().map(|ask| ask.image_format.unwrap()).collect();
    assert_eq!(formats.len(), 3);
    assert!(formats[..2].iter().all(|format| matches!(*format, "png" | "jpeg")), "{formats:?}");
    assert_eq!(formats[2], "jpeg");
}

#[tokio::test]
async fn text_that_looks_like_a_command_is_text() {
    let bridge = Bridge::new().await;
    for (n, text) in ["/reset", "/id", "/lang zh-TW", "!reset"].into_iter().enumerate() {
        let answer = bridge.say("alice", text).await;
        assert_eq!(answer["text"], format!("Turn {}: you said \"{text}\"", n + 1));
    }
}

#[tokio::test]
async fn an_empty_answer_is_named() {
    let bridge = Bridge::new().await;
    let answer = bridge.say("alice", "empty").await;
    assert_eq!((&answer["state"], &answer["reason"]), (&json!("dropped"), &json!("empty_answer")));
    assert_eq!(answer["replies"], json!([]));
    assert!(answer.get("text").is_none(), "{answer}");
}

#[tokio::test]
async fn notices_are_in_the_language_of_the_request() {
    let bridge = Bridge::new().await;
    let unreadable = "bm8gcGljdHVyZQ==";
    let english = "I could not read this picture. Please send a PNG or JPEG of moderate size.";
    let chinese = "我無法讀取這張圖片，請傳送大小適中的 PNG 或 JPEG 檔。";
    for (user, lang, notice) in [
        ("a", None, english),
        ("b", Some("zh-TW"), chinese),
        ("c", Some("zh-Hant-HK"), chinese),
        ("d", Some("en-GB"), english),
        ("e", Some("de"), english),
    ] {
        let mut body = json!({ "user": user, "images": [unreadable] });
        if let Some(lang) = lang {
            body["lang"] = lang.into();
        }
        let answer: Value = bridge.post(KEY, &body).send().await.unwrap().json().await.unwrap();
        assert_eq!(
            (&answer["state"], &answer["reason"]),
            (&json!("explained"), &json!("unreadable_image")),
            "{lang:?}"
        );
        assert_eq!(answer["replies"], json!([{ "text": notice, "voice": "notice" }]), "{lang:?}");
    }
    assert!(bridge.asks().is_empty(), "what cannot be read is not asked");
}
