//! Which chats are read again after a gap, and what comes from them meanwhile: it waits, so that order is kept.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::channels::discord::Discord;
use crate::channels::discord::api::CallError;
use crate::channels::discord::ids::Snowflake;
use crate::channels::discord::ingress::kept::Chat;
use crate::channels::discord::ingress::live::Live;
use crate::channels::discord::ingress::missed::{self, Gap};
use crate::channels::discord::normalize::Rules;
use crate::channels::discord::wire::Guild;

/// So many chats are read at a time.
const AT_ONCE: usize = 4;

/// How long one takes at least where calls are paced: a thousand chats, read as fast as they can be, would leave nothing of the
/// limit of the bot as a whole.
const EACH: Duration = Duration::from_millis(400);

/// So many live messages of one chat wait for it; with more they are taken at once, out of order rather than lost.
const HELD: usize = 256;

/// A thread in which nothing is said is archived after a week at the latest
/// (<https://docs.discord.com/developers/topics/threads#active-and-archived-threads>).
const ARCHIVED_AFTER: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What is to be read again.
pub(super) struct CatchUp {
    channel: Arc<Discord>,
    rules: Arc<Rules>,
    /// Whether it is known what is to be read.
    begun: bool,
    /// After which message.
    from: Snowflake,
    /// By guild, chats of guilds that have not come yet. One in an outage may take hours.
    waiting: HashMap<Snowflake, Vec<Chat>>,
    queue: VecDeque<Chat>,
    running: JoinSet<(Chat, Result<(), Unread>)>,
    /// Those that could not be read, and when that is tried again.
    later: Vec<Chat>,
    later_at: Instant,
    /// Each chat in the queue, running, or put off.
    reading: HashMap<Snowflake, Reading>,
}

struct Reading {
    /// The last message that can have been missed: what came later was told. `None`: not known.
    last: Option<Snowflake>,
    /// What has come meanwhile. `None`: it does not wait any more, as the chat cannot be read for now.
    held: Option<Vec<Live>>,
    runs: bool,
    /// There was another gap since its reading began.
    again: bool,
}

/// A chat could not be read for now.
#[derive(Debug)]
struct Unread;

impl CatchUp {
    pub(super) fn new(channel: &Arc<Discord>, rules: &Arc<Rules>) -> Self {
        Self {
            channel: Arc::clone(channel),
            rules: Arc::clone(rules),
            begun: false,
            from: Snowflake(0),
            waiting: HashMap::new(),
            queue: VecDeque::new(),
            running: JoinSet::new(),
            later: Vec::new(),
            later_at: Instant::now(),
            reading: HashMap::new(),
        }
    }

    /// A new session has begun, in these guilds if that is known. Direct messages are read at once; of the others their guild will tell which
    /// have news. A guild that the bot is in no more will not come.
    pub(super) fn begin(&mut self, behind: Snowflake, chats: Vec<Chat>, guilds: Option<&HashSet<Snowflake>>) {
        self.from = self.start(behind);
        self.begun = true;
        self.waiting.clear();
        for chat in chats {
            match chat.guild {
                None => self.enqueue(chat, None),
                Some(guild) if guilds.is_none_or(|guilds| guilds.contains(&guild)) => {
                    self.waiting.entry(guild).or_default().push(chat)
                }
                Some(_) => {}
            }
        }
    }

    /// Reading was not finished when the process ended. If the session goes on, nobody will tell which chats have news; and what
    /// it has to tell comes after what was missed.
    pub(super) fn go_on(&mut self, behind: Snowflake, chats: Vec<Chat>) {
        self.from = self.start(behind);
        self.begun = true;
        chats.into_iter().for_each(|chat| self.enqueue(chat, None));
    }

    fn start(&self, behind: Snowflake) -> Snowflake {
        missed::start(behind, self.channel.context.clock.now(), *self.channel.config.catch_up)
    }

    /// A guild tells its chats and their last messages.
    pub(super) fn guild_came(&mut self, guild: &Guild) {
        // One in an outage tells nothing.
        if guild.unavailable {
            return;
        }
        let Some(chats) = self.waiting.remove(&guild.id) else { return };
        let listed = guild.channels.iter().chain(&guild.threads);
        let last: HashMap<Snowflake, Option<Snowflake>> =
            listed.map(|channel| (channel.id, channel.last_message_id)).collect();
        let (told, archived): (Vec<Chat>, Vec<Chat>) = chats.into_iter().partition(|chat| last.contains_key(&chat.id));
        for chat in told {
            if let Some(last) = last[&chat.id].filter(|last| *last > self.from) {
                self.enqueue(chat, Some(last));
            }
        }
        // Threads that are archived are not told. What was said before that may have been missed, though.
        let oldest = self.from.earlier(ARCHIVED_AFTER);
        archived.into_iter().filter(|chat| chat.last > oldest).for_each(|chat| self.enqueue(chat, None));
    }

    /// The bot is in a guild no more.
    pub(super) fn guild_went(&mut self, guild: &Guild) {
        if !guild.unavailable {
            self.waiting.remove(&guild.id);
        }
    }

    fn enqueue(&mut self, chat: Chat, last: Option<Snowflake>) {
        match self.reading.entry(chat.id) {
            Entry::Occupied(mut reading) => {
                let reading = reading.get_mut();
                // What it has read already does not reach as far as this gap.
                reading.again |= reading.runs;
                reading.last = last.and_then(|last| reading.last.map(|before| before.max(last)));
            }
            Entry::Vacant(place) => {
                place.insert(Reading { last, held: Some(Vec::new()), runs: false, again: false });
                self.queue.push_back(chat);
            }
        }
        self.fill();
    }

    fn fill(&mut self) {
        while self.running.len() < AT_ONCE {
            let Some(chat) = self.queue.pop_front() else { return };
            let Some(reading) = self.reading.get_mut(&chat.id) else { continue };
            (reading.runs, reading.again) = (true, false);
            let gap = Gap { after: self.from, last: reading.last };
            let (channel, rules) = (Arc::clone(&self.channel), Arc::clone(&self.rules));
            self.running.spawn(async move {
                let ends = Instant::now() + if channel.config.paced() { EACH } else { Duration::ZERO };
                let read = read(&channel, &rules, chat, gap).await;
                tokio::time::sleep_until(ends).await;
                (chat, read)
            });
        }
    }

    /// Tries again what could not be read, when it is time to.
    pub(super) fn retry(&mut self) {
        if self.later_at <= Instant::now() {
            self.queue.extend(self.later.drain(..));
            self.fill();
        }
    }

    /// Whether everything is read that there is to be read.
    pub(super) fn is_settled(&self) -> bool {
        self.begun && self.reading.is_empty() && self.waiting.is_empty()
    }

    pub(super) fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Keeps what came from a chat that is being read; gives back what need not wait.
    pub(super) fn hold(&mut self, live: Live) -> Vec<Live> {
        let reading = self.reading.get_mut(&live.chat.id);
        let Some(held) = reading.and_then(|reading| reading.held.as_mut()) else { return vec![live] };
        held.push(live);
        if held.len() > HELD { std::mem::take(held) } else { Vec::new() }
    }

    /// The number of the first dispatch that waits.
    pub(super) fn first_held(&self) -> Option<u64> {
        self.reading.values().filter_map(|reading| reading.held.as_ref()).flatten().map(|live| live.seq).min()
    }

    /// Waits until a chat is read; gives back what came from it meanwhile. Can be dropped and called again.
    pub(super) async fn next(&mut self) -> Vec<Live> {
        let Some(ended) = self.running.join_next().await else { return Vec::new() };
        let held = match ended {
            Ok((chat, read)) => self.ended(chat, read),
            Err(error) => {
                // Whose reading it was that panicked is not told: those that neither run nor wait for it are given up.
                tracing::error!(channel = %self.channel.context.id, %error, "reading what was missed ended early");
                if self.running.is_empty() && self.queue.is_empty() && self.later.is_empty() {
                    self.reading.drain().filter_map(|(_, reading)| reading.held).flatten().collect()
                } else {
                    Vec::new()
                }
            }
        };
        self.fill();
        held
    }

    fn ended(&mut self, chat: Chat, read: Result<(), Unread>) -> Vec<Live> {
        let Some(reading) = self.reading.get_mut(&chat.id) else { return Vec::new() };
        reading.runs = false;
        if let Err(Unread) = read {
            // The chat is not to be silent for as long as this lasts; then what was missed comes out of order, and not never.
            self.later_at = Instant::now() + *self.channel.config.timeout;
            self.later.push(chat);
            return reading.held.take().unwrap_or_default();
        }
        if reading.again {
            self.queue.push_back(chat);
            return Vec::new();
        }
        self.reading.remove(&chat.id).and_then(|reading| reading.held).unwrap_or_default()
    }
}

/// What cannot be read is named; what could be stored is.
async fn read(channel: &Discord, rules: &Rules, chat: Chat, gap: Gap) -> Result<(), Unread> {
    let (id, place) = (&channel.context.id, chat.id);
    let (result, read) = match missed::read(channel, rules, chat, gap).await {
        Ok(0) => ("nothing", Ok(())),
        Ok(found) => {
            tracing::info!(channel = %id, chat = %place, found, "messages that were missed are taken up");
            ("found", Ok(()))
        }
        Err(CallError::Refused { status: 403 | 404, code, message, .. }) => {
            tracing::info!(channel = %id, chat = %place, code, message, "what was missed in a chat cannot be read");
            if code == UNKNOWN_CHANNEL {
                let source = chat.cursor(channel.bot).0;
                if let Err(error) = channel.context.store.forget_cursors(vec![source]).await {
                    tracing::warn!(channel = %id, %error, "a chat that is gone cannot be forgotten");
                }
            }
            ("refused", Ok(()))
        }
        Err(error) => {
            tracing::error!(channel = %id, chat = %place, %error, "what was missed in a chat cannot be read now; later again");
            ("failed", Err(Unread))
        }
    };
    metrics::counter!("bridge_discord_catch_up_total", "channel" => id.as_str().to_owned(), "result" => result)
        .increment(1);
    read
}

/// It was deleted (<https://docs.discord.com/developers/topics/opcodes-and-status-codes#json>).
const UNKNOWN_CHANNEL: u32 = 10_003;
