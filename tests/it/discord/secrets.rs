//! Tokens, sessions, a proxy's password and people's words, planted and searched for in all that comes out of the real process:
//! at the loudest log level, through failures of every kind.

mod wrong;

use std::fmt::Write as _;
use std::time::Duration;

use caigunn_bridge::sandbox::{self, SandboxOptions};
use serde_json::json;

use super::platform::{Fault, Platform, Slash};
use super::setting::Outside;
use super::{ANN, BEA, GUILD, ROOM, at_bot};
use crate::support::leaks::{files_below, places, refusing_proxy};
use crate::support::process::Place;
use crate::support::{base64, picture, until};

const PLANTED: &str = "PLANTED";
const TOKEN: &str = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.PLANTED.PLANTED-token-that-works-0123456789";
const PROXY_PASSWORD: &str = "PLANTED-proxy-password";
/// What people write: in the store, in the chat it belongs to, and for `messages show`.
const BODY: &str = "PLANTED-words";

/// What a gateway shows that repeats what it was asked.
const ECHO: &str = "<html><body>Authorization: Bot MTEwMDAwMDAwMDAwMDAwMDAwMQ.PLANTED.PLANTED-token-that-works-0123456789 \
    PLANTED-words</body></html>";
const REFUSED: &str = "Invalid Form Body: \"PLANTED-words\" cannot be sent by \
    MTEwMDAwMDAwMDAwMDAwMDAwMQ.PLANTED.PLANTED-token-that-works-0123456789";

/// The token of another bot.
fn token(n: usize, name: &str) -> String {
    format!("{}.PLANTED.PLANTED-token-of-{name}", base64(format!("{}", 1_200_000_000_000_000_000 + n).as_bytes()))
}

fn channel(place: Place, id: &str, token: &str, api_url: &str) -> Place {
    let key = |key: &str| format!("CHANNELS__{}__{key}", id.to_uppercase());
    place
        .set(&key("KIND"), "discord")
        .set(&key("BOT"), "main")
        .set(&key("TOKEN"), token)
        .set(&key("API_URL"), api_url)
        .set(&key("CDN_URL"), api_url)
        .set(&key("TIMEOUT"), "400ms")
}

struct World {
    outside: Outside,
    /// Who works only in part: a gateway that repeats what it is told, a token that is refused.
    _others: Vec<Platform>,
    /// All that came out, by where it came from.
    out: Vec<(String, Vec<u8>)>,
    /// What interactions are answered with.
    tokens: Vec<String>,
}

impl World {
    async fn new() -> Self {
        let (wrong, gossip, refusing) = (wrong::servers().await, Platform::start().await, Platform::start().await);
        let gossips = token(1, "gossip");
        gossip.set_token(&gossips);
        gossip.gateway_is_at(&wrong::gateway().await);
        let proxy = format!("http://user:{PROXY_PASSWORD}@127.0.0.1:{}", refusing_proxy().await);
        let configure = |place: Place| {
            let mut place = place.set("LOG__FILTER", "trace").set("CHANNELS__DC__TOKEN", TOKEN);
            place = place.set("CHANNELS__DC__TIMEOUT", "400ms").set("SERVER__GRACE_PERIOD", "1s");
            place = channel(place, "gossip", &gossips, gossip.url());
            for (n, (id, url)) in (20..).zip(&wrong) {
                place = channel(place, id, &token(n, id), url);
            }
            // Another bot's token, as far as that server knows.
            place = channel(place, "foreign", &token(2, "foreign"), refusing.url());
            place = channel(place, "proxied", &token(3, "proxied"), "http://discord.invalid");
            place = place.set("CHANNELS__PROXIED__PROXY", &proxy);
            place = channel(place, "tunnel", &token(4, "tunnel"), "https://discord.invalid");
            place = place.set("CHANNELS__TUNNEL__PROXY", &proxy);
            // Mistakes.
            place = channel(place, "twin", TOKEN, gossip.url());
            place = channel(place, "broken", "PLANTED token that is none", gossip.url());
            place.set("CHANNELS__BROKEN__PROXY", &format!("user:{PROXY_PASSWORD} at a proxy"))
        };
        let outside = Outside::with(SandboxOptions::default(), configure).await;
        outside.platform.set_token(TOKEN);
        Self { outside, _others: vec![gossip, refusing], out: Vec::new(), tokens: Vec::new() }
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

    async fn page(&mut self, request: reqwest::RequestBuilder) {
        let response = request.send().await.unwrap();
        let (status, url, headers) =
            (response.status(), response.url().to_string(), format!("{:?}", response.headers()));
        let body = response.text().await.unwrap();
        self.took(format!("{status} {url}"), format!("{headers}\n{body}"));
    }

    async fn gets(&self, chat: u64, count: usize) {
        until(&format!("{count} answers in {chat}"), async || self.outside.platform.sent_count(chat) >= count).await;
    }

    /// Uses a command; the token by which it is answered is one of what must not come out.
    async fn uses(&mut self, slash: Slash) {
        let interaction = self.outside.platform.uses(slash);
        self.tokens.push(self.outside.platform.token(interaction));
        until("the command is answered", async || self.outside.platform.acknowledged(interaction).is_some()).await;
    }

    /// Successes, and failures of every kind of call.
    async fn exercise(&mut self, base: &str) {
        let (ann, bea) = (self.outside.platform.dm(ANN), self.outside.platform.dm(BEA));
        until("it is connected", async || self.outside.platform.connected() == 1).await;
        self.outside.platform.tells(ANN, BODY);
        self.gets(ann, 1).await;
        let ask = || Slash::new(ROOM, ANN, "ask").option("text", BODY);
        self.uses(ask()).await;
        self.gets(ROOM, 1).await;

        for (route, fault) in [
            ("send", Fault::Reset),
            ("send", Fault::Hang),
            ("send", Fault::Answer(502, ECHO)),
            ("send", Fault::Refuse(500, 0, REFUSED)),
            ("send", Fault::RetryAfter(0.3)),
            ("send", Fault::Truncated),
            ("typing", Fault::Answer(502, ECHO)),
            ("callback", Fault::Reset),
            ("edit_original", Fault::Answer(502, ECHO)),
            ("edit_original", Fault::Reset),
            ("edit_original", Fault::Refuse(400, 50_035, REFUSED)),
        ] {
            self.outside.platform.fails(route, None, fault, 1);
        }
        self.outside.platform.tells(ANN, BODY);
        self.outside.platform.tells(BEA, BODY);
        self.uses(ask()).await;
        self.gets(ann, 2).await;
        self.gets(bea, 1).await;
        self.gets(ROOM, 2).await;
        self.outside.platform.fails("callback", None, Fault::Answer(500, ECHO), 2);
        let lost = self.outside.platform.uses(ask());
        self.tokens.push(self.outside.platform.token(lost));
        self.gets(ROOM, 3).await;

        for fault in [Fault::Reset, Fault::Answer(404, ECHO), Fault::Answer(500, ECHO), Fault::Truncated, Fault::Hang] {
            self.outside.platform.fails("cdn", None, fault, 1);
        }
        self.outside.platform.shows(
            bea,
            BEA,
            picture(image::ImageFormat::Jpeg),
            "PLANTED-words.jpg",
            "image/jpeg",
            BODY,
        );
        let seen = |texts: Vec<String>| texts.iter().any(|text| text.contains("you sent"));
        until("the picture is answered", async || seen(self.outside.platform.texts(bea))).await;

        self.gateway_fails(ann).await;
        self.gives_up(ann).await;

        // The token is reset.
        self.outside.platform.set_token("MTEwMDAwMDAwMDAwMDAwMDAwMQ.another.token-of-the-same-bot");
        self.outside.platform.drops_connections();
        let client = self.outside.place.client.clone();
        until("the token is refused", async || {
            let page = client.get(format!("{base}/readyz")).send().await.unwrap().text().await.unwrap();
            page.contains("bad_credentials") && page.contains("channels.dc.token")
        })
        .await;
        for page in ["/readyz", "/healthz", "/metrics"] {
            self.page(client.get(format!("{base}{page}"))).await;
        }
    }

    /// Nonsense, drops, and a session that is gone.
    async fn gateway_fails(&mut self, ann: u64) {
        let platform = &self.outside.platform;
        platform.babbles();
        for name in ["MESSAGE_CREATE", "INTERACTION_CREATE", "GUILD_CREATE", BODY] {
            platform.happens(name, None, json!({ "id": BODY, "content": BODY, "token": BODY }));
        }
        platform.reconnects();
        until("it is back", async || platform.resumes() == 1 && platform.connected() == 1).await;
        for fault in [Fault::Answer(502, ECHO), Fault::Answer(200, ECHO), Fault::Reset, Fault::Truncated] {
            platform.fails("history", None, fault, 1);
        }
        platform.fails("guild_member", None, Fault::Answer(500, ECHO), 1);
        platform.forgets_sessions();
        let before = platform.sent_count(ann);
        platform.tells(ANN, BODY);
        platform.says(ROOM, ANN, &at_bot(BODY));
        platform.closes(4009);
        self.gets(ann, before + 1).await;
    }

    /// What is refused, what CaiGunn does not take.
    async fn gives_up(&mut self, ann: u64) {
        let before = self.outside.platform.sent_count(ann);
        self.outside.platform.fails("send", Some(ann), Fault::Refuse(400, 50_035, REFUSED), 1);
        self.outside.platform.tells(ANN, BODY);
        until("it is refused", async || {
            self.outside.place.log().contains("bridge_sends") || {
                self.outside.platform.attempts("send").iter().any(|call| call.status == 400)
            }
        })
        .await;
        let refusal = sandbox::Fault::status(422);
        self.outside.place.sandbox.push_fault(sandbox::Scripted::on(refusal, sandbox::Call::Talk));
        self.outside.platform.tells(ANN, BODY);
        self.gets(ann, before + 1).await;
        let mut listed = String::new();
        until("a dead letter", async || {
            listed = self.outside.place.run(&["messages", "list", "--dead", "--json"]).await.out;
            !listed.is_empty()
        })
        .await;
        let id = serde_json::from_str::<serde_json::Value>(listed.lines().next().unwrap()).unwrap();
        let id = id["id"].as_str().unwrap().to_owned();
        self.command(&["messages", "show", &id]).await;
    }

    /// All places at which one of the needles came out.
    fn found(&self, needles: &[&str], log: &str) -> String {
        let mut found = String::new();
        for (whence, what) in self.out.iter().map(|(whence, what)| (whence.as_str(), what.as_slice())) {
            for place in needles.iter().flat_map(|needle| places(what, needle)) {
                // Whoever may read the store may read what was said.
                if !(whence.starts_with("messages show") && place.starts_with(BODY)) {
                    let _ = writeln!(found, "{whence}: {place}");
                }
            }
        }
        for place in needles.iter().flat_map(|needle| places(log.as_bytes(), needle)) {
            let _ = writeln!(found, "the log: {place}");
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_no_session_and_no_word_comes_out_of_a_full_run() {
    let mut world = World::new().await;
    world.outside.platform.member(GUILD, ANN, &[], Some("PLANTED-name"));
    world.outside.platform.beats(Duration::from_secs(1));
    let (daemon, addr) = world.outside.place.start().await;
    world.exercise(&format!("http://{addr}")).await;
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
    for level in ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] {
        assert!(log.contains(&format!(r#""level":"{level}""#)), "the run was loud: {level}");
    }

    let basic = base64(format!("user:{PROXY_PASSWORD}").as_bytes());
    let sessions: Vec<String> = world.outside.platform.logins().into_iter().map(|login| login.session).collect();
    assert!(sessions.len() >= 3 && world.tokens.len() >= 3);
    let mut needles: Vec<&str> = vec![PLANTED, &basic, wrong::SESSION];
    needles.extend(sessions.iter().chain(&world.tokens).map(String::as_str));
    let mut found = world.found(&needles, &log);
    // Sessions and interactions go on after a restart: both are stored, and nothing else that is secret.
    for path in files_below(world.outside.place.folder()) {
        let bytes = std::fs::read(&path).unwrap();
        for place in [PLANTED, &basic].iter().flat_map(|needle| places(&bytes, needle)) {
            if !path.ends_with("log") && !place.starts_with(BODY) && !place.starts_with("PLANTED-name") {
                let _ = writeln!(found, "{}: {place}", path.display());
            }
        }
    }
    for chat in [world.outside.platform.dm(ANN), world.outside.platform.dm(BEA), ROOM] {
        for text in world.outside.platform.texts(chat) {
            for place in places(text.replace(BODY, "").as_bytes(), PLANTED) {
                let _ = writeln!(found, "chat {chat}: {place}");
            }
        }
    }
    assert!(found.is_empty(), "{found}");
}
