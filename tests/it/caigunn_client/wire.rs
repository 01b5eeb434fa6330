//! Every call as the contract has it.

use bytes::Bytes;
use caigunn_bridge::caigunn::{Bot, ErrorKind, ImagePart, MessagesFilter, Page, RetryClass, UidsFilter};
use caigunn_bridge::model::Secret;
use serde_json::{Value, json};

use super::script::{Recorded, Server, json, said};
use super::{KEY, RENEWED, TOKEN, account, account_with, assert_no_secret, bot, options};

fn only(server: &Server) -> Recorded {
    let mut seen = server.seen();
    assert_eq!(seen.len(), 1);
    seen.remove(0)
}

fn names(request: &Recorded) -> Vec<&str> {
    let mut names: Vec<_> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn talk() {
    let server = Server::always(said("早安 🦀")).await;
    let answer = bot(&account(&server.base()).await).talk("tg-7", Some("王 小明&+#🦀"), "hi \"you\"\n").await.unwrap();
    assert_eq!(answer.text, "早安 🦀");
    let request = only(&server);
    assert_eq!(request.method, "POST");
    assert_eq!(
        request.target,
        "/api/external/chatbot/talk?nickname=%E7%8E%8B%20%E5%B0%8F%E6%98%8E%26%2B%23%F0%9F%A6%80"
    );
    assert_eq!(request.header("api-key"), Some(KEY));
    assert_eq!(request.header("caigunn-access-token"), Some(TOKEN));
    assert_eq!(request.header("uid"), Some("tg-7"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("host"), Some(&*server.address.to_string()));
    assert!(request.header("user-agent").unwrap().starts_with("caigunn-bridge/"));
    assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap(), json!({ "text": "hi \"you\"\n" }));
    assert_eq!(
        names(&request),
        ["accept", "api-key", "caigunn-access-token", "content-length", "content-type", "host", "uid", "user-agent"]
    );
}

#[tokio::test]
async fn talk_without_nickname_and_token() {
    let server = Server::always(said("x")).await;
    let account = account_with(&server.base(), None, &options(), Default::default()).await;
    bot(&account).talk("u", None, "").await.unwrap();
    bot(&account).talk("u", Some(""), "").await.unwrap();
    for request in server.seen() {
        assert_eq!(request.target, "/api/external/chatbot/talk");
        assert_eq!(request.header("caigunn-access-token"), None);
    }
}

#[tokio::test]
async fn vision() {
    let server = Server::always(said("a crab")).await;
    let image: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
    let part = ImagePart {
        bytes: Bytes::from(image.clone()),
        file_name: "螃蟹 \"1\".png".into(),
        content_type: "image/png".into(),
    };
    let answer = bot(&account(&server.base()).await).vision("u", Some("n"), "這是什麼?\r\n", part).await.unwrap();
    assert_eq!(answer.text, "a crab");
    let request = only(&server);
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/api/external/chatbot/vision?nickname=n"));
    assert_eq!(request.header("api-key"), Some(KEY));
    assert_eq!(request.header("caigunn-access-token"), Some(TOKEN));
    assert_eq!(request.header("uid"), Some("u"));
    let boundary = request.header("content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
    let expected = [
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n這是什麼?\r\n\r\n").as_bytes(),
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"image\"; filename=\"螃蟹 %221%22.png\"\r\n\
             Content-Type: image/png\r\n\r\n"
        )
        .as_bytes(),
        &image,
        format!("\r\n--{boundary}--\r\n").as_bytes(),
    ]
    .concat();
    assert!(request.body == expected, "the multipart body differs");
}

#[tokio::test]
async fn messages() {
    let body = json!({ "messages": [
        { "created_at": "2024-06-01T10:00:00.123456", "receive": "hi", "send": "hello", "type": "text", "id": "m1",
          "log_type": null, "kwargs": { "a": 1 } },
        { "id": 2, "brand_new": "field" },
    ]});
    let server = Server::always(json(body.to_string())).await;
    let bot = bot(&account(&server.base()).await);
    let filter = MessagesFilter { start_at: Some("1970-1-1".into()), end_at: None, nickname: Some("王&".into()) };
    let entries = bot.messages("u-1", Page { offset: 30, limit: 10 }, filter).await.unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].receive.as_deref(), Some("hi"));
    assert_eq!(entries[0].send.as_deref(), Some("hello"));
    assert_eq!(entries[0].kwargs["a"], 1);
    assert_eq!(entries[1].id.as_deref(), Some("2"));
    assert_eq!(entries[1].extra["brand_new"], "field");
    let request = only(&server);
    assert_eq!(request.method, "GET");
    assert_eq!(
        request.target,
        "/api/external/chatbot/messages?offset=30&limit=10&start_at=1970-1-1&nickname=%E7%8E%8B%26"
    );
    assert_eq!(request.header("uid"), Some("u-1"));
    assert_eq!(request.body, b"");
    assert_eq!(names(&request), ["accept", "api-key", "caigunn-access-token", "host", "uid", "user-agent"]);
}

#[tokio::test]
async fn uids() {
    let server = Server::always(json(
        r#"{"uids":[{"uid":"u","nickname":null,"source":"api","last_sent":"bye","last_sent_at":"2024-06-01"}]}"#,
    ))
    .await;
    let bot = bot(&account(&server.base()).await);
    let filter = UidsFilter { start_at: None, end_at: Some("2024-06-01 10:00:00".into()) };
    let entries = bot.uids(Page::default(), filter).await.unwrap();
    assert_eq!(entries[0].uid.as_deref(), Some("u"));
    assert_eq!(entries[0].last_sent.as_deref(), Some("bye"));
    let request = only(&server);
    assert_eq!(request.method, "GET");
    assert_eq!(request.target, "/api/external/chatbot/uids?offset=0&limit=30&end_at=2024-06-01%2010%3A00%3A00");
    assert_eq!(names(&request), ["accept", "api-key", "caigunn-access-token", "host", "user-agent"]);
}

#[tokio::test]
async fn token_refresh() {
    let server = Server::always(json(format!(r#"{{"token":"{RENEWED}"}}"#))).await;
    let account = account(&server.base()).await;
    account.refresh(account.token_version()).await.unwrap();
    let request = only(&server);
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/api/external/user/token/refresh"));
    assert_eq!(names(&request), ["accept", "caigunn-access-token", "host", "user-agent"]);
    assert_eq!(request.header("caigunn-access-token"), Some(TOKEN));
}

#[tokio::test]
async fn a_base_url_with_a_path_and_a_trailing_slash() {
    let server = Server::always(said("x")).await;
    for base in [format!("{}/pre/fix/", server.base()), format!("{}/pre/fix", server.base())] {
        bot(&account(&base).await).talk("u", None, "hi").await.unwrap();
    }
    for request in server.seen() {
        assert_eq!(request.target, "/pre/fix/api/external/chatbot/talk");
    }
}

#[tokio::test]
async fn what_cannot_stand_in_a_header_is_named_and_never_sent() {
    let server = Server::always(said("x")).await;
    let account = account(&server.base()).await;
    for uid in ["a\nb", "王", "", " a", "a\u{7f}"] {
        let error = bot(&account).talk(uid, None, "hi").await.unwrap_err();
        assert_eq!((error.kind, error.class), (ErrorKind::InvalidInput, RetryClass::Final));
        assert!(error.to_string().contains("uid"), "{error}");
    }
    let error = Bot::new(account, Secret::new("key\n-SECRET")).unwrap_err();
    assert_eq!((error.kind, error.class), (ErrorKind::InvalidInput, RetryClass::Final));
    assert!(error.to_string().contains("API key"), "{error}");
    assert_no_secret(error);
    assert!(server.seen().is_empty());
}
