//! Files that are sent, and files that are fetched.

use std::time::Duration;

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::super::deny;
use super::super::{Draft, Fault};
use super::{ANN, Bot, ROOM, messages, said, with};
use crate::support::picture;

async fn upload(bot: &Bot, payload: Value, files: Vec<(String, Vec<u8>)>) -> (u16, Value) {
    let mut form = Form::new().text("payload_json", payload.to_string());
    for (number, (name, content)) in files.into_iter().enumerate() {
        form = form.part(format!("files[{number}]"), Part::bytes(content).file_name(name));
    }
    let answer = bot.request("POST", &messages(ROOM)).multipart(form).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn link(bot: &Bot, message: u64) -> String {
    let message = bot.get(&format!("{}/{message}", messages(ROOM))).await;
    message["attachments"][0]["url"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn files_come_with_a_message() {
    let bot = Bot::new().await;
    let payload = with(said("see"), "attachments", json!([{ "id": 0, "description": "An answer" }]));
    let files = vec![("answer.txt".to_owned(), b"long".to_vec())];
    let (status, sent) = upload(&bot, payload, files.clone()).await;
    assert_eq!((status, &sent["attachments"][0]["filename"]), (200, &"answer.txt".into()));
    let seen = &bot.platform.sent(ROOM)[0];
    assert_eq!((&*seen.files[0].name, &*seen.files[0].content), ("answer.txt", &b"long"[..]));
    // A file alone is a message.
    assert_eq!(upload(&bot, said(""), files.clone()).await.0, 200);
    let (status, wrong) = upload(&bot, with(said(""), "attachments", json!([{ "id": 3 }])), files.clone()).await;
    assert_eq!((status, wrong["code"].as_u64()), (400, Some(50035)));
    let many = vec![files[0].clone(); 11];
    assert_eq!(upload(&bot, said(""), many).await.0, 400);
    let large = vec![("large.bin".to_owned(), vec![0; (10 << 20) + 1])];
    assert_eq!(upload(&bot, said(""), large).await.1["code"], 40005);
    bot.objects("cannot be read");
    bot.platform.denies(ROOM, deny::ATTACH_FILES);
    assert_eq!(upload(&bot, said(""), files).await.1["code"], 50013);
    bot.send("only text").await;
    bot.clean();
}

#[tokio::test]
async fn links_are_signed_and_expire() {
    let bot = Bot::new().await;
    let image = picture(image::ImageFormat::Png);
    let message = bot.platform.shows(ROOM, ANN, image.clone(), "cat ü.png", "image/png", "look");
    let old = link(&bot, message).await;
    let shown = bot.get(&format!("{}/{message}", messages(ROOM))).await;
    let attachment = &shown["attachments"][0];
    assert_eq!((&attachment["width"], &attachment["height"]), (&40.into(), &30.into()));
    let fetch = async |url: &str| {
        let answer = bot.client.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap())
    };
    assert_eq!(fetch(&old).await, (200, image.clone().into()));
    assert_eq!(fetch(old.split_once('?').unwrap().0).await.0, 404);
    assert_eq!(fetch(&old.replace("ex=", "ex=f")).await.0, 404);
    bot.platform.links_expire();
    assert_eq!(fetch(&old).await.0, 404);
    let new = link(&bot, message).await;
    assert_eq!(fetch(&new).await.0, 200);
    assert_eq!(bot.platform.downloads().len(), 2);
    bot.platform.links_live(Duration::ZERO);
    assert_eq!(fetch(&link(&bot, message).await).await.0, 404);
    bot.platform.links_live(Duration::from_secs(60));
    bot.clean();
    let told = bot.client.get(&new).header("authorization", "Bot x").send().await.unwrap();
    assert_eq!(told.status().as_u16(), 200);
    bot.objects("the token shown");

    bot.platform.fails("cdn", None, Fault::Truncated, 1);
    // So small a file breaks off with its head, or after it.
    let cut = async { bot.client.get(&new).send().await?.bytes().await };
    assert!(cut.await.is_err());
    bot.platform.slow_files(40, Duration::from_millis(5));
    assert_eq!(fetch(&new).await.1, image);
    let lost = bot.platform.keeps(ROOM, "gone.png", "image/png", image);
    let message = bot.platform.sends(Draft::new(ROOM, ANN).attachment(lost.clone()));
    bot.platform.loses(&lost);
    assert_eq!(fetch(&link(&bot, message).await).await.0, 404);
    // Of a reply, the links of the message replied to are signed too.
    let reply = bot.platform.sends(Draft::new(ROOM, ANN).reply_to(message).text("that"));
    let reply = bot.get(&format!("{}/{reply}", messages(ROOM))).await;
    let quoted = reply["referenced_message"]["attachments"][0]["url"].as_str().unwrap();
    assert!(quoted.starts_with(bot.platform.url()) && quoted.contains("&hm="), "{quoted}");
}
