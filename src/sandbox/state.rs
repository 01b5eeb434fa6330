//! What the sandbox knows while it runs. No lock here is ever held across an await.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::sandbox::fault::{Fault, Script};
use crate::sandbox::history::{History, Keep};
use crate::sandbox::log::{Call, Caller, Log};
use crate::sandbox::options::{SandboxOptions, Settings};
use crate::sandbox::tokens::Tokens;

/// So many images are decoded at once: each may take 256 MiB.
const DECODERS: usize = 2;

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) struct Bot {
    pub(super) name: Arc<str>,
    pub(super) revoked: AtomicBool,
    pub(super) history: Mutex<History>,
}

/// What decides about the next call.
struct Luck {
    script: Script,
    rng: fastrand::Rng,
}

/// What is going to happen to a call.
pub(super) struct Fate {
    pub(super) fault: Option<Fault>,
    pub(super) latency: Duration,
}

pub(super) struct State {
    pub(super) options: SandboxOptions,
    pub(super) bots: HashMap<String, Arc<Bot>>,
    pub(super) tokens: Mutex<Tokens>,
    pub(super) log: Arc<Log>,
    pub(super) decoders: Semaphore,
    settings: Mutex<Settings>,
    luck: Mutex<Luck>,
    in_flight: AtomicUsize,
    peak_in_flight: AtomicUsize,
}

impl State {
    pub(super) fn new(options: SandboxOptions) -> Self {
        let bots = options.bots.iter().map(|bot| {
            let known = Bot {
                name: bot.name.as_str().into(),
                revoked: AtomicBool::new(false),
                history: Mutex::new(History::default()),
            };
            (bot.api_key.expose().to_owned(), Arc::new(known))
        });
        Self {
            bots: bots.collect(),
            tokens: Mutex::new(Tokens::new(options.access_token.clone())),
            log: Arc::new(Log::new(options.log_limit)),
            decoders: Semaphore::new(DECODERS),
            settings: Mutex::new(Settings::of(&options)),
            luck: Mutex::new(Luck { script: Script::default(), rng: fastrand::Rng::with_seed(options.seed) }),
            in_flight: AtomicUsize::new(0),
            peak_in_flight: AtomicUsize::new(0),
            options,
        }
    }

    /// Back to the start: tokens, keys, settings, script, log and conversations.
    pub(super) fn reset(&self) {
        *lock(&self.tokens) = Tokens::new(self.options.access_token.clone());
        *lock(&self.settings) = Settings::of(&self.options);
        *lock(&self.luck) = Luck { script: Script::default(), rng: fastrand::Rng::with_seed(self.options.seed) };
        for bot in self.bots.values() {
            bot.revoked.store(false, Ordering::Relaxed);
            lock(&bot.history).clear();
        }
        self.log.clear();
        self.peak_in_flight.store(self.in_flight(), Ordering::Relaxed);
    }

    pub(super) fn settings(&self) -> Settings {
        *lock(&self.settings)
    }

    pub(super) fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut lock(&self.settings));
    }

    pub(super) fn script<T>(&self, act: impl FnOnce(&mut Script) -> T) -> T {
        act(&mut lock(&self.luck).script)
    }

    pub(super) fn keep(&self) -> Keep {
        let settings = self.settings();
        Keep { history: settings.keep_history, limit: self.options.history_limit, skew_ms: settings.clock_skew_ms }
    }

    pub(super) fn fate(&self, call: Call, caller: &Caller) -> Fate {
        let settings = self.settings();
        let mut luck = lock(&self.luck);
        let mut fault = luck.script.take(call, caller);
        if fault.is_none()
            && call != Call::Refresh
            && settings.failure_rate > 0.0
            && luck.rng.f64() < settings.failure_rate
        {
            fault = Some(Fault::random(luck.rng.u8(..)));
        }
        let latency = match call {
            Call::Talk | Call::Vision if settings.latency_jitter.is_zero() => settings.latency,
            Call::Talk | Call::Vision => settings.latency + settings.latency_jitter.mul_f64(luck.rng.f64()),
            // The model is what is slow.
            Call::Refresh | Call::Uids | Call::Messages => Duration::ZERO,
        };
        Fate { fault, latency }
    }

    pub(super) fn enter(self: &Arc<Self>) -> Flight {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak_in_flight.fetch_max(now, Ordering::Relaxed);
        Flight(Arc::clone(self))
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn peak_in_flight(&self) -> usize {
        self.peak_in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn bot_by_name(&self, name: &str) -> Option<&Arc<Bot>> {
        self.bots.values().find(|bot| &*bot.name == name)
    }
}

/// A call that is in flight until this is dropped.
pub(super) struct Flight(Arc<State>);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
