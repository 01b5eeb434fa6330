//! A connection's events, in order, to the store: each is read, judged and kept, and with it how far that has come.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::channels::discord::Discord;
use crate::channels::discord::gateway::{Dispatch, Shard};
use crate::channels::discord::ids;
use crate::channels::discord::ingress::catch_up::CatchUp;
use crate::channels::discord::ingress::kept::{Chat, Kept};
use crate::channels::discord::ingress::learn::learn;
use crate::channels::discord::ingress::live::{LONGEST_PAUSE, Live, PAUSE};
use crate::channels::discord::ingress::slash::Slip;
use crate::channels::discord::normalize::{self, Heard, Rules};
use crate::channels::discord::places::Places;
use crate::channels::discord::wire;
use crate::contract::inbox::Receipt;
use crate::contract::store::StoreError;
use crate::model::Incoming;
use crate::model::texts::Text;

/// A slash command, among the kinds of interactions.
const COMMAND: u8 = 2;

/// So many events are stored at once.
const BATCH: usize = 100;

/// How often it is written down how far events have come that were for nobody here.
const WRITE_DOWN: Duration = Duration::from_secs(5);

/// What is behind a connection.
pub(super) struct Intake {
    channel: Arc<Discord>,
    shard: Shard,
    rules: Arc<Rules>,
    kept: Kept,
    /// Whether `kept` is newer than what is stored.
    is_newer: bool,
    catch_up: CatchUp,
    batch: Vec<Live>,
    stop: CancellationToken,
}

impl Intake {
    pub(super) fn new(channel: &Arc<Discord>, shard: Shard, kept: Kept, stop: &CancellationToken) -> Self {
        let rules = Arc::new(Rules::new(&channel.config, channel.bot));
        Self {
            channel: Arc::clone(channel),
            shard,
            kept,
            is_newer: false,
            catch_up: CatchUp::new(channel, &rules),
            rules,
            batch: Vec::new(),
            stop: stop.clone(),
        }
    }

    /// Takes events until there are no more.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Dispatch>) {
        let mut received = Vec::with_capacity(BATCH);
        let mut tick = tokio::time::interval(WRITE_DOWN);
        if !self.go_on().await {
            return;
        }
        loop {
            tokio::select! {
                biased;
                held = self.catch_up.next(), if self.catch_up.is_running() => self.batch.extend(held),
                count = events.recv_many(&mut received, BATCH) => {
                    if count == 0 {
                        break;
                    }
                    for dispatch in received.drain(..) {
                        if !self.take(dispatch).await {
                            return;
                        }
                    }
                }
                _ = tick.tick() => {
                    self.catch_up.retry();
                    self.write_down().await;
                }
            }
            if self.kept.behind.is_some() && self.catch_up.is_settled() && self.batch.is_empty() {
                self.kept.behind = None;
                self.is_newer = true;
                self.write_down().await;
            }
            if !self.store().await {
                return;
            }
        }
        self.write_down().await;
    }

    /// `false` when it is time to stop.
    async fn take(&mut self, dispatch: Dispatch) -> bool {
        let Dispatch { name, data, session } = dispatch;
        let (raw, seq) = (data.get(), session.seq);
        match &*name {
            "MESSAGE_CREATE" => self.message(raw, seq, normalize::message).await,
            "MESSAGE_UPDATE" => self.message(raw, seq, normalize::edited).await,
            "INTERACTION_CREATE" => self.interaction(raw, seq),
            "READY" => {
                if !self.ready(raw).await {
                    return false;
                }
            }
            "GUILD_CREATE" => {
                if let Some(guild) = self.read::<wire::Guild>(raw) {
                    self.channel.places.learn_guild(&guild);
                    self.catch_up.guild_came(&guild);
                }
            }
            name => {
                if changes_rights(name) {
                    self.channel.sending.forget_refusals();
                }
                learn(&self.channel.places, name, raw);
                if let Some(guild) = (name == "GUILD_DELETE").then(|| self.read::<wire::GuildDelete>(raw)).flatten() {
                    self.catch_up.guild_went(&guild);
                }
            }
        }
        self.kept.session = Some(session);
        self.is_newer = true;
        if &*name == "READY" {
            // At once: each session that is forgotten costs one of the day's.
            self.write_down().await;
        }
        true
    }

    /// What cannot be read is counted and passed over.
    fn read<T: DeserializeOwned>(&self, raw: &str) -> Option<T> {
        let read = serde_json::from_str(raw).ok();
        if read.is_none() {
            self.channel.pass_over("unreadable");
        }
        read
    }

    async fn message(&mut self, raw: &str, seq: u64, judge: fn(&wire::Message, &Places, &Rules) -> Heard) {
        let Some(message) = self.read::<wire::Message>(raw) else { return };
        self.kept.heard = self.kept.heard.max(Some(message.id));
        self.channel.look_up(&message, &self.rules).await;
        let heard = catch_unwind(AssertUnwindSafe(|| judge(&message, &self.channel.places, &self.rules)));
        match heard.unwrap_or(Heard::Nothing("poisoned")) {
            Heard::Event(incoming) => {
                let chat = Chat { id: message.channel_id, guild: message.guild_id, last: message.id };
                let live = Live { incoming: *incoming, chat, seq, asked: None };
                self.batch.extend(self.catch_up.hold(live));
            }
            Heard::Nothing(reason) => self.channel.pass_over(reason),
        }
    }

    fn interaction(&mut self, raw: &str, seq: u64) {
        let Some(interaction) = self.read::<wire::Interaction>(raw) else { return };
        self.kept.heard = self.kept.heard.max(Some(interaction.id));
        let judge = || normalize::interaction(&interaction, &self.channel.places, &self.rules);
        let asked = match catch_unwind(AssertUnwindSafe(judge)).unwrap_or(Err("poisoned")) {
            Ok(asked) => asked,
            Err(reason) => {
                self.channel.pass_over(reason);
                // A command of another version of the bridge, say. Its user waits all the same.
                if interaction.kind == COMMAND && !interaction.token.is_empty() {
                    self.channel.say_at_once(Slip::of_unknown(&interaction), Text::NotForYou);
                }
                return;
            }
        };
        let slip = Slip::of(&asked, &self.channel);
        let sender = &asked.incoming.sender;
        if !self.channel.context.inbox.lets_in(sender) {
            self.channel.pass_over("not_allowed");
            let lang = sender.lang.unwrap_or(self.channel.context.lang);
            let is_said = !self.channel.context.texts.get(lang, Text::NotAllowed).trim().is_empty();
            let text = if is_said { Text::NotAllowed } else { Text::NotForYou };
            return self.channel.say_at_once(slip, text);
        }
        let id = interaction.channel_id.or(interaction.channel.as_ref().map(|channel| channel.id)).unwrap_or_default();
        let chat = Chat { id, guild: interaction.guild_id, last: interaction.id };
        // What waits for the reading of its chat would be answered too late.
        self.batch.push(Live { incoming: asked.incoming, chat, seq, asked: Some(slip) });
    }

    /// A new session. What was said since the last event of the one before is to be read.
    async fn ready(&mut self, raw: &str) -> bool {
        let behind = self.kept.behind.or(self.kept.heard);
        let Some(behind) = behind.filter(|_| !self.channel.config.catch_up.is_zero()) else { return true };
        let Some(chats) = self.chats().await else { return false };
        let guilds = self.read::<wire::Ready>(raw).map(|ready| ready.guilds.iter().map(|guild| guild.id).collect());
        self.kept.behind = Some(behind);
        self.catch_up.begin(behind, chats, guilds.as_ref());
        true
    }

    /// The process ended before everything was read. A session that is not taken up again will tell it at [`Intake::ready`].
    async fn go_on(&mut self) -> bool {
        if self.channel.config.catch_up.is_zero() {
            self.kept.behind = None;
        }
        let Some(behind) = self.kept.behind.filter(|_| self.kept.session.is_some()) else { return true };
        let Some(chats) = self.chats().await else { return false };
        self.catch_up.go_on(behind, chats);
        true
    }

    /// `None` when it is time to stop.
    async fn chats(&self) -> Option<Vec<Chat>> {
        let mut pause = PAUSE;
        loop {
            match self.channel.chats(self.shard).await {
                Ok(chats) => return Some(chats),
                Err(error) => tracing::warn!(channel = %self.channel.context.id, %error, "the chats cannot be read"),
            }
            if !self.rest(&mut pause).await {
                return None;
            }
        }
    }

    /// Stores what waits, whatever it takes; `false` when it is time to stop. What is not stored then comes again, as the
    /// session goes on from what is.
    async fn store(&mut self) -> bool {
        let mut pause = PAUSE;
        while !self.batch.is_empty() {
            let events: Vec<Incoming> = self.batch.iter().map(|live| live.incoming.clone()).collect();
            match self.channel.keep(events, self.cursors()).await {
                Ok(receipts) => {
                    self.is_newer = false;
                    let batch = std::mem::take(&mut self.batch);
                    for (live, receipt) in batch.into_iter().zip(receipts) {
                        if let Some(asked) = live.asked {
                            self.tell(asked, receipt);
                        }
                    }
                }
                Err(error) => {
                    tracing::error!(channel = %self.channel.context.id, %error, "what came in cannot be stored; it waits");
                    self.turn_away();
                    if !self.rest(&mut pause).await {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// What became of a slash command.
    fn tell(&self, asked: Slip, receipt: Option<Receipt>) {
        match receipt {
            Some(Receipt::Accepted { turn } | Receipt::Duplicate { turn: Some(turn), .. }) => {
                self.channel.follow(asked, turn);
            }
            Some(Receipt::Refused { .. }) => self.channel.say_at_once(asked, Text::TryAgain),
            Some(Receipt::Duplicate { turn: None, .. }) | None => {}
        }
    }

    /// Slash commands cannot wait until the store can take them: their users are told.
    fn turn_away(&mut self) {
        for live in self.batch.extract_if(.., |live| live.asked.is_some()) {
            if let Some(asked) = live.asked {
                self.channel.say_at_once(asked, Text::TryAgain);
            }
        }
    }

    /// How far the events have come, as it is stored with them: not beyond what waits for the reading of its chat.
    fn cursors(&self) -> Vec<(String, String)> {
        let mut kept = self.kept.clone();
        if let (Some(session), Some(first)) = (&mut kept.session, self.catch_up.first_held()) {
            session.seq = session.seq.min(first.saturating_sub(1));
        }
        let source = ids::session_source(self.channel.bot, self.shard.number, self.shard.of);
        let mut cursors = Vec::with_capacity(1 + self.batch.len());
        if let Ok(cursor) = serde_json::to_string(&kept) {
            cursors.push((source, cursor));
        }
        cursors.extend(self.batch.iter().map(|live| live.chat.cursor(self.channel.bot)));
        cursors
    }

    /// Writes down how far events have come, without any. Not so important that it is tried again.
    async fn write_down(&mut self) {
        if !self.is_newer || !self.batch.is_empty() {
            return;
        }
        match self.channel.context.inbox.accept(Vec::new(), self.cursors()).await {
            Ok(_) => self.is_newer = false,
            Err(error) => tracing::warn!(channel = %self.channel.context.id, %error, "a cursor cannot be stored"),
        }
    }

    async fn rest(&self, pause: &mut Duration) -> bool {
        let paused = tokio::time::timeout(*pause, self.stop.cancelled()).await;
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        paused.is_err()
    }
}

impl Discord {
    /// Counts an event that is none of ours.
    pub(super) fn pass_over(&self, reason: &'static str) {
        if matches!(reason, "unreadable" | "poisoned") {
            tracing::error!(channel = %self.context.id, reason, "an event is passed over");
        }
        let channel = self.context.id.as_str().to_owned();
        metrics::counter!("bridge_events_total", "channel" => channel, "result" => reason).increment(1);
    }

    /// Stores events and cursors. One that the store can never take is left out and counted (`None`).
    pub(super) async fn keep(
        &self,
        events: Vec<Incoming>,
        cursors: Vec<(String, String)>,
    ) -> Result<Vec<Option<Receipt>>, StoreError> {
        let inbox = &self.context.inbox;
        match inbox.accept(events.clone(), cursors.clone()).await {
            Ok(receipts) => Ok(receipts.into_iter().map(Some).collect()),
            Err(error) if !is_poison(&error) => Err(error),
            Err(error) => {
                tracing::error!(channel = %self.context.id, %error, "events cannot be stored; one by one");
                let mut receipts = Vec::with_capacity(events.len());
                for event in events {
                    match inbox.accept(vec![event], Vec::new()).await {
                        Ok(mut receipt) => receipts.push(receipt.pop()),
                        Err(error) if !is_poison(&error) => return Err(error),
                        Err(error) => {
                            tracing::error!(channel = %self.context.id, %error, "an event cannot be stored");
                            self.pass_over("poisoned");
                            receipts.push(None);
                        }
                    }
                }
                inbox.accept(Vec::new(), cursors).await?;
                Ok(receipts)
            }
        }
    }
}

/// Whether the bot may be allowed now what it was not before. Its own membership is told whatever it asked to be told.
fn changes_rights(event: &str) -> bool {
    matches!(event, "CHANNEL_UPDATE" | "GUILD_ROLE_UPDATE" | "GUILD_ROLE_DELETE" | "GUILD_MEMBER_UPDATE")
}

/// Whether the store's refusal is about the events themselves, and would be the same for ever.
fn is_poison(error: &StoreError) -> bool {
    match error {
        StoreError::Corrupt(_) | StoreError::NotFound(_) => true,
        StoreError::Unavailable(_)
        | StoreError::MediaFull { .. }
        | StoreError::Unusable(_)
        | StoreError::LeaseLost
        | StoreError::Changed => false,
    }
}
