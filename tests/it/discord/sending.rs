//! Single calls of the channel, made without a bridge around it: what arrives, and what their failures are taken for.

mod channels;
mod failures;
mod files;
mod interactions;
mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use caigunn_bridge::channels::discord::config::DiscordConfig;
use caigunn_bridge::channels::discord::registration;
use caigunn_bridge::config;
use caigunn_bridge::contract::channel::{Exchange, History, Parsed, SendError, SendReceipt, StateReporter};
use caigunn_bridge::contract::inbox::{InboxRules, WakeSender};
use caigunn_bridge::contract::store::OutboxRow;
use caigunn_bridge::contract::{Access, Channel, ChannelContext, InboxWriter, OutboundWriter, Store};
use caigunn_bridge::model::outbound::Lane;
use caigunn_bridge::model::texts::{Lang, LiveTexts};
use caigunn_bridge::model::uid::UidTemplate;
use caigunn_bridge::model::{BotName, ChannelId, Clock, OutboundAction, Scope, Target, Timestamp};
use caigunn_bridge::pipeline::speak::Speaker;
use caigunn_bridge::stores::sqlite::{SqliteOptions, SqliteStore};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::platform::{Platform, TOKEN};

const GUILD: u64 = 41_771_983_423_143_937;
const ROOM: u64 = 41_771_983_423_143_938;
const ANN: u64 = 80_351_110_224_678_912;

/// A channel, its Discord with a guild, a room and a person, and a clock that stands still.
struct Desk {
    platform: Platform,
    channel: Arc<dyn Channel>,
    state: StateReporter,
    clock: Clock,
    store: Arc<dyn Store>,
    next: AtomicI64,
    _folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        Self::with(json!({})).await
    }

    /// With further keys of the configuration.
    async fn with(keys: Value) -> Self {
        let platform = Platform::start().await;
        platform.guild(GUILD, "The Guild");
        platform.text_channel(GUILD, ROOM, "room");
        platform.user(ANN, "Ann");
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let clock = Clock::fixed(Timestamp(now.as_millis().try_into().unwrap()));
        let options = SqliteOptions { clock: clock.clone(), ..SqliteOptions::default() };
        let store: Arc<dyn Store> = SqliteStore::open(folder.path().join("bridge.db"), options).unwrap();
        let mut keys = keys;
        if keys["api_url"].is_null() {
            keys["api_url"] = platform.url().into();
        }
        keys["token"] = TOKEN.into();
        let (channel, state) = build(keys, &store, &clock);
        Self { platform, channel, state, clock, store, next: AtomicI64::new(1), _folder: folder }
    }

    /// The same channel as a new process has it: without a memory.
    fn restarts(&mut self) {
        let keys = json!({ "token": TOKEN, "api_url": self.platform.url() });
        (self.channel, self.state) = build(keys, &self.store, &self.clock);
    }

    /// The rows of an answer.
    fn rows(&self, to: &Target, text: &str, reply_to: Option<u64>) -> Vec<OutboxRow> {
        let action = OutboundAction::answer(text, reply_to.map(|id| id.to_string()));
        let calls = self.channel.render(&action, to);
        let parts = u16::try_from(calls.len()).unwrap();
        let rows = calls.into_iter().zip(0..).map(|(call, part)| OutboxRow {
            seq: self.next.fetch_add(1, Ordering::Relaxed),
            turn: None,
            action: 1,
            part,
            parts,
            channel: ChannelId::new("dc"),
            target: to.clone(),
            lane: Lane::Reply,
            payload: call.payload,
            plain: call.plain,
            scopes: call.scopes,
            attempts: 0,
            spent: Duration::ZERO,
            due_in: Duration::ZERO,
            in_doubt: false,
            first_sent_ago: None,
        });
        rows.collect()
    }

    /// The one row of a short answer.
    fn row(&self, to: &Target, text: &str) -> OutboxRow {
        self.rows(to, text, None).remove(0)
    }

    fn reply(&self, to: &Target, text: &str, reply_to: u64) -> OutboxRow {
        self.rows(to, text, Some(reply_to)).remove(0)
    }

    async fn send(&self, row: &OutboxRow) -> Result<SendReceipt, SendError> {
        self.channel.send(row).await
    }

    /// Sends what must arrive; answers the message's number.
    async fn sends(&self, row: &OutboxRow) -> u64 {
        let receipt = self.send(row).await.unwrap();
        assert_eq!(receipt.ids.len(), 1, "{receipt:?}");
        receipt.ids[0].parse().unwrap()
    }

    /// Sends what must fail: as what, and why.
    async fn fails(&self, row: &OutboxRow) -> (&'static str, String) {
        let error = self.send(row).await.expect_err("it is sent");
        let kind = match &error {
            SendError::RateLimited { scope, .. } if scope == "bot" => "bot rests",
            SendError::RateLimited { .. } => "chat rests",
            SendError::Transient(_) => "transient",
            SendError::Ambiguous(_) => "ambiguous",
            SendError::Rejected { .. } => "rejected",
            SendError::Downgrade { .. } => "downgrade",
            SendError::AddressRefused { .. } => "address refused",
            SendError::TargetGone { .. } => "gone",
            SendError::Migrated { .. } => "migrated",
            SendError::Unauthorized { .. } => "unauthorized",
        };
        let why = error.to_string();
        assert!(!why.contains(TOKEN), "{why}");
        (kind, why)
    }

    fn calls(&self, route: &str) -> usize {
        self.platform.attempts(route).len()
    }

    fn clean(&self) {
        assert_eq!(self.platform.violations(), Vec::<String>::new());
    }
}

fn build(keys: Value, store: &Arc<dyn Store>, clock: &Clock) -> (Arc<dyn Channel>, StateReporter) {
    let registration = registration();
    let parsed: Parsed = Box::new(serde_json::from_value::<DiscordConfig>(keys).unwrap());
    let capabilities = (registration.capabilities)(&parsed);
    let (id, bot) = (ChannelId::new("dc"), BotName::new("main"));
    let rules = InboxRules {
        channel: id.clone(),
        bot: bot.clone(),
        scope: Scope::User,
        template: UidTemplate::parse(registration.default_uid_template).unwrap(),
        uid_key: None,
        max_pending: 20,
        overflow: capabilities.overflow,
        rate: None,
        access: Access::new(&config::Access::default(), true),
        tells_not_allowed: false,
    };
    let (state, _) = StateReporter::new();
    let delivery = capabilities.delivery;
    let context = ChannelContext {
        id: id.clone(),
        bot,
        capabilities,
        inbox: InboxWriter::new(rules, Arc::clone(store), WakeSender::new(16).0),
        outbound: OutboundWriter::new(id, delivery, Arc::clone(store), Arc::new(Notify::new())),
        store: Arc::clone(store),
        state: state.clone(),
        clock: clock.clone(),
        texts: LiveTexts::default(),
        lang: Lang::En,
        stop: tokio_util::sync::CancellationToken::new(),
        history: Arc::new(NoHistory),
        speak: Arc::new(Speaker::default()),
    };
    ((registration.build)(parsed, context).unwrap(), state)
}

struct NoHistory;

#[async_trait]
impl History for NoHistory {
    async fn history(&self, _: &BotName, _: &str, _: usize) -> Result<Vec<Exchange>, String> {
        Ok(Vec::new())
    }
}

fn room() -> Target {
    Target::of(ROOM.to_string())
}

/// The same row, once more after its first send.
fn again(row: &OutboxRow) -> OutboxRow {
    OutboxRow {
        attempts: row.attempts + 1,
        in_doubt: true,
        first_sent_ago: Some(Duration::from_secs(1)),
        ..row.clone()
    }
}
