//! Reads the health of the running parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::contract::channel::StateReporter;
use crate::model::ChannelId;
use crate::pipeline::{BotState, Shared};
use crate::web::health::{Health, HealthSource, PartHealth};

pub(crate) struct Vitals {
    pub(crate) shared: Arc<Shared>,
    pub(crate) channels: Vec<(ChannelId, StateReporter)>,
    /// Bots that could not be opened, and why.
    pub(crate) broken_bots: BTreeMap<String, String>,
    pub(crate) stop: CancellationToken,
}

impl HealthSource for Vitals {
    fn health(&self) -> Health {
        Health {
            dispatcher_age: self.shared.dispatcher_beat.age().as_secs_f64(),
            store_age: self.shared.store_beat.age().as_secs_f64(),
            stopping: self.stop.is_cancelled(),
            channels: self.channels(),
            bots: self.bots(),
        }
    }
}

impl Vitals {
    fn channels(&self) -> Vec<PartHealth> {
        self.channels.iter().map(|(id, reporter)| channel(id, reporter)).collect()
    }

    fn bots(&self) -> Vec<PartHealth> {
        let mut parts: Vec<PartHealth> = self
            .shared
            .bots
            .0
            .values()
            .map(|bot| {
                let state = bot.state();
                let detail = if let BotState::Paused { why } = &state { why.clone() } else { String::new() };
                let ok = state == BotState::Ready;
                PartHealth { name: bot.name.to_string(), state: state.as_str(), detail, last_heard: None, ok }
            })
            .chain(self.broken_bots.iter().map(|(name, why)| PartHealth {
                name: name.clone(),
                state: "bad_config",
                detail: why.clone(),
                last_heard: None,
                ok: false,
            }))
            .collect();
        parts.sort_by(|a, b| a.name.cmp(&b.name));
        parts
    }

    /// Sets the gauges of channels and bots.
    pub(crate) fn report(&self) {
        let up = |ok: bool| if ok { 1.0 } else { 0.0 };
        for part in self.channels() {
            metrics::gauge!("bridge_channel_up", "channel" => part.name.clone()).set(up(part.ok));
            if let Some(age) = part.last_heard {
                metrics::gauge!("bridge_channel_last_heard_seconds", "channel" => part.name).set(age);
            }
        }
        for part in self.bots() {
            metrics::gauge!("bridge_bot_up", "bot" => part.name).set(up(part.ok));
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
    PartHealth { name: id.to_string(), state: name, detail, last_heard, ok }
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
