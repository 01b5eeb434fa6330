//! Files: links, sizes, slow bodies.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::{Fault, TOKEN};
use super::Bot;

impl Bot {
    async fn link(&self, file: &Value) -> String {
        let file = self.ok("getFile", json!({ "file_id": file["file_id"] })).await;
        file["file_path"].as_str().unwrap().to_owned()
    }

    async fn download(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.client.get(format!("{}/file/bot{TOKEN}/{path}", self.platform.url())).send().await
    }
}

#[tokio::test]
async fn a_file_is_fetched_by_its_path() {
    let bot = Bot::new().await;
    let photo = bot.platform.photo(b"the picture");
    assert_eq!(photo.as_array().unwrap().len(), 3);
    let path = bot.link(&photo[2]).await;
    assert_eq!(path, "photos/file_3.jpg");
    assert_eq!(bot.download(&path).await.unwrap().bytes().await.unwrap(), "the picture");
    assert_ne!(bot.download(&bot.link(&photo[0]).await).await.unwrap().bytes().await.unwrap(), "the picture");
    assert_eq!(bot.platform.downloads(), ["photos/file_3.jpg", "photos/file_1.jpg"]);
    assert_eq!(bot.platform.files_asked()[0], photo[2]["file_id"].as_str().unwrap());
    bot.clean();
}

#[tokio::test]
async fn links_end_and_files_go() {
    let bot = Bot::new().await;
    let file = bot.platform.keeps("documents", "png", "picture".as_bytes());
    bot.platform.links_expire(1);
    let path = bot.link(&file).await;
    assert_eq!(bot.download(&path).await.unwrap().status().as_u16(), 404);
    assert_eq!(bot.link(&file).await, path);
    assert_eq!(bot.download(&path).await.unwrap().status().as_u16(), 200);
    let large = bot.platform.keeps_sized("documents", "png", (20 << 20) + 1);
    bot.refuses("getFile", json!({ "file_id": large["file_id"] }), 400, "Bad Request: file is too big").await;
    bot.platform.loses(&file);
    let unknown = "Bad Request: wrong file_id or the file is temporarily unavailable";
    bot.refuses("getFile", json!({ "file_id": file["file_id"] }), 400, unknown).await;
    assert_eq!(bot.download("documents/nothing").await.unwrap().status().as_u16(), 404);
}

#[tokio::test]
async fn files_come_slowly_or_not_at_all() {
    let bot = Bot::new().await;
    let file = bot.platform.keeps("documents", "png", vec![7_u8; 1000]);
    let path = bot.link(&file).await;
    for fault in [Fault::Truncated, Fault::Reset] {
        bot.platform.fails("file", None, fault, 1);
        let got = match bot.download(&path).await {
            Ok(answer) => answer.bytes().await,
            Err(error) => Err(error),
        };
        assert!(got.is_err());
    }
    bot.platform.fails_on("file", "documents/", Fault::Refuse(500, "Internal Server Error"), 1);
    assert_eq!(bot.download(&path).await.unwrap().status().as_u16(), 500);
    bot.platform.slow_files(100, Duration::from_millis(10));
    let begun = Instant::now();
    assert_eq!(bot.download(&path).await.unwrap().bytes().await.unwrap().len(), 1000);
    assert!(begun.elapsed() >= Duration::from_millis(100));
}
