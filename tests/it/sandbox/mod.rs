//! The sandbox over real sockets, with a plain client: none of the bridge's own.

mod control;
mod faults;
mod lists;
mod meets_client;
mod tokens;
mod wire;

use std::io::Cursor;
use std::time::Duration;

use caigunn_bridge::model::Secret;
use caigunn_bridge::sandbox::{Sandbox, SandboxBot, SandboxHandle, SandboxOptions};
use image::{ImageFormat, Rgb, RgbImage};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

struct World {
    sandbox: SandboxHandle,
    http: Client,
    token: String,
    key: String,
}

impl World {
    async fn new(options: SandboxOptions) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let token = options.access_token.expose().to_owned();
        let key = options.bots[0].api_key.expose().to_owned();
        let sandbox = Sandbox::start(listener, options).await.unwrap();
        let http = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
        Self { sandbox, http, token, key }
    }

    async fn plain() -> Self {
        Self::new(SandboxOptions::default()).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/external{path}", self.sandbox.base_url())
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(self.url(path)).header("caigunn-access-token", &self.token).header("api-key", &self.key)
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(self.url(path)).header("caigunn-access-token", &self.token).header("api-key", &self.key)
    }

    fn talk(&self, uid: &str, text: &str) -> RequestBuilder {
        self.post("/chatbot/talk?nickname=Ann").header("uid", uid).json(&json!({ "text": text }))
    }

    fn vision(&self, uid: &str, image: Vec<u8>, caption: &str) -> RequestBuilder {
        let part = Part::bytes(image).file_name("file").mime_str("application/octet-stream").unwrap();
        let form = Form::new().part("image", part).text("text", caption.to_owned());
        self.post("/chatbot/vision").header("uid", uid).multipart(form)
    }

    async fn say(&self, uid: &str, text: &str) -> String {
        text_of(self.talk(uid, text).send().await.unwrap()).await
    }

    async fn list(&self, uid: &str, query: &str) -> Vec<Value> {
        let answer = self.get(&format!("/chatbot/messages?{query}")).header("uid", uid).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{query}");
        answer.json::<Value>().await.unwrap()["messages"].as_array().unwrap().clone()
    }
}

fn two_bots() -> SandboxOptions {
    let bot = |name: &str| SandboxBot { name: name.to_owned(), api_key: Secret::new(format!("key-{name}")) };
    SandboxOptions { bots: vec![bot("a"), bot("b")], ..SandboxOptions::default() }
}

async fn text_of(answer: Response) -> String {
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    answer.json::<Value>().await.unwrap()["text"].as_str().unwrap().to_owned()
}

/// The status and the `detail` of a refusal.
async fn refused(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["detail"].as_str().unwrap().to_owned())
}

/// A picture that is three quarters red and one quarter blue.
fn picture(format: ImageFormat) -> Vec<u8> {
    let picture = RgbImage::from_fn(40, 20, |x, _| if x < 30 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Waits until something has come about, at most 5 s.
async fn until(what: &str, mut check: impl FnMut() -> bool) {
    for _ in 0..500 {
        if check() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in time: {what}");
}
