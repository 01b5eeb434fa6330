//! Which chats are read again after a gap, and what comes from them meanwhile: it waits, so that order is kept.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::channels::discord::Discord;
use crate::channels::discord::api::CallError;
use crate::channels::discord::ids::Snowflake;
use crate::channels::discord::ingress::intake::Live;
use crate::channels::discord::ingress::kept::Chat;
use crate::channels::discord::ingress::missed;
use crate::channels::discord::normalize::Rules;
use crate::channels::discord::wire::Guild;

/// So many chats are read at a time.
const AT_ONCE: usize = 4;

/// How long one takes at least where calls are paced: a thousand chats, read as fast as they can be, would leave nothing of the
/// limit of the bot as a whole.
const EACH: Duration = Duration::from_millis(400);

/// How long the guilds that Discord named have time to come. One in an outage may take hours.
const GUILDS_COME: Duration = Duration::from_secs(60);

/// So many live messages of one chat wait for it; with more they are taken at once, out of order rather than lost.
const HELD: usize = 256;

/// What is to be read again.
pub(super) struct CatchUp {
    channel: Arc<Discord>,
    rules: Arc<Rules>,
    /// After which message.
    from: Snowflake,
    /// By guild, chats of guilds that have not come yet.
    waiting: HashMap<Snowflake, Vec<Chat>>,
    /// Until when those count as work to be done.
    until: Instant,
    queue: VecDeque<Chat>,
    running: JoinSet<Snowflake>,
    /// For each chat in the queue or running, what has come meanwhile.
    held: HashMap<Snowflake, Vec<Live>>,
}

impl CatchUp {
    pub(super) fn new(channel: &Arc<Discord>, rules: &Arc<Rules>) -> Self {
        Self {
            channel: Arc::clone(channel),
            rules: Arc::clone(rules),
            from: Snowflake(0),
            waiting: HashMap::new(),
            until: Instant::now(),
            queue: VecDeque::new(),
            running: JoinSet::new(),
            held: HashMap::new(),
        }
    }

    /// A new session has begun. Direct messages are read at once; of the others their guild will tell which have news.
    pub(super) fn begin(&mut self, behind: Snowflake, chats: Vec<Chat>) {
        self.from = self.start(behind);
        self.waiting.clear();
        self.until = Instant::now() + GUILDS_COME;
        for chat in chats {
            match chat.guild {
                None => self.enqueue(chat),
                Some(guild) => self.waiting.entry(guild).or_default().push(chat),
            }
        }
    }

    /// A session goes on in which reading was not finished. Nobody will tell which chats have news.
    pub(super) fn begin_again(&mut self, behind: Snowflake, chats: Vec<Chat>) {
        self.from = self.start(behind);
        self.waiting.clear();
        chats.into_iter().for_each(|chat| self.enqueue(chat));
    }

    fn start(&self, behind: Snowflake) -> Snowflake {
        missed::start(behind, self.channel.context.clock.now(), *self.channel.config.catch_up)
    }

    /// A guild tells its chats and their last messages. Threads that it does not tell are archived: nothing is new there.
    pub(super) fn guild_came(&mut self, guild: &Guild) {
        let Some(chats) = self.waiting.remove(&guild.id) else { return };
        let last: HashMap<Snowflake, Snowflake> = guild
            .channels
            .iter()
            .chain(&guild.threads)
            .filter_map(|channel| Some((channel.id, channel.last_message_id?)))
            .collect();
        for chat in chats {
            if last.get(&chat.id).is_some_and(|last| *last > self.from) {
                self.enqueue(chat);
            }
        }
    }

    fn enqueue(&mut self, chat: Chat) {
        if self.held.contains_key(&chat.id) {
            return;
        }
        self.held.insert(chat.id, Vec::new());
        self.queue.push_back(chat);
        self.fill();
    }

    fn fill(&mut self) {
        while self.running.len() < AT_ONCE {
            let Some(chat) = self.queue.pop_front() else { return };
            let (channel, rules, from) = (Arc::clone(&self.channel), Arc::clone(&self.rules), self.from);
            self.running.spawn(async move {
                let ends = Instant::now() + if channel.config.paced() { EACH } else { Duration::ZERO };
                read(&channel, &rules, chat, from).await;
                tokio::time::sleep_until(ends).await;
                chat.id
            });
        }
    }

    /// Whether everything is read that there is to be read.
    pub(super) fn is_settled(&self) -> bool {
        self.held.is_empty() && (self.waiting.is_empty() || self.until < Instant::now())
    }

    pub(super) fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Keeps what came from a chat that is being read; gives back what need not wait.
    pub(super) fn hold(&mut self, live: Live) -> Vec<Live> {
        let Some(held) = self.held.get_mut(&live.chat.id) else { return vec![live] };
        held.push(live);
        if held.len() > HELD { std::mem::take(held) } else { Vec::new() }
    }

    /// The number of the first dispatch that waits.
    pub(super) fn first_held(&self) -> Option<u64> {
        self.held.values().flatten().map(|live| live.seq).min()
    }

    /// Waits until a chat is read; gives back what came from it meanwhile. Can be dropped and called again.
    pub(super) async fn next(&mut self) -> Vec<Live> {
        let Some(ended) = self.running.join_next().await else { return Vec::new() };
        let held = match ended {
            Ok(chat) => self.held.remove(&chat).unwrap_or_default(),
            Err(error) => {
                // Whose reading it was that panicked is not told: those that neither run nor queue wait no longer.
                tracing::error!(channel = %self.channel.context.id, %error, "reading what was missed ended early");
                if self.running.is_empty() && self.queue.is_empty() {
                    self.held.drain().flat_map(|(_, held)| held).collect()
                } else {
                    Vec::new()
                }
            }
        };
        self.fill();
        held
    }
}

/// What cannot be read is named; what could be stored is.
async fn read(channel: &Discord, rules: &Rules, chat: Chat, from: Snowflake) {
    let (id, place) = (&channel.context.id, chat.id);
    let result = match missed::read(channel, rules, chat, from).await {
        Ok(0) => "nothing",
        Ok(found) => {
            tracing::info!(channel = %id, chat = %place, found, "messages that were missed are taken up");
            "found"
        }
        Err(CallError::Refused { status: 403 | 404, code, message, .. }) => {
            tracing::info!(channel = %id, chat = %place, code, message, "what was missed in a chat cannot be read");
            "refused"
        }
        Err(error) => {
            tracing::error!(channel = %id, chat = %place, %error, "what was missed in a chat could not be read");
            "failed"
        }
    };
    metrics::counter!("bridge_discord_catch_up_total", "channel" => id.as_str().to_owned(), "result" => result)
        .increment(1);
}
