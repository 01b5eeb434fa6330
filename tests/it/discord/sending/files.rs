//! Files of messages, and where they are when their links have expired.

use bytes::Bytes;
use caigunn_bridge::contract::FetchError;
use caigunn_bridge::model::inbound::{MediaKind, MediaPlace, MediaRef};
use serde_json::Value;

use super::super::platform::{Draft, Fault, TOKEN, deny};
use super::{ANN, Desk, ROOM};

const CONTENT: &[u8] = b"not really a picture, but who knows";

/// A message with a file: the message, what the file is, and its reference with the link as it is now.
async fn shown(desk: &Desk) -> (u64, Value, String) {
    let file = desk.platform.keeps(ROOM, "cat.png", "image/png", Bytes::from_static(CONTENT));
    let message = desk.platform.sends(Draft::new(ROOM, ANN).attachment(file.clone()));
    let url = format!("{}/api/v10/channels/{ROOM}/messages/{message}", desk.platform.url());
    let client = reqwest::Client::builder().user_agent("DiscordBot (https://example.com, 1)").build().unwrap();
    let read = client.get(url).header("authorization", format!("Bot {TOKEN}")).send().await.unwrap();
    let read: Value = read.json().await.unwrap();
    let (id, link) = (file["id"].as_str().unwrap(), read["attachments"][0]["url"].as_str().unwrap());
    (message, file.clone(), format!("a:{ROOM}:{message}:{id}:{link}"))
}

async fn fetch(desk: &Desk, reference: &str, max: u64) -> Result<Bytes, FetchError> {
    let place = MediaPlace::Remote(reference.to_owned());
    desk.channel.fetch(&MediaRef { kind: MediaKind::Image, place, name: None, bytes: None }, max).await
}

#[tokio::test]
async fn a_file_is_read_by_its_link_and_by_a_fresh_one() {
    let desk = Desk::new().await;
    let (_, _, reference) = shown(&desk).await;
    let reads = desk.calls("message");
    assert_eq!(fetch(&desk, &reference, 1000).await.unwrap(), CONTENT);
    assert_eq!(desk.calls("message"), reads, "the link does");
    desk.platform.links_expire();
    assert_eq!(fetch(&desk, &reference, 1000).await.unwrap(), CONTENT);
    assert_eq!(desk.calls("message"), reads + 1);
    // Where there is no message to read again.
    let link = reference.splitn(5, ':').nth(4).unwrap();
    let gone = fetch(&desk, &format!("l:{link}"), 1000).await;
    assert!(matches!(gone, Err(FetchError::Gone(_))), "{gone:?}");
    desk.clean();
}

#[tokio::test]
async fn a_file_that_is_gone_is_not_looked_for_again() {
    let desk = Desk::new().await;
    let gone = async |reference: &str| match fetch(&desk, reference, 1000).await {
        Err(FetchError::Gone(why)) => why,
        other => panic!("{other:?}"),
    };
    let (message, file, reference) = shown(&desk).await;
    desk.platform.loses(&file);
    gone(&reference).await;
    desk.platform.links_expire();
    desk.platform.denies(ROOM, deny::READ_MESSAGE_HISTORY);
    assert!(gone(&reference).await.contains("50013"));
    desk.platform.denies(ROOM, 0);
    desk.platform.deletes(ROOM, message);
    assert!(gone(&reference).await.contains("10008"));
    for strange in ["", "x", "l:file:///etc/passwd", "l:nothing"] {
        gone(strange).await;
    }
    desk.clean();
}

#[tokio::test]
async fn a_file_is_no_larger_than_it_may_be() {
    let desk = Desk::new().await;
    let (_, _, reference) = shown(&desk).await;
    let size = CONTENT.len() as u64;
    let large = fetch(&desk, &reference, size - 1).await;
    assert!(matches!(large, Err(FetchError::TooLarge { max_bytes }) if max_bytes == size - 1), "{large:?}");
    assert_eq!(fetch(&desk, &reference, size).await.unwrap(), CONTENT);
    desk.clean();
}

#[tokio::test]
async fn a_file_that_breaks_off_comes_again() {
    let desk = Desk::new().await;
    let (_, _, reference) = shown(&desk).await;
    for fault in [Fault::Truncated, Fault::Reset, Fault::Answer(503, "busy"), Fault::RetryAfter(1.0)] {
        desk.platform.fails("cdn", None, fault.clone(), 1);
        let failed = fetch(&desk, &reference, 1000).await;
        assert!(matches!(failed, Err(FetchError::Transient(_))), "{fault:?}: {failed:?}");
    }
    desk.platform.links_expire();
    desk.platform.fails("message", None, Fault::Answer(502, "<html>"), 1);
    let failed = fetch(&desk, &reference, 1000).await;
    assert!(matches!(failed, Err(FetchError::Transient(_))), "{failed:?}");
    assert_eq!(fetch(&desk, &reference, 1000).await.unwrap(), CONTENT);
    desk.clean();
}
