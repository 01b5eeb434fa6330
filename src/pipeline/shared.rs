//! What all stages share.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use crate::contract::channel::Channel;
use crate::contract::store::{ClaimToken, Store};
use crate::model::texts::{LiveTexts, Text};
use crate::model::{BotName, ChannelId, Clock, Contact, Lang};
use crate::pipeline::bots::{BotRuntime, Bots};
use crate::pipeline::contacts::ContactCache;
use crate::pipeline::images::ImageLimits;
use crate::pipeline::queue::Deliver;
use crate::pipeline::retry::{Backoff, Patience};

/// The pipeline's bounds and patience, from the configuration.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Turns worked on at once.
    pub max_in_flight: usize,
    /// Turns held in memory; the rest wait in the store.
    pub window: usize,
    pub patience: Patience,
    /// For how long an ambiguous ask is looked for before it is asked again.
    pub recovery_window: Duration,
    pub max_age: Duration,
    pub images: ImageLimits,
    /// Platform calls at once, per channel.
    pub send_concurrency: usize,
    pub resend_in_doubt: bool,
    /// How long attempts to deliver one call go on.
    pub delivery_patience: Patience,
    /// How often another process's work is looked for.
    pub poll: Duration,
}

impl Rules {
    /// The wait after a failure of our own store.
    pub(crate) const STORE_BACKOFF: Backoff = Backoff { min: Duration::from_millis(250), max: Duration::from_secs(10) };
}

/// A running channel, as the pipeline sees it.
#[derive(Clone)]
pub struct ChannelEntry {
    pub channel: Arc<dyn Channel>,
    pub bot: BotName,
    pub lang: Lang,
    /// How often a channel of this id was built. What an earlier one still says of its platform is no news.
    pub generation: u64,
    pub max_age: Duration,
    /// Bounds the media fetched at once.
    pub fetches: Arc<Semaphore>,
}

pub type Channels = HashMap<ChannelId, ChannelEntry>;

/// When something last went well.
pub struct Beat {
    since: Instant,
    last: AtomicU64,
}

impl Default for Beat {
    fn default() -> Self {
        Self { since: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Beat {
    pub(crate) fn beat(&self) {
        let at = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(at, Ordering::Relaxed);
    }

    pub fn age(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}

pub struct Shared {
    pub store: Arc<dyn Store>,
    /// This process's claim on turns and rows.
    pub claim: ClaimToken,
    pub clock: Clock,
    pub rules: Rules,
    pub texts: LiveTexts,
    pub contacts: ContactCache,
    pub bots: Arc<Bots>,
    pub channels: ArcSwap<Channels>,
    pub deliver: Deliver,
    /// When the dispatcher last went round, and when the store last answered.
    pub dispatcher_beat: Beat,
    pub store_beat: Beat,
    pub decodes: Arc<Semaphore>,
}

impl Shared {
    /// The channel of a turn or row, if it is (still) configured and running.
    pub fn channel(&self, id: &ChannelId) -> Option<ChannelEntry> {
        self.channels.load().get(id).cloned()
    }

    pub fn bot(&self, name: &BotName) -> Option<Arc<BotRuntime>> {
        self.bots.get(name)
    }

    pub fn text(&self, lang: Lang, text: Text) -> String {
        self.texts.get(lang, text)
    }

    /// The language of the texts for a contact.
    pub fn lang(&self, contact: &Contact, entry: &ChannelEntry) -> Lang {
        contact.lang.unwrap_or(entry.lang)
    }
}
