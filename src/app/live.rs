//! What runs, and what it was made from.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::rules;
use crate::app::units::{Parts, Unit};
use crate::caigunn::Account;
use crate::config::{self, Config, FileDigest, FileText, Mistakes};
use crate::contract::channel::Speak;
use crate::contract::inbox::WakeSender;
use crate::contract::store::Store;
use crate::model::texts::LiveTexts;
use crate::model::{BotName, ChannelId, Clock};
use crate::pipeline::BotRuntime;
use crate::pipeline::bots::Bots;
use crate::pipeline::queue::Deliver;

/// What a reload reads anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reread {
    /// The configuration's file and the files of secrets.
    Everything,
    /// The files of secrets alone; the configuration's file, which somebody may be editing, is taken as it was last read.
    Secrets,
}

/// What stays as it is for as long as the process runs.
pub(crate) struct Ground {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) wake: WakeSender,
    pub(crate) deliver: Deliver,
    pub(crate) bots: Arc<Bots>,
    pub(crate) speak: Arc<dyn Speak>,
    pub(crate) gates: Arc<Notify>,
    pub(crate) clock: Clock,
    pub(crate) texts: LiveTexts,
    pub(crate) tasks: TaskTracker,
    pub(crate) grace: Duration,
    pub(crate) stop: CancellationToken,
}

impl Ground {
    /// What channels of this configuration are built from.
    pub(crate) fn parts<'a>(&'a self, config: &'a Config) -> Parts<'a> {
        Parts {
            config,
            store: &self.store,
            wake: &self.wake,
            deliver: &self.deliver,
            history: Arc::clone(&self.bots) as _,
            speak: Arc::clone(&self.speak),
            clock: &self.clock,
            texts: &self.texts,
            stop: &self.stop,
        }
    }
}

/// What a reload changes.
pub(crate) struct Live {
    /// In force: what needs a restart is here as it was at the start.
    pub(crate) config: Config,
    pub(crate) broken: BTreeMap<String, Mistakes>,
    pub(crate) units: BTreeMap<ChannelId, Unit>,
    /// The last generation of each channel, also of those that are away.
    pub(crate) generations: BTreeMap<ChannelId, u64>,
    pub(crate) accounts: BTreeMap<String, LiveAccount>,
    /// Accounts that could not be opened, and why.
    pub(crate) unusable: BTreeMap<String, String>,
    /// Ends the watch over a bot.
    pub(crate) watched: HashMap<BotName, CancellationToken>,
    pub(crate) broken_bots: BTreeMap<String, String>,
    pub(crate) text: Option<FileText>,
    pub(crate) secret_files: BTreeMap<PathBuf, Option<FileDigest>>,
    /// The last reload was refused: what it had read.
    pub(crate) refused: Option<Reread>,
}

impl Live {
    /// Tries a paused bot's credentials now and then.
    pub(crate) fn watch_over(&mut self, ground: &Ground, bot: &Arc<BotRuntime>) {
        let stop = ground.stop.child_token();
        ground.tasks.spawn(Arc::clone(bot).watch_over(rules::try_credentials(&self.config), stop.clone()));
        self.watched.insert(bot.name.clone(), stop);
    }
}

/// An account, kept fresh.
pub(crate) struct LiveAccount {
    pub(crate) account: Arc<Account>,
    stop: CancellationToken,
}

impl LiveAccount {
    pub(crate) fn keep(ground: &Ground, account: Arc<Account>, section: &config::Account) -> Self {
        let stop = ground.stop.child_token();
        if !section.refresh_every.is_zero() {
            let jitter = section.refresh_jitter.as_secs_f64() / section.refresh_every.as_secs_f64();
            let fresh = Arc::clone(&account).keep_fresh(*section.refresh_every, jitter.clamp(0.0, 1.0), stop.clone());
            ground.tasks.spawn(fresh);
        }
        Self { account, stop }
    }

    /// It is not kept fresh any more; calls under way go on.
    pub(crate) fn let_go(self) {
        self.stop.cancel();
    }
}

/// Names the work of channels that left the configuration: it is kept, and not sent.
pub(crate) async fn report_left_over(store: &dyn Store, config: &Config, broken: &BTreeMap<String, Mistakes>) {
    match store.channels_with_work().await {
        Ok(channels) => {
            for (channel, work) in channels {
                let known = config.channels.contains_key(channel.as_str()) || broken.contains_key(channel.as_str());
                if !known {
                    tracing::warn!(%channel, work, "the channel left the configuration; its work is kept and not done");
                }
            }
        }
        Err(error) => tracing::warn!(%error, "the store cannot say which channels have work"),
    }
}
