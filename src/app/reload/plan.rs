//! Builds what is new beside what runs. Nothing that runs is touched: a mistake anywhere drops it all again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;

use crate::app::bots::open_account;
use crate::app::live::Live;
use crate::app::reload::{Inner, diff};
use crate::app::routes::mount;
use crate::app::rules;
use crate::app::units::Unit;
use crate::caigunn::{self, Account};
use crate::config::{Config, FileDigest, FileText, Loaded, Mistake, Mistakes, Origin};
use crate::model::texts::Texts;
use crate::model::{BotName, ChannelId, Secret};
use crate::pipeline::BotRuntime;

/// What is to be done. Empty where nothing has changed.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) config: Config,
    pub(super) broken: BTreeMap<String, Mistakes>,
    pub(super) text: Option<FileText>,
    pub(super) secret_files: BTreeMap<PathBuf, Option<FileDigest>>,
    /// Accounts that are new or opened anew, and those that are gone.
    pub(super) accounts: BTreeMap<String, Arc<Account>>,
    pub(super) accounts_gone: Vec<String>,
    pub(super) tokens: Vec<(Arc<Account>, Secret)>,
    /// Accounts that are refreshed at other times.
    pub(super) retimed: Vec<String>,
    pub(super) unusable: BTreeMap<String, String>,
    pub(super) bots: HashMap<BotName, Arc<BotRuntime>>,
    /// Bots that are there and get another key or account.
    pub(super) relinks: Vec<(Arc<BotRuntime>, caigunn::Bot)>,
    pub(super) broken_bots: BTreeMap<String, String>,
    /// Channels that are new or built anew, and those that are gone.
    pub(super) fresh: BTreeMap<ChannelId, Unit>,
    pub(super) gone: Vec<ChannelId>,
    /// Channels that let others in.
    pub(super) doors: Vec<ChannelId>,
    pub(super) texts: Option<Texts>,
    pub(super) routes: Option<Router>,
    /// A sentence each.
    pub(super) changes: Vec<String>,
    pub(super) needs_restart: Vec<String>,
}

fn mistake(key: String, reason: impl Into<String>) -> Mistake {
    Mistake::new(Origin::Nowhere, key, reason)
}

impl Inner {
    pub(super) async fn plan(&self, live: &Live, loaded: Loaded) -> Result<Plan, Vec<Mistake>> {
        let mut mistakes = news(&loaded.broken, &live.broken);
        if loaded.config.channels.is_empty() && loaded.broken.is_empty() {
            mistakes.push(mistake(String::new(), "no channel is configured"));
        }
        let needs_restart = diff::needs_restart(&live.config, &loaded.config);
        let mut plan = Plan {
            config: diff::in_force(&live.config, loaded.config),
            broken: loaded.broken,
            text: loaded.text,
            secret_files: loaded.secret_files,
            needs_restart,
            ..Plan::default()
        };
        if !diff::same_texts(&live.config, &plan.config) {
            plan.texts = Some(rules::texts(&plan.config));
            plan.changes.push("other texts".to_owned());
        }
        self.plan_accounts(live, &mut plan, &mut mistakes).await;
        self.plan_bots(live, &mut plan, &mut mistakes);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        // A channel's own code builds it.
        let built = catch_unwind(AssertUnwindSafe(|| self.plan_channels(live, &mut plan, &mut mistakes)));
        if built.is_err() {
            mistakes.push(mistake(String::new(), "a channel or its routes made the bridge panic"));
        }
        if mistakes.is_empty() { Ok(plan) } else { Err(mistakes) }
    }

    async fn plan_accounts(&self, live: &Live, plan: &mut Plan, mistakes: &mut Vec<Mistake>) {
        let (old, new) = (&live.config.accounts, &plan.config.accounts);
        for name in diff::names(old, new) {
            let key = format!("accounts.{name}");
            let Some(section) = new.get(name) else {
                plan.accounts_gone.push(name.clone());
                plan.changes.push(format!("account {name} removed"));
                continue;
            };
            let known = live.accounts.get(name);
            let differs = old.get(name).map(|before| diff::account(before, section));
            if let (Some(why), true) = (live.unusable.get(name), differs == Some(diff::AccountDiff::default())) {
                plan.unusable.insert(name.clone(), why.clone());
                continue;
            }
            match (known, differs.filter(|differs| !differs.rebuilt)) {
                (Some(known), Some(differs)) => {
                    if differs.times {
                        plan.retimed.push(name.clone());
                        plan.changes.push(format!("account {name} is refreshed at other times"));
                    }
                    if let Some(token) = section.access_token.clone().filter(|_| differs.token) {
                        match Account::check_token(&token) {
                            Ok(()) => plan.tokens.push((Arc::clone(&known.account), token)),
                            Err(error) => mistakes.push(mistake(format!("{key}.access_token"), error.to_string())),
                        }
                        plan.changes.push(format!("account {name} has another token"));
                    }
                }
                _ => match open_account(name, section, &self.ground.store).await {
                    Ok(account) => {
                        plan.accounts.insert(name.clone(), account);
                        let how = if known.is_some() { "reached another way" } else { "added" };
                        plan.changes.push(format!("account {name} {how}"));
                    }
                    Err(error) => mistakes.push(mistake(key, error.to_string())),
                },
            }
        }
    }

    fn plan_bots(&self, live: &Live, plan: &mut Plan, mistakes: &mut Vec<Mistake>) {
        let running = self.ground.bots.all();
        let (old, new) = (&live.config.bots, &plan.config.bots);
        for name in diff::names(old, new) {
            let Some(section) = new.get(name) else {
                plan.changes.push(format!("bot {name} removed"));
                continue;
            };
            let bot_name = BotName::new(name.as_str());
            let rebuilt = plan.accounts.get(&section.account);
            let account = rebuilt.or_else(|| live.accounts.get(&section.account).map(|live| &live.account));
            let Some(account) = account else {
                let why = plan.unusable.get(&section.account).map_or("its account is missing", String::as_str);
                plan.broken_bots.insert(name.clone(), format!("account {}: {why}", section.account));
                continue;
            };
            let same = rebuilt.is_none() && old.get(name).is_some_and(|before| diff::same_bot(before, section));
            let known = running.get(&bot_name);
            if let (true, None, Some(why)) = (same, known, live.broken_bots.get(name)) {
                plan.broken_bots.insert(name.clone(), why.clone());
                continue;
            }
            if let (true, Some(known)) = (same, known) {
                plan.bots.insert(bot_name, Arc::clone(known));
                continue;
            }
            match (caigunn::Bot::new(Arc::clone(account), section.api_key.clone()), known) {
                (Ok(client), Some(known)) => {
                    plan.relinks.push((Arc::clone(known), client));
                    plan.bots.insert(bot_name, Arc::clone(known));
                    plan.changes.push(format!("bot {name} has another key or account"));
                }
                (Ok(client), None) => {
                    let (breaker, gates) = (rules::breaker(&plan.config), Arc::clone(&self.ground.gates));
                    plan.bots.insert(bot_name.clone(), BotRuntime::new(bot_name, client, breaker, gates));
                    plan.changes.push(format!("bot {name} added"));
                }
                (Err(error), _) => mistakes.push(mistake(format!("bots.{name}"), error.to_string())),
            }
        }
    }

    fn plan_channels(&self, live: &Live, plan: &mut Plan, mistakes: &mut Vec<Mistake>) {
        let parts = self.ground.parts(&plan.config);
        for (id, section) in plan.config.channels.iter().filter(|(_, section)| section.enabled) {
            let channel = ChannelId::new(id.as_str());
            let before = live.config.channels.get(id);
            let runs = live.units.get(&channel).is_some_and(|unit| unit.entry.is_some());
            match before.filter(|before| runs && diff::same_channel(before, section)) {
                Some(before) if diff::same_access(before, section) => {}
                Some(_) => {
                    plan.doors.push(channel);
                    plan.changes.push(format!("access of channel {id} replaced"));
                }
                None => {
                    let generation = live.generations.get(&channel).map_or(1, |last| last + 1);
                    let unit = self.app.unit(&parts, id, section, &plan.broken_bots, generation);
                    plan.fresh.insert(channel, unit);
                }
            }
        }
        let wanted = |id: &str| {
            plan.config.channels.get(id).is_some_and(|section| section.enabled) || plan.broken.contains_key(id)
        };
        plan.gone = live.units.keys().filter(|id| !wanted(id.as_str())).cloned().collect();

        let gone: BTreeSet<&ChannelId> = plan.gone.iter().collect();
        let mut units: BTreeMap<&ChannelId, &Unit> = live.units.iter().filter(|(id, _)| !gone.contains(id)).collect();
        units.extend(plan.fresh.iter());
        let (router, clashes) = mount(units.into_values(), &plan.config);
        for (id, why) in clashes {
            match plan.fresh.get_mut(&id) {
                Some(unit) => unit.refuse(why),
                None => mistakes.push(mistake(format!("channels.{id}"), why)),
            }
        }
        // What could not run before for the same reason may stay so; anything else is news.
        plan.fresh.retain(|id, unit| {
            let Some(why) = unit.why_broken() else { return true };
            if live.units.get(id).and_then(Unit::why_broken).as_ref() != Some(&why) {
                mistakes.push(mistake(format!("channels.{id}"), why));
            }
            false
        });
        for id in plan.fresh.keys() {
            let was_there = live.units.get(id).is_some_and(|unit| unit.entry.is_some());
            plan.changes.push(format!("channel {id} {}", if was_there { "restarted" } else { "started" }));
        }
        plan.changes.extend(plan.gone.iter().map(|id| format!("channel {id} stopped")));
        if !plan.fresh.is_empty() || !plan.gone.is_empty() {
            plan.routes = Some(router);
        }
    }
}

/// The mistakes of channels, but for those that are left out already for the same ones.
fn news(broken: &BTreeMap<String, Mistakes>, before: &BTreeMap<String, Mistakes>) -> Vec<Mistake> {
    let what = |mistakes: &Mistakes| -> BTreeSet<(String, String)> {
        mistakes.0.iter().map(|mistake| (mistake.key.clone(), mistake.reason.clone())).collect()
    };
    let is_news =
        |(id, mistakes): &(&String, &Mistakes)| before.get(*id).is_none_or(|known| what(known) != what(mistakes));
    broken.iter().filter(is_news).flat_map(|(_, mistakes)| mistakes.0.clone()).collect()
}
