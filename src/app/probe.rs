//! Looks at every connection of a configuration without running it: for `check --online`, and one by one for `init`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app::bots::Opened;
use crate::app::doctor::look::{Leg, Look};
use crate::app::units::{Parts, Unit};
use crate::app::{App, bots, rules};
use crate::caigunn::{self, Account, ClientOptions, HttpClient, KeepError, KeptToken, Page, TokenKeep, UidsFilter};
use crate::config::Loaded;
use crate::contract::channel::{ChannelState, Finding};
use crate::contract::inbox::WakeSender;
use crate::contract::store::Store;
use crate::model::texts::LiveTexts;
use crate::model::{Clock, Secret};
use crate::pipeline::queue::Deliver;
use crate::pipeline::speak::Speaker;
use crate::stores::sqlite::{SqliteOptions, SqliteStore};

/// One look or more at each bot and each channel.
pub(crate) async fn probe(app: &App, loaded: &Loaded) -> Vec<Look> {
    let scratch = match Scratch::open() {
        Ok(scratch) => scratch,
        Err(finding) => return vec![Look::found(Leg::Store, "for the time of the check", finding)],
    };
    let opened = bots::open(&loaded.config, &scratch.store, &Arc::new(Notify::new())).await;
    let mut looks = of_bots(&opened).await;
    let units = units(app, loaded, &scratch.store, &opened);
    // What is wrong with the section of a broken channel is told by its mistakes.
    for unit in units.iter().filter(|unit| !loaded.broken.contains_key(unit.id.as_str())) {
        let found = of_unit(unit).await.into_iter();
        looks.extend(found.map(|finding| Look::found(Leg::Channel, unit.id.as_str(), finding)));
    }
    if let Some(finding) = scratch.close().await {
        looks.push(Look::found(Leg::Store, "for the time of the check", finding));
    }
    looks
}

/// What the channels of a configuration find when they look at their platforms. Their bots are not called.
pub async fn channels(app: &App, loaded: &Loaded) -> Vec<Finding> {
    let scratch = match Scratch::open() {
        Ok(scratch) => scratch,
        Err(finding) => return vec![finding],
    };
    let opened = bots::open(&loaded.config, &scratch.store, &Arc::new(Notify::new())).await;
    let mut findings = Vec::new();
    for unit in units(app, loaded, &scratch.store, &opened) {
        findings.extend(of_unit(&unit).await);
    }
    findings.extend(scratch.close().await);
    findings
}

/// Asks CaiGunn, with a call that changes nothing, whether it takes a token and a key. The answer is the token to use from now
/// on, where the given one had expired and was renewed: it may be the only good one then.
///
/// # Errors
/// What the call ended with; its kind tells a refused token from a refused key.
pub async fn credentials(base_url: &str, token: Secret, key: Secret) -> Result<Option<Secret>, caigunn::Error> {
    let renewed = Arc::new(Renewed::default());
    let client = HttpClient::new(&ClientOptions::default())?;
    let account = Account::open("main", base_url, Some(token), client, Arc::clone(&renewed) as _).await?;
    let bot = caigunn::Bot::new(account, key)?;
    let asked = bot.uids(Page { offset: 0, limit: 1 }, UidsFilter::default()).await;
    let renewed = renewed.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    asked.map(|_| renewed)
}

/// Takes a renewed token for whoever asked.
#[derive(Default)]
struct Renewed(Mutex<Option<Secret>>);

#[async_trait]
impl TokenKeep for Renewed {
    async fn load(&self, _: &str) -> Result<Option<KeptToken>, KeepError> {
        Ok(None)
    }

    async fn save(&self, _: &str, token: &KeptToken) -> Result<(), KeepError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.token.clone());
        Ok(())
    }
}

/// A store of the probe's own: the real one may belong to a running daemon. A token refreshed with it is therefore not kept,
/// which matters only where the old one dies at a refresh; so a probe does not refresh ahead of need.
struct Scratch {
    folder: PathBuf,
    store: Arc<dyn Store>,
}

impl Scratch {
    fn open() -> Result<Self, Finding> {
        let folder = std::env::temp_dir().join(format!("caigunn-bridge-check-{}", uuid::Uuid::new_v4().as_simple()));
        match SqliteStore::open(folder.join("check.db"), SqliteOptions::default()) {
            Ok(store) => Ok(Self { folder, store }),
            Err(error) => Err(Finding::wrong(error.to_string(), "is the temporary folder writable?")),
        }
    }

    async fn close(self) -> Option<Finding> {
        self.store.close().await;
        let error = std::fs::remove_dir_all(&self.folder).err()?;
        let what = format!("warning: {} cannot be removed: {error}", self.folder.display());
        Some(Finding { ok: true, what, hint: Some("remove it".to_owned()) })
    }
}

/// Whoever is interrupted leaves nothing behind either.
impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn of_bots(opened: &Opened) -> Vec<Look> {
    let mut looks = Vec::new();
    for (name, why) in &opened.broken {
        let finding = Finding::wrong(why, "mend its section and its account's");
        looks.push(Look::found(Leg::Bot, name, finding));
    }
    let all = opened.bots.all();
    let mut bots: Vec<_> = all.values().collect();
    bots.sort_by(|a, b| a.name.cmp(&b.name));
    for bot in bots {
        let finding = match bot.client().uids(Page { offset: 0, limit: 1 }, UidsFilter::default()).await {
            Ok(_) => Finding::ok("CaiGunn accepts its key and token"),
            Err(error) => Finding::wrong(format!("CaiGunn: {}", error.told()), hint(error.class)),
        };
        looks.push(Look::found(Leg::Bot, bot.name.as_str(), finding));
    }
    looks
}

fn units(app: &App, loaded: &Loaded, store: &Arc<dyn Store>, opened: &Opened) -> Vec<Unit> {
    let stop = CancellationToken::new();
    let deliver = Deliver::new(stop.clone(), 0, 1);
    let (wake, _wakes) = WakeSender::new(1);
    let clock = Clock::system();
    let parts = Parts {
        config: &loaded.config,
        store,
        wake: &wake,
        deliver: &deliver,
        history: opened.bots.clone(),
        speak: Arc::new(Speaker::default()),
        clock: &clock,
        texts: &LiveTexts::new(rules::texts(&loaded.config)),
        stop: &stop,
    };
    app.units(&parts, loaded, &opened.broken)
}

async fn of_unit(unit: &Unit) -> Vec<Finding> {
    let Some(entry) = &unit.entry else {
        let why = match unit.reporter.state() {
            ChannelState::BadConfig { why } => why,
            state => state.as_str().to_owned(),
        };
        return vec![Finding::wrong(why, "mend its section")];
    };
    match entry.channel.probe().await {
        Ok(findings) => findings,
        Err(error) => {
            vec![Finding::wrong(error.to_string(), "see the channel's page in the documentation")]
        }
    }
}

fn hint(class: caigunn::RetryClass) -> &'static str {
    use crate::caigunn::RetryClass;
    match class {
        RetryClass::Credentials => "set a valid `bots.<name>.api_key` and `accounts.<name>.access_token`",
        RetryClass::NotProcessed | RetryClass::Ambiguous => {
            "is `accounts.<name>.base_url` right, and can this machine reach it?"
        }
        RetryClass::Final => "is `accounts.<name>.base_url` right?",
    }
}
