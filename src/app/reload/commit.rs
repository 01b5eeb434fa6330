//! Puts a plan into effect. Nothing here can fail: what a platform says to a channel that starts is that channel's state.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::app::health::LiveParts;
use crate::app::live::{Live, LiveAccount, report_left_over};
use crate::app::reload::Inner;
use crate::app::reload::plan::Plan;
use crate::app::routes::server_routes;
use crate::app::units::Unit;
use crate::model::ChannelId;
use crate::pipeline::shared::Channels;

impl Inner {
    pub(super) async fn commit(&self, live: &mut Live, mut plan: Plan) {
        let left = !plan.gone.is_empty();
        live.config = std::mem::take(&mut plan.config);
        live.broken = std::mem::take(&mut plan.broken);
        (live.text, live.secret_files) = (plan.text.take(), std::mem::take(&mut plan.secret_files));
        self.commit_accounts(live, &mut plan);
        self.commit_texts(live, &mut plan);
        for id in &plan.doors {
            self.let_in(live, id);
        }
        self.commit_channels(live, plan).await;
        if left {
            report_left_over(&*self.ground.store, &live.config, &live.broken).await;
        }
    }

    /// Keys and accounts are swapped in what runs. Bots that are new are there before the channels that want them.
    fn commit_accounts(&self, live: &mut Live, plan: &mut Plan) {
        let ground = &self.ground;
        live.unusable = std::mem::take(&mut plan.unusable);
        live.broken_bots = std::mem::take(&mut plan.broken_bots);
        for name in &plan.accounts_gone {
            if let Some(account) = live.accounts.remove(name) {
                account.let_go();
            }
        }
        let retimed = plan.retimed.iter().filter_map(|name| {
            let account = Arc::clone(&live.accounts.get(name)?.account);
            Some((name.clone(), account))
        });
        for (name, account) in std::mem::take(&mut plan.accounts).into_iter().chain(retimed.collect::<Vec<_>>()) {
            if let Some(section) = live.config.accounts.get(&name) {
                let kept = LiveAccount::keep(ground, account, section);
                if let Some(before) = live.accounts.insert(name, kept) {
                    before.let_go();
                }
            }
        }
        let bots = std::mem::take(&mut plan.bots);
        for (account, token) in plan.tokens.drain(..) {
            account.configure(token);
            let theirs = bots.values().filter(|bot| Arc::ptr_eq(bot.client().account(), &account));
            theirs.for_each(|bot| bot.try_again());
        }
        for (bot, client) in plan.relinks.drain(..) {
            bot.relink(client);
        }
        for bot in bots.values() {
            if !live.watched.contains_key(&bot.name) {
                live.watch_over(ground, bot);
            }
        }
        live.watched.retain(|name, stop| {
            let stays = bots.contains_key(name);
            if !stays {
                stop.cancel();
            }
            stays
        });
        ground.bots.replace(bots);
    }

    fn commit_texts(&self, live: &Live, plan: &mut Plan) {
        let Some(texts) = plan.texts.take() else { return };
        self.ground.texts.replace(texts);
        // What a channel has registered with its platform has texts in it, and so has what is said to those outside.
        for (id, unit) in &live.units {
            self.let_in(live, id);
            unit.maintain_again();
        }
    }

    fn let_in(&self, live: &Live, id: &ChannelId) {
        let section = live.config.channels.get(id.as_str());
        let (Some(unit), Some(section)) = (live.units.get(id), section) else { return };
        let has_servers = self.app.registration(&section.kind).is_some_and(|kind| kind.kind.has_servers());
        unit.let_in(&live.config, section, has_servers);
    }

    /// The new channels send and serve from one moment on; they listen once their predecessors have let go of their leases.
    async fn commit_channels(&self, live: &mut Live, plan: Plan) {
        let Plan { fresh, gone, routes, .. } = plan;
        let changed: Vec<ChannelId> = fresh.keys().chain(&gone).cloned().collect();
        let rates = |live: &Live, id: &ChannelId| {
            live.units
                .get(id)
                .and_then(|unit| unit.entry.as_ref())
                .map(|entry| entry.channel.capabilities().rates.clone())
        };
        let before: Vec<_> = changed.iter().map(|id| rates(live, id)).collect();
        let mut old: Vec<Unit> = gone.iter().filter_map(|id| live.units.remove(id)).collect();
        for (id, unit) in fresh {
            live.generations.insert(id.clone(), unit.generation);
            old.extend(live.units.insert(id, unit));
        }
        let units = live.units.iter();
        let channels: Channels = units.filter_map(|(id, unit)| Some((id.clone(), unit.entry.clone()?))).collect();
        self.shared.channels.store(Arc::new(channels));
        if let Some(routes) = routes {
            self.mounted.replace(server_routes(&live.config, routes, &self.vitals, &self.metrics));
        }
        self.vitals.parts.store(Arc::new(LiveParts {
            channels: live
                .units
                .iter()
                .map(|(id, unit)| (id.clone(), unit.generation, unit.reporter.clone()))
                .collect(),
            broken_bots: live.broken_bots.clone(),
        }));
        // Only now: what is read again from the store finds the new channels, or none.
        for (id, before) in changed.iter().zip(before) {
            self.ground.deliver.reconfigured(id, before != rates(live, id));
            self.ground.wake.reconfigured(id.clone());
        }
        // New requests come to the new routes by now: those that wait in the old ones are told where their answers will be.
        join_all(old.iter().map(Unit::stop)).await;
        drop(old);
        for id in &changed {
            if let Some(unit) = live.units.get_mut(id) {
                unit.start(&self.ground.store, &self.ground.tasks, self.ground.grace);
            }
        }
    }
}
