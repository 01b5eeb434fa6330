//! The chat page and the widget, in a real browser.

mod browser;
mod hostile;
mod keys;
mod page;
mod widget;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use caigunn_bridge::sandbox::{Call, Fault, Scripted};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::support::{Bridge, Setup};
use browser::Page;

/// A bridge with the chat page.
fn playground() -> Setup {
    Setup::default().set("CHANNELS__WEB__PLAYGROUND", "true")
}

/// What the chatbot says to the next message.
fn answers(bridge: &Bridge, text: &str) {
    let body = Some(json!({ "text": text }).to_string());
    let content_type = Some("application/json".to_owned());
    let answer = Fault::Status { status: 200, body, content_type, retry_after: None, processed: true };
    bridge.sandbox.push_fault(Scripted::on(answer, Call::Talk));
}

/// Nobody answers until the faults are cleared: a message waits for as long as a test needs it to.
fn is_away(bridge: &Bridge) {
    bridge.sandbox.push_fault(Scripted::on(Fault::status(503), Call::Talk).times(0));
}

/// Waits until the page is ready and the stream is open.
async fn is_connected(page: &Page) {
    page.until("document.querySelector('#connection')?.dataset.how === 'connected'").await;
    page.until("document.querySelector('#log').getAttribute('aria-busy') === 'false'").await;
}

/// Writes a message and sends it with Enter.
async fn says(page: &Page, text: &str) {
    page.eval("document.querySelector('#text').focus()").await;
    page.types(text).await;
    page.press("Enter").await;
}

/// What the page shows, oldest first: `user: …`, `bot: …`, `notice: …`.
async fn shown(page: &Page) -> Vec<String> {
    let shown = page
        .eval(
            "[...document.querySelectorAll('.message')].map((m) => \
             `${m.classList[1]}: ${m.querySelector('.words').innerText.trim()}`)",
        )
        .await;
    serde_json::from_value(shown).unwrap()
}

/// Waits until so many messages are shown.
async fn until_shown(page: &Page, count: usize) {
    page.until(&format!("document.querySelectorAll('.message').length >= {count}")).await;
}

/// A way to a bridge that stays the same when the bridge's own address changes, and that can be cut.
struct Relay {
    addr: SocketAddr,
    shared: Arc<Mutex<Way>>,
}

struct Way {
    to: SocketAddr,
    is_closed: bool,
    cut: CancellationToken,
    freeze: CancellationToken,
}

impl Relay {
    async fn to(bridge: &Bridge) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (cut, freeze) = (CancellationToken::new(), CancellationToken::new());
        let way = Way { to: bridge.addr, is_closed: false, cut, freeze };
        let shared = Arc::new(Mutex::new(way));
        let ways = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (to, is_closed, cut, freeze) = {
                    let way = ways.lock().unwrap();
                    (way.to, way.is_closed, way.cut.clone(), way.freeze.clone())
                };
                if is_closed {
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(to).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        () = cut.cancelled() => {}
                        // Both ends stay open, and nothing goes through any more.
                        () = freeze.cancelled() => cut.cancelled().await,
                    }
                });
            }
        });
        Self { addr, shared }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Cuts every connection, and lets none through until [`Relay::open`].
    fn close(&self) {
        let mut way = self.shared.lock().unwrap();
        way.is_closed = true;
        std::mem::take(&mut way.cut).cancel();
    }

    /// Lets nothing through on the connections that there are, without a word to either side; new ones work.
    fn freeze(&self) {
        std::mem::take(&mut self.shared.lock().unwrap().freeze).cancel();
    }

    fn open(&self, bridge: &Bridge) {
        let mut way = self.shared.lock().unwrap();
        way.is_closed = false;
        way.to = bridge.addr;
    }
}
