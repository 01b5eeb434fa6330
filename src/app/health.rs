//! Reads the health of the running parts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::app::telemetry;
use crate::contract::channel::StateReporter;
use crate::model::ChannelId;
use crate::pipeline::{BotState, Shared};
use crate::web::health::{Health, HealthSource, PartHealth, ReloadHealth};

pub(crate) struct Vitals {
    pub(crate) shared: Arc<Shared>,
    pub(crate) parts: ArcSwap<LiveParts>,
    pub(crate) reload: Mutex<Option<ReloadHealth>>,
    /// The names of files of secrets that cannot be read at the moment.
    pub(crate) unread: Mutex<Vec<String>>,
    pub(crate) stop: CancellationToken,
}

/// What there is to report of; a reload replaces it.
#[derive(Default)]
pub(crate) struct LiveParts {
    pub(crate) channels: Vec<(ChannelId, u64, StateReporter)>,
    /// Bots that could not be opened, and why.
    pub(crate) broken_bots: BTreeMap<String, String>,
}

impl HealthSource for Vitals {
    fn health(&self) -> Health {
        Health {
            dispatcher_age: self.shared.dispatcher_beat.age().as_secs_f64(),
            store_age: self.shared.store_beat.age().as_secs_f64(),
            store_trouble: self.shared.store.trouble(),
            stopping: self.stop.is_cancelled(),
            channels: self.channels(),
            bots: self.bots(),
            reload: self.reload(),
            unread: self.unread.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

impl Vitals {
    fn channels(&self) -> Vec<PartHealth> {
        let parts = self.parts.load();
        let of = |(id, generation, reporter): &(ChannelId, u64, StateReporter)| PartHealth {
            generation: Some(*generation),
            ..channel(id, reporter)
        };
        parts.channels.iter().map(of).collect()
    }

    pub(crate) fn reload(&self) -> Option<ReloadHealth> {
        self.reload.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn reloaded(&self, how: ReloadHealth) {
        *self.reload.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
    }

    /// Their names alone: `/readyz` may be public, and shows no paths.
    pub(crate) fn unread(&self, files: &BTreeSet<PathBuf>) {
        let names = files.iter().filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned()));
        *self.unread.lock().unwrap_or_else(PoisonError::into_inner) = names.collect();
    }

    fn bots(&self) -> Vec<PartHealth> {
        let live = self.parts.load();
        let bots = self.shared.bots.all();
        let mut parts: Vec<PartHealth> = bots
            .values()
            .map(|bot| {
                let state = bot.state();
                let detail = if let BotState::Paused { why } = &state { why.clone() } else { String::new() };
                let ok = state == BotState::Ready;
                PartHealth {
                    name: bot.name.to_string(),
                    state: state.as_str(),
                    detail,
                    last_heard: None,
                    ok,
                    generation: None,
                }
            })
            .chain(live.broken_bots.iter().map(|(name, why)| PartHealth {
                name: name.clone(),
                state: "bad_config",
                detail: why.clone(),
                last_heard: None,
                ok: false,
                generation: None,
            }))
            .collect();
        parts.sort_by(|a, b| a.name.cmp(&b.name));
        parts
    }

    /// Sets the gauges of channels and bots. `known` are those of the last time.
    pub(crate) fn report(&self, known: &mut BTreeSet<(&'static str, String)>) {
        let before = std::mem::take(known);
        let up = |ok: bool| if ok { 1.0 } else { 0.0 };
        for part in self.channels() {
            if known.insert(("channel", part.name.clone())) && !before.contains(&("channel", part.name.clone())) {
                telemetry::begin_channel(&part.name);
            }
            metrics::gauge!("bridge_channel_up", "channel" => part.name.clone()).set(up(part.ok));
            if let Some(age) = part.last_heard {
                metrics::gauge!("bridge_channel_last_heard_seconds", "channel" => part.name).set(age);
            }
        }
        for part in self.bots() {
            if known.insert(("bot", part.name.clone())) && !before.contains(&("bot", part.name.clone())) {
                telemetry::begin_bot(&part.name);
            }
            metrics::gauge!("bridge_bot_up", "bot" => part.name).set(up(part.ok));
        }
        // A gauge cannot be taken back. Zero would be an alarm for what is not wanted any more; no number is none.
        for (kind, name) in before.difference(known).cloned() {
            match kind {
                "channel" => metrics::gauge!("bridge_channel_up", "channel" => name).set(f64::NAN),
                _ => metrics::gauge!("bridge_bot_up", "bot" => name).set(f64::NAN),
            }
        }
    }
}

/// One that is silent though it is connected is not ok: a connection can die without a word.
fn channel(id: &ChannelId, reporter: &StateReporter) -> PartHealth {
    let last_heard = reporter.last_heard().map(|age| age.as_secs_f64());
    let (state, stalled) = (reporter.state(), reporter.stalled());
    let (name, detail, ok) = match stalled {
        Some(silence) => ("stalled", format!("nothing heard for {} s", silence.as_secs()), false),
        None => (state.as_str(), state.detail().to_owned(), state.is_connected()),
    };
    PartHealth { name: id.to_string(), state: name, detail, last_heard, ok, generation: None }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::channel;
    use crate::contract::channel::{ChannelState, StateReporter};

    #[tokio::test]
    async fn a_silent_channel_is_not_ok_though_it_says_it_is_connected() {
        let (reporter, _state) = StateReporter::new();
        reporter.set(ChannelState::Connected);
        let part = channel(&"page".into(), &reporter);
        assert_eq!((part.state, part.ok, part.last_heard), ("connected", true, None));
        reporter.beat();
        reporter.expect_beats(Duration::from_millis(10));
        tokio::time::sleep(Duration::from_millis(30)).await;
        let part = channel(&"page".into(), &reporter);
        assert_eq!((part.state, part.ok, part.detail.as_str()), ("stalled", false, "nothing heard for 0 s"));
        assert!(part.last_heard >= Some(0.03));
        let hint = "grant it the right to read along".to_owned();
        reporter.set(ChannelState::Limited { hint: hint.clone() });
        assert_eq!(channel(&"page".into(), &reporter).state, "stalled");
        reporter.beat();
        reporter.expect_beats(Duration::from_secs(60));
        let part = channel(&"page".into(), &reporter);
        assert_eq!((part.state, part.ok, part.detail), ("limited", true, hint), "it works, and says what it lacks");
        let hint = "stop the other one".to_owned();
        reporter.set(ChannelState::Conflict { hint: hint.clone() });
        let part = channel(&"page".into(), &reporter);
        assert_eq!((part.state, part.ok, part.detail), ("conflict", false, hint));
    }
}
