//! Tokens, the webhook's secret, a proxy's password and people's words, planted and searched for in all that comes out of the
//! real process: at the loudest log level, through failures of every kind.

use std::fmt::Write as _;

use caigunn_bridge::sandbox::{self, SandboxOptions};
use serde_json::json;

use super::platform::{Fault, Platform};
use super::setting::Outside;
use crate::support::leaks::{files_below, http, places, refusing_proxy, server};
use crate::support::process::Place;
use crate::support::{base64, picture, until};

const PLANTED: &str = "PLANTED";
const TOKEN: &str = "11:PLANTED-token-that-works-0123456789";
const HOOK_TOKEN: &str = "12:PLANTED-token-by-webhook-0123456789";
const PROXY_PASSWORD: &str = "PLANTED-proxy-password";
/// What people write: in the store, in the chat it belongs to, and for `messages show`.
const BODY: &str = "PLANTED-words";
const TRIED: &str = "PLANTED-secret-that-was-tried";

/// What a gateway shows that repeats what it was asked.
const ECHO: &str =
    "<html><body>POST /bot11:PLANTED-token-that-works-0123456789/sendMessage PLANTED-words</body></html>";
/// What Telegram says of markup that it cannot read: with a piece of it.
const UNREADABLE: &str = "Bad Request: can't parse entities: Unsupported start tag \"PLANTED-words\" at byte offset 7";
const REFUSED: &str = "Bad Request: \"PLANTED-words\" cannot be sent by 11:PLANTED-token-that-works-0123456789";

const ANN: i64 = 7;
const BEA: i64 = 8;
const CIM: i64 = 9;

fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

/// Servers that go wrong, by the name of the channel that talks to them.
async fn wrong() -> Vec<(&'static str, String)> {
    let here = |port: u16| format!("http://127.0.0.1:{port}");
    let echo = server(|head| http("500 Internal Server Error", &format!("<html>{head}</html>"))).await;
    vec![
        ("refused", here(1)),
        ("nowhere", "http://telegram.invalid".to_owned()),
        ("untrusted", format!("https://127.0.0.1:{echo}")),
        ("echo", here(echo)),
        ("page", here(server(|head| http("200 OK", &format!("<html>{head}</html>"))).await)),
        ("quoted", here(server(|head| http("200 OK", &json!({ "ok": true, "result": path(head) }).to_string())).await)),
        (
            "told",
            here(
                server(|head| {
                    let body = json!({ "ok": false, "error_code": 400, "description": format!("no: {}", path(head)) });
                    http("400 Bad Request", &body.to_string())
                })
                .await,
            ),
        ),
        (
            "moved",
            here(
                server(|head| {
                    format!(
                        "HTTP/1.1 302 Found\r\nLocation: http://telegram.invalid{}\r\nContent-Length: 0\r\n\r\n",
                        path(head)
                    )
                })
                .await,
            ),
        ),
        ("garbage", here(server(|head| format!("{head} is no answer\r\n\r\n")).await)),
        ("silent", here(server(|_| String::new()).await)),
    ]
}

fn channel(place: Place, id: &str, token: &str, api_url: &str) -> Place {
    let key = |key: &str| format!("CHANNELS__{}__{key}", id.to_uppercase());
    place
        .set(&key("KIND"), "telegram")
        .set(&key("BOT"), "main")
        .set(&key("TOKEN"), token)
        .set(&key("API_URL"), api_url)
        .set(&key("POLL_TIMEOUT"), "1s")
        .set(&key("TIMEOUT"), "400ms")
}

struct World {
    outside: Outside,
    hooked: Platform,
    /// All that came out, by where it came from.
    out: Vec<(String, Vec<u8>)>,
}

impl World {
    async fn new() -> Self {
        let (wrong, hooked, refusing) = (wrong().await, Platform::start().await, Platform::start().await);
        hooked.set_token(HOOK_TOKEN);
        let proxy = format!("http://user:{PROXY_PASSWORD}@127.0.0.1:{}", refusing_proxy().await);
        let configure = |place: Place| {
            let mut place = place.set("LOG__FILTER", "trace").set("CHANNELS__TG__TOKEN", TOKEN);
            place = place.set("CHANNELS__TG__TIMEOUT", "400ms").set("SERVER__GRACE_PERIOD", "1s");
            place = channel(place, "hook", HOOK_TOKEN, hooked.url()).set("CHANNELS__HOOK__RECEIVE", "webhook");
            place = place.set("CHANNELS__HOOK__WEBHOOK_URL", "https://bot.example.com");
            for (n, (id, url)) in (20..).zip(&wrong) {
                place = channel(place, id, &format!("{n}:PLANTED-token-of-{id}-0123456789"), url);
            }
            // Another bot's token, as far as that server knows.
            place = channel(place, "foreign", "13:PLANTED-token-refused-0123456789", refusing.url());
            place = channel(place, "proxied", "14:PLANTED-token-by-proxy-0123456789", "http://telegram.invalid");
            place = place.set("CHANNELS__PROXIED__PROXY", &proxy);
            place = channel(place, "tunnel", "15:PLANTED-token-by-tunnel-0123456789", "https://telegram.invalid");
            place = place.set("CHANNELS__TUNNEL__PROXY", &proxy);
            // Mistakes.
            place = channel(place, "twin", TOKEN, hooked.url());
            place = channel(place, "broken", "PLANTED token that is none", hooked.url());
            place.set("CHANNELS__BROKEN__PROXY", &format!("user:{PROXY_PASSWORD} at a proxy"))
        };
        let outside = Outside::with(SandboxOptions::default(), configure).await;
        outside.platform.set_token(TOKEN);
        Self { outside, hooked, out: Vec::new() }
    }

    fn took(&mut self, whence: impl Into<String>, what: impl Into<Vec<u8>>) {
        self.out.push((whence.into(), what.into()));
    }

    async fn command(&mut self, args: &[&str]) -> String {
        let ran = self.outside.place.run(args).await;
        let printed = format!("{}{}", ran.out, ran.err);
        self.took(args.join(" "), printed.clone());
        printed
    }

    async fn page(&mut self, request: reqwest::RequestBuilder) -> u16 {
        let response = request.send().await.unwrap();
        let (status, url, headers) =
            (response.status(), response.url().to_string(), format!("{:?}", response.headers()));
        let body = response.text().await.unwrap();
        self.took(format!("{status} {url}"), format!("{headers}\n{body}"));
        status.as_u16()
    }

    async fn gets(&self, chat: i64, count: usize) {
        until(&format!("{count} answers in {chat}"), async || self.outside.platform.sent_count(chat) >= count).await;
    }

    /// Successes, and failures of every kind of call.
    async fn exercise(&mut self, base: &str) {
        let platform = &self.outside.platform;
        platform.says(ANN, ANN, BODY);
        self.hooked.says(ANN, ANN, BODY);
        self.gets(ANN, 1).await;
        until("the answer by webhook", async || self.hooked.sent_count(ANN) == 1).await;

        for fault in [
            Fault::Reset,
            Fault::Hang,
            Fault::Answer(502, ECHO),
            Fault::Refuse(500, REFUSED),
            Fault::RetryAfter(1),
            Fault::Refuse(400, UNREADABLE),
            Fault::Truncated,
        ] {
            platform.fails("sendMessage", None, fault, 1);
        }
        for fault in [Fault::Reset, Fault::Answer(500, ECHO), Fault::Answer(200, ECHO), Fault::Refuse(500, REFUSED)] {
            platform.fails("getUpdates", None, fault, 1);
        }
        platform.fails("sendChatAction", None, Fault::Answer(502, ECHO), 2);
        for chat in [ANN, BEA] {
            platform.says(chat, chat, BODY);
        }
        self.gets(ANN, 2).await;
        self.gets(BEA, 1).await;

        platform.fails("getFile", None, Fault::Refuse(500, REFUSED), 1);
        for fault in [Fault::Reset, Fault::Answer(404, ECHO), Fault::Answer(500, ECHO), Fault::Truncated, Fault::Hang] {
            platform.fails("file", None, fault, 1);
        }
        platform.shows(BEA, BEA, &picture(image::ImageFormat::Jpeg), BODY);
        let seen = |texts: Vec<String>| texts.iter().any(|text| text.contains("you sent"));
        until("the picture is answered", async || seen(self.outside.platform.texts(BEA))).await;

        // Refused, and then given up.
        platform.fails("sendMessage", Some(CIM), Fault::Refuse(400, REFUSED), 1);
        platform.says(CIM, CIM, BODY);
        self.gets(CIM, 1).await;
        let refusal = sandbox::Fault::status(422);
        self.outside.place.sandbox.push_fault(sandbox::Scripted::on(refusal, sandbox::Call::Talk));
        platform.says(CIM, CIM, BODY);
        let mut listed = String::new();
        until("a dead letter", async || {
            listed = self.outside.place.run(&["messages", "list", "--dead", "--json"]).await.out;
            !listed.is_empty()
        })
        .await;
        let id = serde_json::from_str::<serde_json::Value>(listed.lines().next().unwrap()).unwrap();
        let id = id["id"].as_str().unwrap().to_owned();
        self.command(&["messages", "show", &id]).await;

        // Strangers at the webhook.
        let client = self.outside.place.client.clone();
        let post =
            || client.post(format!("{base}/telegram/hook")).body(format!("{{\"update_id\":1,\"x\":\"{BODY}\"}}"));
        assert_eq!(self.page(post().header("X-Telegram-Bot-Api-Secret-Token", TRIED)).await, 401);
        assert_eq!(self.page(post()).await, 401);

        // The token is revoked.
        self.outside.platform.set_token("11:another-token-of-the-same-bot-012");
        self.outside.platform.rival_polls();
        until("the token is refused", async || {
            let page = client.get(format!("{base}/readyz")).send().await.unwrap().text().await.unwrap();
            page.contains("bad_credentials") && page.contains("channels.tg.token")
        })
        .await;
        for page in ["/readyz", "/healthz", "/metrics"] {
            self.page(client.get(format!("{base}{page}"))).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_and_no_word_comes_out_of_a_full_run() {
    let mut world = World::new().await;
    let (daemon, addr) = world.outside.place.start().await;
    let base = format!("http://{addr}");
    world.hooked.webhook_goes_to(&base);
    world.exercise(&base).await;
    for args in [
        &["check"][..],
        &["check", "--online"],
        &["config", "show"],
        &["messages", "list"],
        &["messages", "list", "--dead", "--json"],
    ] {
        world.command(args).await;
    }
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
    let log = world.outside.place.log();
    world.took("the log", log.clone());
    for level in ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] {
        assert!(log.contains(&format!(r#""level":"{level}""#)), "the run was loud: {level}");
    }

    let secret = world.hooked.deliveries().into_iter().find_map(|delivery| delivery.secret).unwrap();
    let basic = base64(format!("user:{PROXY_PASSWORD}").as_bytes());
    let mut found = String::new();
    for (whence, what) in &world.out {
        for place in [PLANTED, &secret, &basic].iter().flat_map(|needle| places(what, needle)) {
            // Whoever may read the store may read what was said.
            let own_words = whence.starts_with("messages show") && place.starts_with(BODY);
            if !own_words {
                let _ = writeln!(found, "{whence}: {place}");
            }
        }
    }
    for path in files_below(world.outside.place.folder()) {
        let bytes = std::fs::read(&path).unwrap();
        for place in [PLANTED, &secret, &basic].iter().flat_map(|needle| places(&bytes, needle)) {
            if !path.ends_with("log") && !place.starts_with(BODY) {
                let _ = writeln!(found, "{}: {place}", path.display());
            }
        }
    }
    for platform in [&world.outside.platform, &world.hooked] {
        for chat in platform.sent_to() {
            for text in platform.texts(chat) {
                for place in places(text.replace(BODY, "").as_bytes(), PLANTED) {
                    let _ = writeln!(found, "chat {chat}: {place}");
                }
            }
        }
    }
    assert!(found.is_empty(), "{found}");
}
