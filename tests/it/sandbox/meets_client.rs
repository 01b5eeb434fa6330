//! The bridge's client against the sandbox: they share no wire code, so each checks the other.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use caigunn_bridge::caigunn::{
    Account, Bot, ClientOptions, ErrorKind, HttpClient, ImagePart, KeepError, KeptToken, MessagesFilter, Page,
    RetryClass, TokenKeep, UidsFilter,
};
use caigunn_bridge::model::Secret;
use caigunn_bridge::sandbox::{Call, Fault};
use image::ImageFormat;

use super::{World, picture};

struct Forgetful;

#[async_trait]
impl TokenKeep for Forgetful {
    async fn load(&self, _: &str) -> Result<Option<KeptToken>, KeepError> {
        Ok(None)
    }

    async fn save(&self, _: &str, _: &KeptToken) -> Result<(), KeepError> {
        Ok(())
    }
}

/// A machine that does much else at once may take its time.
const PATIENT: Duration = Duration::from_secs(30);

async fn bot(world: &World) -> Bot {
    bot_with(world, PATIENT).await
}

async fn bot_with(world: &World, first_byte_timeout: Duration) -> Bot {
    let options = ClientOptions { first_byte_timeout, max_body_bytes: 100_000, ..ClientOptions::default() };
    let http = HttpClient::new(&options).unwrap();
    let token = Some(Secret::new(world.token.clone()));
    let account = Account::open("main", &world.sandbox.base_url(), token, http, Arc::new(Forgetful)).await.unwrap();
    Bot::new(account, Secret::new(world.key.clone())).unwrap()
}

fn first_page() -> Page {
    Page { offset: 0, limit: 30 }
}

#[tokio::test]
async fn every_call_of_the_conversation_part_is_understood() {
    let world = World::plain().await;
    let bot = bot(&world).await;
    let nickname = Some("王 & Söhne #1?");
    assert_eq!(bot.talk("u-1", nickname, "hello").await.unwrap().text, "Turn 1: you said \"hello\"");
    let bytes = Bytes::from(picture(ImageFormat::Png));
    let image = ImagePart { bytes, file_name: "a.png".into(), content_type: "image/png".into() };
    let seen = bot.vision("u-1", nickname, "what?", image).await.unwrap().text;
    assert!(seen.contains("PNG picture, 40 × 20 pixels, mostly red and blue and wrote \"what?\""), "{seen}");

    let said = bot.messages("u-1", first_page(), MessagesFilter::default()).await.unwrap();
    let kinds: Vec<_> = said.iter().map(|entry| entry.kind.as_deref().unwrap()).collect();
    assert_eq!(kinds, ["image", "text"]);
    assert_eq!(said[1].receive.as_deref(), Some("hello"));
    let uids = bot.uids(first_page(), UidsFilter::default()).await.unwrap();
    assert_eq!((uids[0].uid.as_deref(), uids[0].nickname.as_deref()), (Some("u-1"), nickname));
}

#[tokio::test]
async fn an_expired_token_is_refreshed_once_for_all_who_wait() {
    let world = World::plain().await;
    let bot = Arc::new(bot(&world).await);
    world.sandbox.expire_token();
    let all: Vec<_> = (0..100)
        .map(|n| {
            let bot = Arc::clone(&bot);
            tokio::spawn(async move { bot.talk(&format!("u{n}"), None, "x").await.map(|answer| answer.text) })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap().unwrap(), "Turn 1: you said \"x\"");
    }
    assert_eq!(world.sandbox.log().iter().filter(|entry| entry.call == Call::Refresh).count(), 1);
}

#[tokio::test]
async fn each_fault_gets_its_class() {
    let world = World::plain().await;
    let bot = bot(&world).await;
    let hasty = bot_with(&world, Duration::from_millis(200)).await;
    for (fault, kind, class) in [
        (Fault::status(429), ErrorKind::RateLimited, RetryClass::NotProcessed),
        (Fault::status(503), ErrorKind::Server, RetryClass::Ambiguous),
        (Fault::Html502, ErrorKind::Server, RetryClass::Ambiguous),
        (Fault::status(404), ErrorKind::Rejected, RetryClass::Final),
        (Fault::status(403), ErrorKind::KeyRefused, RetryClass::Credentials),
        (Fault::Hang, ErrorKind::FirstByteTimeout, RetryClass::Ambiguous),
        (Fault::ProcessThenReset, ErrorKind::Interrupted, RetryClass::Ambiguous),
        (Fault::ResetMidBody, ErrorKind::Interrupted, RetryClass::Ambiguous),
        (Fault::BigBody { bytes: 10_000_000 }, ErrorKind::BodyTooLarge, RetryClass::Ambiguous),
        (Fault::TruncatedJson, ErrorKind::BadResponse, RetryClass::Ambiguous),
    ] {
        let name = format!("{fault:?}");
        let bot = if fault == Fault::Hang { &hasty } else { &bot };
        world.sandbox.push_fault(fault);
        let error = bot.talk("u", None, "x").await.unwrap_err();
        assert_eq!((error.kind, error.class), (kind, class), "{name}");
    }
    world.sandbox.push_fault(Fault::EmptyText);
    assert_eq!(bot.talk("u", None, "x").await.unwrap().text, "");
}
