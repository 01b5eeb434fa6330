//! Changes the configuration of a running bridge: what it says now is compared with what is in force ([`diff`]), everything
//! new is built beside what runs ([`plan`]), and only when all of it can be built it takes effect ([`commit`]). [`watch`] says when.
//! The reasons are in `docs/adr/0007-reload-plans-first-then-swaps.md`.

mod commit;
mod diff;
mod plan;
mod refusal;
mod watch;

pub use watch::watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Mutex;

use crate::app::App;
use crate::app::health::Vitals;
pub use crate::app::live::Reread;
use crate::app::live::{Ground, Live};
use crate::config::{FileDigest, Loaded, Mistake, Mistakes, Sources};
use crate::http::Mounted;
use crate::pipeline::Shared;
use crate::web::ReloadHealth;

/// How a reload ended.
#[derive(Debug)]
pub enum Reloaded {
    /// What changed, a sentence each.
    Changed(Vec<String>),
    Unchanged,
    /// Nothing changed, because of these.
    Refused(Vec<Mistake>),
    /// The bridge stops: nothing was done.
    Stopping,
}

/// Reloads the configuration of a running bridge. Cheap to clone.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    app: App,
    ground: Ground,
    shared: Arc<Shared>,
    vitals: Arc<Vitals>,
    mounted: Mounted,
    metrics: PrometheusHandle,
    live: Mutex<Live>,
}

impl Reloader {
    pub(crate) fn new(
        app: App,
        ground: Ground,
        shared: Arc<Shared>,
        vitals: Arc<Vitals>,
        mounted: Mounted,
        metrics: PrometheusHandle,
        live: Live,
    ) -> Self {
        Self(Arc::new(Inner { app, ground, shared, vitals, mounted, metrics, live: Mutex::new(live) }))
    }

    /// Loads the configuration again and puts it into force. One reload at a time; it runs to its end even if the caller stops
    /// waiting.
    pub async fn reload(&self, sources: &Sources, what: Reread) -> Reloaded {
        let (inner, sources) = (Arc::clone(&self.0), sources.clone());
        let reloading = self.0.ground.tasks.spawn(async move {
            let mut live = inner.live.lock().await;
            let kept = live.text.clone().filter(|_| what == Reread::Secrets);
            let app = inner.app.clone();
            // Another file of the usual places would be found in its stead, and every channel of the first one stopped.
            let before =
                live.text.as_ref().map(|text| text.path.clone()).filter(|path| {
                    what == Reread::Everything && sources.file.as_ref().is_none_or(|named| named == path)
                });
            // Files may lie on a slow disk. Read under the lock, so that who reads last wins.
            let loaded = tokio::task::spawn_blocking(move || {
                match before.filter(|file| matches!(file.try_exists(), Ok(false))) {
                    Some(file) => Err(Mistakes(vec![refusal::gone(&file)])),
                    None => app.load_again(&sources, kept.as_ref()),
                }
            })
            .await;
            match loaded {
                Ok(loaded) => inner.apply(&mut live, loaded, what).await,
                Err(error) => inner.refuse(&mut live, vec![refusal::internal(&error.to_string())], what),
            }
        });
        reloading.await.unwrap_or_else(|error| Reloaded::Refused(vec![refusal::internal(&error.to_string())]))
    }

    /// The files of secrets in force, and what stood there.
    pub(crate) async fn secret_files(&self) -> BTreeMap<PathBuf, Option<FileDigest>> {
        self.0.live.lock().await.secret_files.clone()
    }

    /// Tells health which files of secrets cannot be read at the moment.
    pub(crate) fn unread(&self, files: &BTreeSet<PathBuf>) {
        self.0.vitals.unread(files);
    }
}

impl Inner {
    async fn apply(&self, live: &mut Live, loaded: Result<Loaded, Mistakes>, what: Reread) -> Reloaded {
        if self.ground.stop.is_cancelled() {
            return Reloaded::Stopping;
        }
        let planned = match loaded {
            Ok(loaded) => {
                // They were said at the start, and are said again to whoever asks for a reload.
                for warning in loaded.warnings.iter().filter(|_| what == Reread::Everything) {
                    tracing::warn!("configuration: {warning}");
                }
                self.plan(live, loaded).await
            }
            Err(mistakes) => Err(mistakes.0),
        };
        let plan = match planned {
            Ok(plan) => plan,
            Err(mistakes) => return self.refuse(live, mistakes, what),
        };
        let (changes, needs_restart) = (plan.changes.clone(), plan.needs_restart.clone());
        self.commit(live, plan).await;
        for change in &changes {
            tracing::info!("reloaded: {change}");
        }
        for key in &needs_restart {
            tracing::warn!(key, "changed, but it needs a restart: the value before stays in force");
        }
        if changes.is_empty() {
            tracing::info!("reloaded: nothing has changed");
        }
        count(if changes.is_empty() { "unchanged" } else { "changed" });
        // The mistakes of the file stand until it is read again: new secrets do not mend it.
        if live.refused != Some(Reread::Everything) || what == Reread::Everything {
            live.refused = None;
            self.tell(ReloadHealth { ok: true, needs_restart, ..ReloadHealth::default() });
        }
        if changes.is_empty() { Reloaded::Unchanged } else { Reloaded::Changed(changes) }
    }

    fn refuse(&self, live: &mut Live, mistakes: Vec<Mistake>, what: Reread) -> Reloaded {
        tracing::error!("the configuration is not reloaded; what was in force goes on");
        for mistake in &mistakes {
            tracing::error!("configuration: {mistake}");
        }
        count("refused");
        if live.refused != Some(Reread::Everything) {
            live.refused = Some(what);
        }
        let needs_restart = self.vitals.reload().map(|before| before.needs_restart).unwrap_or_default();
        let mistakes_shown = mistakes.iter().map(refusal::for_strangers).collect();
        self.tell(ReloadHealth { mistakes: mistakes_shown, needs_restart, ..ReloadHealth::default() });
        Reloaded::Refused(mistakes)
    }

    fn tell(&self, how: ReloadHealth) {
        self.vitals.reloaded(ReloadHealth { at: self.ground.clock.now().to_string(), ..how });
    }
}

fn count(result: &'static str) {
    metrics::counter!("bridge_reloads_total", "result" => result).increment(1);
}
