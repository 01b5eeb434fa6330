//! Opens the store, connects the stages, starts everything; stops it in order.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::health::{LiveParts, Vitals};
use crate::app::lifecycle::ProcessLease;
use crate::app::live::{Ground, Live, LiveAccount, report_left_over};
use crate::app::reload::Reloader;
use crate::app::routes::{mount_or_refuse, server_routes};
use crate::app::units::{Parts, Unit, summary};
use crate::app::{App, bots, rules, telemetry};
use crate::config::{Channel, Config, Loaded};
use crate::contract::inbox::WakeSender;
use crate::contract::store::{Store, StoreError};
use crate::http::{self, Mounted};
use crate::model::texts::LiveTexts;
use crate::model::{ChannelId, Clock};
use crate::pipeline::contacts::ContactCache;
use crate::pipeline::dispatch::Dispatcher;
use crate::pipeline::queue::Deliver;
use crate::pipeline::shared::{Beat, Channels};
use crate::pipeline::speak::Speaker;
use crate::pipeline::{Shared, sweep};
use crate::stores::sqlite::{SqliteOptions, SqliteStore};
use crate::web::health::HealthSource;

/// Contacts kept in memory.
const CACHED_CONTACTS: u64 = 10_000;

/// Wakes that may wait for the dispatcher; over it, it reads the store.
const WAKES: usize = 4_096;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error(
        "cannot listen on {addr}: {error}\nhint: is another process using the port? Set `server.listen` to another one"
    )]
    Listen { addr: SocketAddr, error: std::io::Error },
    #[error(
        "no channel is configured\nhint: add a `[channels.<id>]` section; `caigunn-bridge config example` prints one"
    )]
    NoChannel,
}

/// A running bridge.
pub struct Running {
    addr: SocketAddr,
    stop: CancellationToken,
    health: Arc<dyn HealthSource>,
    reloader: Reloader,
    done: tokio::task::JoinHandle<bool>,
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes the configuration under way.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Cancel it to stop the bridge.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// What `/healthz` and `/readyz` are answered from.
    pub fn health(&self) -> Arc<dyn HealthSource> {
        Arc::clone(&self.health)
    }

    /// Waits until everything has stopped. `false`: not because it was asked to.
    pub async fn stopped(self) -> bool {
        self.done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the bridge ended with a panic");
            false
        })
    }
}

impl App {
    /// Starts the bridge. It runs until its stop token is cancelled.
    pub async fn start(&self, loaded: &Loaded) -> Result<Running, StartError> {
        let config = &loaded.config;
        if config.channels.is_empty() && loaded.broken.is_empty() {
            return Err(StartError::NoChannel);
        }
        let metrics = telemetry::init_metrics();
        let listener = listen(*config.server.listen).await?;
        let addr = listener.local_addr().map_err(|error| StartError::Listen { addr: *config.server.listen, error })?;
        let clock = Clock::system();
        let store = open_store(config, &clock, true).await?;
        let lease = ProcessLease::take(Arc::clone(&store)).await?;
        let stop = CancellationToken::new();

        let gates = Arc::new(Notify::new());
        let opened = bots::open(config, &store, &gates).await;
        let (wake, wakes) = WakeSender::new(WAKES);
        let texts = LiveTexts::new(rules::texts(config));
        let rules = rules::rules(config);
        let deliver = Deliver::new(stop.clone(), rules.window, rules.send_concurrency);
        let shared = Arc::new(Shared {
            claim: lease.token,
            clock: clock.clone(),
            texts: texts.clone(),
            contacts: ContactCache::new(Arc::clone(&store), CACHED_CONTACTS),
            bots: Arc::clone(&opened.bots),
            channels: ArcSwap::default(),
            deliver: deliver.clone(),
            dispatcher_beat: Beat::default(),
            store_beat: Beat::default(),
            decodes: Arc::new(Semaphore::new(decoders())),
            rules,
            store: Arc::clone(&store),
        });
        deliver.attach(&shared);

        let ground = Ground {
            store: Arc::clone(&store),
            wake,
            deliver: deliver.clone(),
            bots: opened.bots,
            speak: Arc::new(Speaker::new(&shared)),
            gates: Arc::clone(&gates),
            clock,
            texts,
            tasks: TaskTracker::new(),
            grace: *config.server.grace_period,
            stop: stop.clone(),
        };
        let mut units = self.units(&ground.parts(config), loaded, &opened.broken);
        let routes = mount_or_refuse(&mut units, config);
        let channels: Channels = units.iter().filter_map(|unit| Some((unit.id.clone(), unit.entry.clone()?))).collect();
        shared.channels.store(Arc::new(channels));
        report_left_over(&*store, config, &loaded.broken).await;

        let tasks = ground.tasks.clone();
        let parts = LiveParts {
            channels: units.iter().map(|unit| (unit.id.clone(), unit.generation, unit.reporter.clone())).collect(),
            broken_bots: opened.broken.clone(),
        };
        let (parts, reload, unread) = (ArcSwap::from_pointee(parts), Mutex::default(), Mutex::default());
        let vitals = Arc::new(Vitals { shared: Arc::clone(&shared), parts, reload, unread, stop: stop.clone() });
        for unit in &mut units {
            unit.start(&store, &tasks, ground.grace);
        }
        let mut live = Live {
            config: config.clone(),
            broken: loaded.broken.clone(),
            generations: units.iter().map(|unit| (unit.id.clone(), unit.generation)).collect(),
            units: units.into_iter().map(|unit| (unit.id.clone(), unit)).collect(),
            accounts: BTreeMap::new(),
            unusable: opened.unusable,
            watched: HashMap::new(),
            broken_bots: opened.broken,
            text: loaded.text.clone(),
            secret_files: loaded.secret_files.clone(),
            refused: None,
        };
        for bot in shared.bots.all().values() {
            live.watch_over(&ground, bot);
        }
        for (name, account) in opened.accounts {
            if let Some(section) = config.accounts.get(&name) {
                live.accounts.insert(name, LiveAccount::keep(&ground, account, section));
            }
        }
        tasks.spawn(sweep::run(Arc::clone(&shared), rules::retention(config), stop.clone()));
        tasks.spawn(telemetry::upkeep(metrics.clone(), stop.clone()));
        tasks.spawn(report_vitals(Arc::clone(&vitals), stop.clone()));

        let health: Arc<dyn HealthSource> = Arc::clone(&vitals) as _;
        let mounted = Mounted::new(server_routes(config, routes, &vitals, &metrics));
        let limits = rules::server_limits(&config.server);
        let grace = *config.server.grace_period;
        let server = tokio::spawn(http::serve(listener, mounted.clone(), limits, stop.clone()));
        let dispatcher = tokio::spawn(Dispatcher::new(Arc::clone(&shared), wakes, gates, stop.clone()).run(grace));
        let delivery = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move { deliver.run(&shared, grace).await }
        });
        let done = tokio::spawn(supervise(Stages { server, dispatcher, delivery }, tasks, lease, store, stop.clone()));
        let reloader = Reloader::new(self.clone(), ground, shared, vitals, mounted, metrics, live);
        Ok(Running { addr, stop, health, reloader, done })
    }

    pub(crate) fn units(
        &self,
        parts: &Parts<'_>,
        loaded: &Loaded,
        broken_bots: &BTreeMap<String, String>,
    ) -> Vec<Unit> {
        let mut units = Vec::new();
        for (id, mistakes) in &loaded.broken {
            for mistake in &mistakes.0 {
                tracing::error!(channel = %id, "configuration: {mistake}");
            }
            units.push(Unit::broken(ChannelId::new(id.as_str()), 1, summary(&mistakes.0)));
        }
        for (id, section) in loaded.config.channels.iter().filter(|(_, section)| section.enabled) {
            units.push(self.unit(parts, id, section, broken_bots, 1));
        }
        units
    }

    /// Builds a channel; one that cannot run says why.
    pub(crate) fn unit(
        &self,
        parts: &Parts<'_>,
        id: &str,
        section: &Channel,
        broken_bots: &BTreeMap<String, String>,
        generation: u64,
    ) -> Unit {
        let broken = |why| Unit::broken(ChannelId::new(id), generation, why);
        match (self.registration(&section.kind), broken_bots.get(&section.bot)) {
            (_, Some(why)) => broken(format!("bot {}: {why}", section.bot)),
            (Some(registration), None) => Unit::build(parts, id, section, registration, generation),
            (None, None) => broken(format!("there is no kind `{}`", section.kind)),
        }
    }
}

/// Opens the store of a configuration: exclusively for the daemon, beside it for the command line.
pub async fn open_store(config: &Config, clock: &Clock, exclusive: bool) -> Result<Arc<dyn Store>, StoreError> {
    let options = SqliteOptions { exclusive, media_budget: config.store.media_budget.get(), clock: clock.clone() };
    let path = config.store.path.clone();
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&path, options)).await;
    opened.map_err(|error| StoreError::Unavailable(error.to_string()))?.map(|store| store as Arc<dyn Store>)
}

async fn listen(addr: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(addr).await.map_err(|error| StartError::Listen { addr, error })
}

fn decoders() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

async fn report_vitals(vitals: Arc<Vitals>, stop: CancellationToken) {
    let mut known = BTreeSet::new();
    loop {
        vitals.report(&mut known);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(sweep::GAUGES_EVERY) => {}
        }
    }
}

/// The parts whose end ends the bridge.
struct Stages {
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    dispatcher: tokio::task::JoinHandle<()>,
    delivery: tokio::task::JoinHandle<()>,
}

/// Waits for the stop (or the loss of the process's lease, or the end of a part that must not end), then for each part in the
/// order in which work flows. Answers whether it ended as asked.
async fn supervise(
    parts: Stages,
    tasks: TaskTracker,
    lease: ProcessLease,
    store: Arc<dyn Store>,
    stop: CancellationToken,
) -> bool {
    let Stages { server, dispatcher, delivery } = parts;
    let mut stages = JoinSet::new();
    stages.spawn(async move { ("the HTTP server", server.await.map(drop)) });
    stages.spawn(async move { ("the dispatcher", dispatcher.await) });
    stages.spawn(async move { ("delivery", delivery.await) });
    let as_asked = tokio::select! {
        () = stop.cancelled() => true,
        kept = lease.keep(stop.clone()) => kept,
        Some(Ok((stage, ended))) = stages.join_next() => {
            let as_asked = stop.is_cancelled() && ended.is_ok();
            if !as_asked {
                tracing::error!(?ended, "{stage} ended by itself; stopping");
            }
            as_asked
        }
    };
    stop.cancel();
    while let Some(ended) = stages.join_next().await {
        if let Ok((stage, Err(error))) = ended {
            tracing::error!(%error, "{stage} panicked");
        }
    }
    tasks.close();
    tasks.wait().await;
    lease.release().await;
    store.close().await;
    tracing::info!("stopped");
    as_asked
}
