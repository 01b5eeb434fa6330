//! The widget: `docs/http-api.md`, "The chat widget", on pages of another site.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use caigunn_bridge::http::{ServerLimits, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::browser::{Browser, Page};
use super::{Relay, is_connected, says, shown, until_shown};
use crate::support::{Bridge, KEY, Setup, until};

/// A site of somebody else's, under a name that is another site's to a browser: `localhost`, while the bridge is `127.0.0.1`.
struct Site {
    origin: String,
    /// The page's body, and its policy.
    page: Arc<Mutex<(String, String)>>,
    /// What `/token` answers with, and how often it was asked.
    token: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
    _stop: DropGuard,
}

impl Site {
    async fn open() -> Self {
        let page = Arc::new(Mutex::new((String::new(), "default-src 'none'".to_owned())));
        let token = Arc::new(Mutex::new(String::new()));
        let asked = Arc::new(AtomicUsize::new(0));
        let (shown, given, count) = (Arc::clone(&page), Arc::clone(&token), Arc::clone(&asked));
        let root = get(async move || {
            let (body, policy) = shown.lock().unwrap().clone();
            let page = format!(
                "<!doctype html><meta name=viewport content=width=device-width><title>A shop</title><body><h1>A shop</h1><input id=own>{body}"
            );
            ([("content-type", "text/html"), ("content-security-policy", &*policy)], page).into_response()
        });
        let mint = post(async move || {
            count.fetch_add(1, Ordering::Relaxed);
            axum::Json(json!({ "token": *given.lock().unwrap() }))
        });
        let app = Router::new().route("/", root).route("/chat-token", mint);
        let app = app.route("/favicon.ico", get(async || ""));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, app, ServerLimits::default(), stop.clone()));
        Self { origin, page, token, asked, _stop: stop.drop_guard() }
    }

    /// A page with the widget's tag, under a policy that allows what the documentation names and nothing else of the bridge.
    fn holds(&self, bridge: &str, attributes: &str) {
        let policy = format!("default-src 'none'; script-src {bridge}; frame-src {bridge} http:; connect-src 'self'");
        let body = format!("<script src=\"{bridge}/widget.js\" {attributes} async></script>");
        *self.page.lock().unwrap() = (body, policy);
    }
}

async fn mint(bridge: &Bridge, key: &str, more: Value) -> String {
    let mut body = json!({ "user": "alice" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let minted = bridge.client.post(bridge.url("/v1/sessions")).bearer_auth(key).json(&body).send().await.unwrap();
    assert_eq!(minted.status(), 201);
    minted.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned()
}

/// A bridge whose widget this site may hold.
async fn bridge_for(site: &Site) -> Bridge {
    let bridge = Setup::default().set("CHANNELS__WEB__ORIGINS", &site.origin);
    bridge.start().await
}

/// Opens the site's page and there the widget, by its button.
async fn opens(page: &Page, site: &Site) {
    page.open(&site.origin).await;
    page.until("window.caigunnChat").await;
    page.until("document.querySelector('caigunn-chat')").await;
}

#[tokio::test]
async fn one_script_tag_puts_the_chat_onto_another_site() {
    let Some(browser) = Browser::get() else { return };
    let site = Site::open().await;
    let bridge = bridge_for(&site).await;
    let nickname = "<img src=x onerror=alert(1)>";
    let token = mint(&bridge, KEY, json!({ "conversation": "order 7", "nickname": nickname })).await;
    let title = "Shop &quot;&gt;&lt;img src=x onerror=alert(1)&gt;";
    site.holds(&bridge.url(""), &format!("data-token=\"{token}\" data-lang=\"en\" data-title=\"{title}\""));
    let page = browser.page().await;
    page.size(1000, 760, false).await;
    opens(&page, &site).await;
    let of_bridge = |url: &&String| url.starts_with(&bridge.url(""));
    assert_eq!(page.requests().iter().filter(of_bridge).count(), 1, "the frame is loaded when it is opened");
    // The button is the only thing on the page's way of keys behind its own field.
    page.eval("document.querySelector('#own').focus()").await;
    page.press("Tab").await;
    assert_eq!(page.text("document.activeElement.tagName").await, "CAIGUNN-CHAT");
    page.press("Enter").await;

    let frame = page.frame().await;
    is_connected(&frame).await;
    assert_eq!(frame.text("document.querySelector('#title').innerText").await, "Shop \"><img src=x onerror=alert(1)>");
    frame.until("document.activeElement.id === 'text'").await;
    frame.eval("document.querySelector('#text').value = 'Where is my parcel?'").await;
    frame.eval("document.querySelector('#composer').requestSubmit()").await;
    until_shown(&frame, 2).await;
    assert_eq!(shown(&frame).await[1], "bot: Turn 1: you said \"Where is my parcel?\"");
    page.shows("widget").await;

    // The token went to the frame and nowhere else.
    let address = frame.text("location.href").await;
    assert!(!address.contains("cgs_"), "{address}");
    assert_eq!(frame.text("document.referrer").await, "");
    let kept = frame.text("JSON.stringify({ ...localStorage, ...sessionStorage })").await;
    assert!(!kept.contains("cgs_"), "{kept}");

    let escape = "dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }))";
    frame.eval(escape).await;
    page.until("document.activeElement.tagName === 'CAIGUNN-CHAT'").await;
    frame.until("innerWidth === 0 || document.visibilityState === 'hidden' || innerHeight >= 0").await;
    assert_eq!(
        page.eval("Object.keys(window).filter((name) => /caigunn/i.test(name)).join()").await,
        "caigunnChat",
        "one name of its own"
    );
    frame.is_clean().await;
    page.is_clean().await;
}

#[tokio::test]
async fn a_site_that_is_not_listed_cannot_hold_it() {
    let Some(browser) = Browser::get() else { return };
    let (site, listed) = (Site::open().await, Site::open().await);
    let bridge = bridge_for(&listed).await;
    let token = mint(&bridge, KEY, json!({})).await;
    site.holds(&bridge.url(""), &format!("data-token=\"{token}\""));
    let page = browser.page().await;
    opens(&page, &site).await;
    page.eval("caigunnChat.open()").await;
    until("the browser refuses", async || page.problems().iter().any(|problem| problem.contains("frame-ancestors")))
        .await;
    let hint = |problem: &String| problem.contains("listed in `origins`") && problem.contains(&site.origin);
    until("the page's author is told what may be wrong", async || page.problems().iter().any(hint)).await;
    let answer = bridge.client.get(bridge.url("/widget")).send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.ends_with(&format!("frame-ancestors {}", listed.origin)), "{policy}");
    // Nobody has been shown anything, and nobody's token was sent for.
    let log = bridge.client.get(bridge.url("/chat")).send().await.unwrap();
    assert_eq!(log.status(), 404, "no playground, no page");
}

#[tokio::test]
async fn a_token_that_is_not_good_promises_nothing() {
    let Some(browser) = Browser::get() else { return };
    let site = Site::open().await;
    let mut bridge = bridge_for(&site).await;
    let relay = Relay::to(&bridge).await;
    let token = mint(&bridge, KEY, json!({})).await;
    let is_refused = "document.querySelector('#connection').innerText === 'Not connected'";
    let says = |words: &str| format!("document.querySelector('#alert').innerText.includes('{words}')");

    site.holds(&relay.url(""), "data-token=\"cgs_nonsense\" data-lang=\"en\"");
    let page = browser.page().await;
    opens(&page, &site).await;
    page.eval("caigunnChat.open()").await;
    let frame = page.frame().await;
    frame.until(&says("not valid")).await;
    frame.until(is_refused).await;

    site.holds(&relay.url(""), &format!("data-token=\"{token}\" data-lang=\"en\""));
    let page = browser.page().await;
    opens(&page, &site).await;
    page.eval("caigunnChat.open()").await;
    let frame = page.frame().await;
    is_connected(&frame).await;
    relay.close();
    bridge.start_again(&[("CHANNELS__WEB__KEYS__SHOP__KEY", "another-key-of-the-shop-0123")]).await;
    relay.open(&bridge);
    frame.until(&says("expired")).await;
    frame.until(is_refused).await;
}

#[tokio::test]
async fn without_origins_there_is_no_widget() {
    let bridge = Bridge::new().await;
    for path in ["/widget", "/widget.js", "/widget/chat.js", "/chat", "/chat/chat.js"] {
        assert_eq!(bridge.client.get(bridge.url(path)).send().await.unwrap().status(), 404, "{path}");
    }
}

#[tokio::test]
async fn the_site_is_asked_for_another_token_when_the_old_one_is_no_good_any_more() {
    let Some(browser) = Browser::get() else { return };
    let site = Site::open().await;
    let mut bridge = bridge_for(&site).await;
    let relay = Relay::to(&bridge).await;
    *site.token.lock().unwrap() = mint(&bridge, KEY, json!({})).await;
    site.holds(&relay.url(""), "data-token-url=\"/chat-token\" data-lang=\"zh-TW\"");
    let page = browser.page().await;
    page.size(390, 700, true).await;
    opens(&page, &site).await;
    assert_eq!(site.asked.load(Ordering::Relaxed), 0, "nobody has opened it");
    page.eval("caigunnChat.toggle()").await;
    let frame = page.frame().await;
    is_connected(&frame).await;
    assert_eq!(site.asked.load(Ordering::Relaxed), 1);
    assert_eq!(frame.text("document.querySelector('#title').innerText").await, "聊天");
    page.until("innerWidth === 390").await;
    frame.until("innerWidth === 390").await;
    says(&frame, "one").await;
    until_shown(&frame, 2).await;
    page.shows("widget-phone").await;

    // With its API key every token of it ends.
    let other = "another-key-of-the-shop-0123";
    relay.close();
    bridge.start_again(&[("CHANNELS__WEB__KEYS__SHOP__KEY", other)]).await;
    *site.token.lock().unwrap() = mint(&bridge, other, json!({})).await;
    relay.open(&bridge);
    frame.eval("document.querySelector('#text').value = 'two'").await;
    frame.eval("document.querySelector('#composer').requestSubmit()").await;
    until_shown(&frame, 4).await;
    assert_eq!(shown(&frame).await[2..], ["user: two", "bot: Turn 2: you said \"two\""]);
    assert!(site.asked.load(Ordering::Relaxed) >= 2);
    frame.is_clean().await;
    page.is_clean().await;
}

#[tokio::test]
async fn nobody_else_on_the_page_gets_the_token() {
    let Some(browser) = Browser::get() else { return };
    let (site, other) = (Site::open().await, Site::open().await);
    let bridge = bridge_for(&site).await;
    let token = mint(&bridge, KEY, json!({})).await;
    // Another frame on the page asks for it as the chat does, and listens.
    *other.page.lock().unwrap() = (
        "<script>window.heard = []; addEventListener('message', (e) => heard.push(JSON.stringify(e.data))); \
         setInterval(() => { for (const w of [parent, ...[0, 1, 2].map((n) => parent[n]).filter(Boolean)]) { \
         w.postMessage({ caigunn: 'token' }, '*'); w.postMessage({ caigunn: 'token', token: 'cgs_forged' }, '*'); \
         w.postMessage({ caigunn: 'close' }, '*'); } }, 20)</script>"
            .to_owned(),
        "default-src 'unsafe-inline'".to_owned(),
    );
    site.holds(&bridge.url(""), &format!("data-token=\"{token}\""));
    site.page.lock().unwrap().0 +=
        &format!("<iframe src=\"{}\"></iframe>", other.origin.replace("localhost", "127.0.0.1"));
    let page = browser.page().await;
    page.open(&site.origin).await;
    page.until("window.caigunnChat").await;
    let eavesdropper = page.frame().await;
    eavesdropper.until("window.heard").await;
    page.eval("window.heard = []; addEventListener('message', (e) => heard.push(JSON.stringify(e.data)))").await;
    page.eval("caigunnChat.open()").await;
    // The newer frame is the chat's.
    until("the chat's own frame", async || {
        page.frame().await.text("document.documentElement.dataset.dress").await == "widget"
    })
    .await;
    let frame = page.frame().await;
    is_connected(&frame).await;
    says(&frame, "hi").await;
    until_shown(&frame, 2).await;
    let frames = page.eval("window.heard").await.to_string();
    assert!(frames.contains("caigunn") && !frames.contains(&token), "{frames}");
    let heard = eavesdropper.eval("window.heard").await.to_string();
    assert!(!heard.contains("cgs_"), "{heard}");
    assert_eq!(page.eval("window.ran").await, json!([]));
}
