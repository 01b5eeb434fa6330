//! Builds and runs everything.
//!
//! [`App::builder`] registers the kinds of channels and loads the configuration; [`start`] opens the store, connects the
//! stages and starts a [`units`] for each channel; [`lifecycle`] ends it all in order. [`doctor`] looks at everything.

pub mod bots;
pub mod doctor;
mod duties;
pub mod health;
pub mod lifecycle;
pub mod limits;
mod live;
pub mod notify;
pub mod probe;
pub mod reload;
mod routes;
pub mod rules;
pub mod start;
pub mod telemetry;
mod tokens;
pub mod units;

pub use reload::{Reloaded, Reloader};
pub use start::{Running, StartError};

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::channels;
use crate::config::{FileText, Kind, Known, Loaded, Mistakes, Sources};
use crate::contract::Registration;
use crate::model::texts::Text;

/// The application: the kinds of channels it knows. Cheap to clone.
#[derive(Clone)]
pub struct App {
    registrations: Vec<Arc<Registration>>,
}

impl App {
    /// An application with the built-in channels.
    pub fn builder() -> Self {
        Self { registrations: channels::built_in().into_iter().map(Arc::new).collect() }
    }

    /// Adds a kind of channel; one of the same name is replaced.
    #[must_use]
    pub fn register(mut self, registration: Registration) -> Self {
        self.registrations.retain(|known| known.kind.name() != registration.kind.name());
        self.registrations.push(Arc::new(registration));
        self
    }

    /// Loads the configuration with what the kinds and texts add to it. Channels with mistakes are left out and named in
    /// [`Loaded::broken`]; a mistake anywhere else is an error.
    pub fn load(&self, sources: &Sources) -> Result<Loaded, Mistakes> {
        self.load_again(sources, None)
    }

    /// The same with the configuration's file as it was `kept`, if it was: the files of secrets alone are read anew.
    pub fn load_again(&self, sources: &Sources, kept: Option<&FileText>) -> Result<Loaded, Mistakes> {
        self.with_known(|known| {
            let mut loaded = crate::config::load_again(sources, known, kept)?;
            self.parse_own(&mut loaded);
            Ok(loaded)
        })
    }

    /// Calls `f` with what the loader has to know.
    pub fn with_known<T>(&self, f: impl FnOnce(&Known<'_>) -> T) -> T {
        let kinds: Vec<Kind> = self.registrations.iter().map(|registration| registration.kind.clone()).collect();
        let texts: Vec<&str> = Text::ALL.iter().map(|text| text.key()).collect();
        f(&Known { kinds: &kinds, texts: &texts })
    }

    fn registration(&self, kind: &str) -> Option<&Registration> {
        self.registrations.iter().map(Arc::as_ref).find(|registration| registration.kind.name() == kind)
    }

    /// Lets each kind look at its own section; what it finds wrong leaves that channel out.
    fn parse_own(&self, loaded: &mut Loaded) {
        let mut wrong = Vec::new();
        let mut listening: HashMap<(&str, String), &str> = HashMap::new();
        for (id, channel) in &loaded.config.channels {
            let Some(registration) = self.registration(&channel.kind) else { continue };
            let parsed = match (registration.parse)(&channel.own) {
                Ok(parsed) => parsed,
                Err(mistakes) => {
                    wrong.push((id.clone(), mistakes));
                    continue;
                }
            };
            let Some(own) = (registration.listens_as)(&parsed).filter(|_| channel.enabled) else { continue };
            match listening.entry((&channel.kind, own.account)) {
                Entry::Vacant(free) => drop(free.insert(id)),
                Entry::Occupied(other) => {
                    let reason = format!("{} `channels.{}`", own.taken, other.get());
                    wrong.push((id.clone(), vec![channel.own.mistake(own.key, reason).hint(own.hint.to_owned())]));
                }
            }
        }
        for (id, mistakes) in wrong {
            loaded.config.channels.remove(&id);
            loaded.broken.insert(id, Mistakes(mistakes));
        }
    }
}
