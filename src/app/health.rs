//! Reads the health of the running parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::contract::channel::ChannelState;
use crate::model::ChannelId;
use crate::pipeline::{BotState, Shared};
use crate::web::health::{Health, HealthSource, PartHealth};

pub(crate) struct Vitals {
    pub(crate) shared: Arc<Shared>,
    pub(crate) channels: Vec<(ChannelId, watch::Receiver<ChannelState>)>,
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
        let part = |(id, state): &(ChannelId, watch::Receiver<ChannelState>)| {
            let state = state.borrow();
            let ok = matches!(*state, ChannelState::Connected);
            PartHealth { name: id.to_string(), state: state.as_str(), detail: state.detail().to_owned(), ok }
        };
        self.channels.iter().map(part).collect()
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
                PartHealth { name: bot.name.to_string(), state: state.as_str(), detail, ok: state == BotState::Ready }
            })
            .chain(self.broken_bots.iter().map(|(name, why)| PartHealth {
                name: name.clone(),
                state: "bad_config",
                detail: why.clone(),
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
            metrics::gauge!("bridge_channel_up", "channel" => part.name).set(up(part.ok));
        }
        for part in self.bots() {
            metrics::gauge!("bridge_bot_up", "bot" => part.name).set(up(part.ok));
        }
    }
}
