//! The webhook, and delivering to it (<https://core.telegram.org/bots/api#setwebhook>).

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Platform;
use super::params::Params;
use super::state::{Inner, Shared, now};
use super::updates::allow;
use super::wire::Refusal;

/// How soon a delivery is tried again, at first and at most. Telegram takes longer.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(400));

const TIMED_OUT: &str = "Read timeout expired";

const DEFAULT_CONNECTIONS: i64 = 40;

#[derive(Clone, Debug)]
pub(super) struct Webhook {
    url: String,
    secret: Option<String>,
    connections: i64,
}

/// One try to deliver an update.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) update: i64,
    pub(crate) url: String,
    pub(crate) secret: Option<String>,
    /// 0: no answer.
    pub(crate) status: u16,
    pub(crate) at: Instant,
}

#[derive(Default)]
pub(super) struct Hook {
    set: Option<Webhook>,
    /// Where the deliveries go in fact, in place of the scheme and host that are set.
    goes_to: Option<String>,
    busy: i64,
    /// So many answers to come are lost on their way back.
    deaf: u32,
    error: Option<(i64, String)>,
    deliveries: Vec<Delivery>,
    /// How often it was set, and whether anybody ever wanted pending updates to be dropped.
    sets: u32,
    drops: u32,
}

impl Hook {
    pub(super) fn is_set(&self) -> bool {
        self.set.is_some()
    }
}

fn forget_if_asked(inner: &mut Inner, params: &Params) -> Result<(), Refusal> {
    if params.bool("drop_pending_updates")? {
        inner.hook.drops += 1;
        inner.queue.drop_pending();
    }
    Ok(())
}

pub(super) fn set(inner: &mut Inner, params: &Params) -> Result<String, Refusal> {
    let bad = |what: &str| Err(Refusal::new(400, &format!("Bad Request: {what}")));
    let url = params.string("url")?.unwrap_or_default();
    if url.is_empty() {
        return delete(inner, params);
    }
    let https = url.starts_with("https://") || inner.self_hosted && url.starts_with("http://");
    if !https {
        return bad("bad webhook: An HTTPS URL must be provided for webhook");
    }
    let port = url.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()?.split(':').nth(1));
    // Ports currently supported: 443, 80, 88, 8443.
    if !inner.self_hosted && port.is_some_and(|port| !matches!(port, "443" | "80" | "88" | "8443")) {
        return bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443");
    }
    let secret = params.string("secret_token")?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    match &secret {
        Some(secret) if secret.len() > 256 => return bad("secret token is too long"),
        Some(secret) if !secret.bytes().all(allowed) => return bad("secret token contains unallowed characters"),
        _ => {}
    }
    let connections = params.int("max_connections")?.unwrap_or(DEFAULT_CONNECTIONS);
    if !(1..=100).contains(&connections) {
        inner.violation(format!("setWebhook: max_connections {connections}"));
    }
    allow(inner, params)?;
    forget_if_asked(inner, params)?;
    let connections = connections.clamp(1, 100);
    inner.hook.sets += 1;
    inner.hook.error = None;
    inner.hook.set = Some(Webhook { url, secret: secret.filter(|secret| !secret.is_empty()), connections });
    inner.queue.interrupt("Conflict: terminated by setWebhook request");
    Ok("true".to_owned())
}

pub(super) fn delete(inner: &mut Inner, params: &Params) -> Result<String, Refusal> {
    forget_if_asked(inner, params)?;
    inner.hook.set = None;
    Ok("true".to_owned())
}

pub(super) fn info(inner: &Inner) -> Value {
    let pending = inner.queue.pending.len();
    let Some(webhook) = &inner.hook.set else {
        return json!({ "url": "", "has_custom_certificate": false, "pending_update_count": pending });
    };
    let mut info = json!({
        "url": webhook.url,
        "has_custom_certificate": false,
        "pending_update_count": pending,
        "max_connections": webhook.connections,
        "ip_address": "203.0.113.7",
    });
    if let Some((date, message)) = &inner.hook.error {
        info["last_error_date"] = (*date).into();
        info["last_error_message"] = message.clone().into();
    }
    if !inner.queue.allowed.is_empty() {
        info["allowed_updates"] = inner.queue.allowed.clone().into();
    }
    info
}

/// Delivers whatever there is, for as long as the server runs. Deliveries begin in order; with several at once they may
/// end in another.
pub(super) async fn deliver_all(shared: Arc<Shared>) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let next = shared.lock().take_next();
        match next {
            Some((id, json)) => drop(tokio::spawn(deliver(Arc::clone(&shared), client.clone(), id, json))),
            None => changed.await,
        }
    }
}

async fn deliver(shared: Arc<Shared>, client: reqwest::Client, id: i64, json: String) {
    let mut pause = BACKOFF.0;
    loop {
        let destination = shared.lock().destination();
        let Some((webhook, url)) = destination else { break };
        let mut request = client.post(&url).header("content-type", "application/json").body(json.clone());
        if let Some(secret) = &webhook.secret {
            request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
        }
        let at = Instant::now();
        let (status, error) = match send(request, &url).await {
            Ok(answer) => (answer.status().as_u16(), format!("Wrong response from the webhook: {}", answer.status())),
            Err(error) => (0, error.to_owned()),
        };
        if shared.lock().tried(Delivery { update: id, url, secret: webhook.secret, status, at }, error) {
            break;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(BACKOFF.1);
    }
    shared.lock().lets_go(id);
    shared.changed.notify_waiters();
}

/// Tests never leave this machine: whoever else a webhook names is not there.
async fn send(request: reqwest::RequestBuilder, url: &str) -> Result<reqwest::Response, &'static str> {
    if !url.starts_with("http://127.0.0.1:") {
        return Err("Failed to resolve host");
    }
    let refused = |error: reqwest::Error| if error.is_timeout() { TIMED_OUT } else { "Connection refused" };
    request.send().await.map_err(refused)
}

impl Inner {
    fn take_next(&mut self) -> Option<(i64, String)> {
        let webhook = self.hook.set.as_ref()?;
        if self.hook.busy >= webhook.connections {
            return None;
        }
        let next = self.queue.pending.iter_mut().find(|update| !update.taken)?;
        next.taken = true;
        self.hook.busy += 1;
        Some((next.id, next.json.clone()))
    }

    /// Notes a delivery; answers whether it is done.
    fn tried(&mut self, delivery: Delivery, mut error: String) -> bool {
        let mut done = (200..300).contains(&delivery.status);
        if done && self.hook.deaf > 0 {
            self.hook.deaf -= 1;
            done = false;
            error = TIMED_OUT.to_owned();
        }
        if done {
            self.delivered(delivery.update);
        } else {
            self.hook.error = Some((now(), error));
        }
        self.hook.deliveries.push(delivery);
        done
    }

    /// If the webhook was taken away in between, the update waits for the next one, or for a poll.
    fn lets_go(&mut self, id: i64) {
        self.hook.busy -= 1;
        if let Some(update) = self.queue.pending.iter_mut().find(|update| update.id == id) {
            update.taken = false;
        }
    }

    fn destination(&self) -> Option<(Webhook, String)> {
        let webhook = self.hook.set.clone()?;
        let url = match &self.hook.goes_to {
            None => webhook.url.clone(),
            Some(base) => {
                let path = webhook.url.split("://").nth(1).and_then(|rest| rest.split_once('/'));
                format!("{base}/{}", path.map_or("", |(_, path)| path))
            }
        };
        Some((webhook, url))
    }
}

impl Platform {
    /// Like a Bot API server of one's own: plain http is good enough for a webhook.
    pub(crate) fn is_self_hosted(&self) {
        self.lock().self_hosted = true;
    }

    /// Deliveries go to this address (`http://127.0.0.1:1234`), whatever host the webhook names.
    pub(crate) fn webhook_goes_to(&self, base: &str) {
        self.lock().hook.goes_to = Some(base.to_owned());
    }

    /// So many answers to come are lost, and the updates are delivered again.
    pub(crate) fn loses_webhook_answers(&self, times: u32) {
        self.lock().hook.deaf = times;
    }

    /// Somebody else sets a webhook.
    pub(crate) fn sets_webhook(&self, url: &str) {
        let webhook = Webhook { url: url.to_owned(), secret: None, connections: DEFAULT_CONNECTIONS };
        let mut inner = self.lock();
        inner.hook.set = Some(webhook);
        inner.queue.interrupt("Conflict: terminated by setWebhook request");
        drop(inner);
        self.shared().changed.notify_waiters();
    }

    pub(crate) fn removes_webhook(&self) {
        self.lock().hook.set = None;
    }

    /// The URL that is set.
    pub(crate) fn webhook(&self) -> Option<String> {
        self.lock().hook.set.as_ref().map(|webhook| webhook.url.clone())
    }

    /// How often a webhook was set by the bot.
    pub(crate) fn webhook_sets(&self) -> u32 {
        self.lock().hook.sets
    }

    /// How often the bot has had pending updates dropped.
    pub(crate) fn drops(&self) -> u32 {
        self.lock().hook.drops
    }

    /// Deliveries that are under way, or will be tried again soon.
    pub(crate) fn taken(&self) -> usize {
        self.lock().queue.pending.iter().filter(|update| update.taken).count()
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.lock().hook.deliveries.clone()
    }
}
