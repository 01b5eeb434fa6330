//! Looks at every connection of a configuration without running it, for `check --online`.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app::units::{Parts, Unit};
use crate::app::{App, bots, rules};
use crate::caigunn::{Page, UidsFilter};
use crate::config::Loaded;
use crate::contract::channel::{ChannelState, Finding};
use crate::contract::inbox::WakeSender;
use crate::contract::store::Store;
use crate::model::Clock;
use crate::pipeline::queue::Deliver;
use crate::pipeline::speak::Speaker;
use crate::stores::sqlite::{SqliteOptions, SqliteStore};

/// One finding or more for each bot and each channel.
pub async fn probe(app: &App, loaded: &Loaded) -> Vec<Finding> {
    // A store of its own: the real one may belong to a running daemon. A token refreshed here is therefore not kept, which
    // matters only where the old one dies at a refresh; so a probe does not refresh ahead of need.
    let folder = std::env::temp_dir().join(format!("caigunn-bridge-check-{}", uuid::Uuid::new_v4().as_simple()));
    let opened = SqliteStore::open(folder.join("check.db"), SqliteOptions::default());
    let mut findings = match opened {
        Ok(store) => {
            let store: Arc<dyn Store> = store;
            let findings = probe_with(app, loaded, &store).await;
            store.close().await;
            findings
        }
        Err(error) => {
            vec![Finding::wrong(format!("the temporary store: {error}"), "is the temporary folder writable?")]
        }
    };
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        findings.push(Finding::ok(format!("warning: {} cannot be removed: {error}", folder.display())));
    }
    findings
}

async fn probe_with(app: &App, loaded: &Loaded, store: &Arc<dyn Store>) -> Vec<Finding> {
    let config = &loaded.config;
    let stop = CancellationToken::new();
    let opened = bots::open(config, store, &Arc::new(Notify::new())).await;
    let mut findings = Vec::new();
    for (name, why) in &opened.broken {
        findings.push(Finding::wrong(format!("bot {name}: {why}"), "mend its section and its account's"));
    }
    let mut bots: Vec<_> = opened.bots.0.values().collect();
    bots.sort_by(|a, b| a.name.cmp(&b.name));
    for bot in bots {
        findings.push(match bot.client.uids(Page { offset: 0, limit: 1 }, UidsFilter::default()).await {
            Ok(_) => Finding::ok(format!("bot {}: CaiGunn accepts its key and token", bot.name)),
            Err(error) => Finding::wrong(format!("bot {}: {error}", bot.name), hint(error.class)),
        });
    }
    let deliver = Deliver::new(stop.clone(), 0, 1);
    let (wake, _wakes) = WakeSender::new(1);
    let clock = Clock::system();
    let parts = Parts {
        config,
        store,
        wake: &wake,
        deliver: &deliver,
        history: opened.bots.clone(),
        speak: Arc::new(Speaker::default()),
        clock: &clock,
        texts: Arc::new(rules::texts(config)),
        stop: &stop,
    };
    for unit in app.units(&parts, loaded, &opened.broken) {
        findings.extend(of_unit(&unit).await);
    }
    findings
}

async fn of_unit(unit: &Unit) -> Vec<Finding> {
    let id = &unit.id;
    let Some(entry) = &unit.entry else {
        let why = match unit.reporter.state() {
            ChannelState::BadConfig { why } => why,
            state => state.as_str().to_owned(),
        };
        return vec![Finding::wrong(format!("channel {id}: {why}"), "mend its section")];
    };
    match entry.channel.probe().await {
        Ok(findings) => findings
            .into_iter()
            .map(|found| Finding { what: format!("channel {id}: {}", found.what), ..found })
            .collect(),
        Err(error) => {
            vec![Finding::wrong(format!("channel {id}: {error}"), "see the channel's page in the documentation")]
        }
    }
}

fn hint(class: crate::caigunn::RetryClass) -> &'static str {
    use crate::caigunn::RetryClass;
    match class {
        RetryClass::Credentials => "set a valid `bots.<name>.api_key` and `accounts.<name>.access_token`",
        RetryClass::NotProcessed | RetryClass::Ambiguous => {
            "is `accounts.<name>.base_url` right, and can this machine reach it?"
        }
        RetryClass::Final => "is `accounts.<name>.base_url` right?",
    }
}
