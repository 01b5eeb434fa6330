//! The routes of everything that is served: the channels', health, metrics.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::{Extension, Router};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::app::health::Vitals;
use crate::app::units::Unit;
use crate::config::Config;
use crate::contract::channel::Routes;
use crate::http;
use crate::http::body::MaxBody;
use crate::model::ChannelId;
use crate::web::{self, HealthSource};

/// Mounts the channels' routes. Two channels under one prefix would hide each other: the later one does not run.
pub(crate) fn mount_or_refuse(units: &mut [Unit], config: &Config) -> Router {
    let (router, clashes) = mount(units.iter(), config);
    for (id, why) in clashes {
        units.iter_mut().filter(|unit| unit.id == id).for_each(|unit| unit.refuse(why.clone()));
    }
    router
}

/// The channels' routes, and which channels are not among them because another one has their prefix.
pub(crate) fn mount<'a>(units: impl Iterator<Item = &'a Unit>, config: &Config) -> (Router, Vec<(ChannelId, String)>) {
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    let (mut router, mut clashes) = (Router::new(), Vec::new());
    for unit in units {
        let Some(Routes { prefix, router: theirs }) = &unit.routes else { continue };
        if !taken.insert(prefix) {
            let prefix = if prefix.is_empty() { "/" } else { prefix };
            let why = format!("another channel is mounted at {prefix}; give this one a `path` of its own");
            clashes.push((unit.id.clone(), why));
            continue;
        }
        router = if prefix.is_empty() { router.merge(theirs.clone()) } else { router.nest(prefix, theirs.clone()) };
    }
    let max_body = usize::try_from(config.server.max_body.get()).unwrap_or(usize::MAX);
    (router.layer(DefaultBodyLimit::max(max_body)).layer(Extension(MaxBody(max_body))), clashes)
}

pub(crate) fn server_routes(
    config: &Config,
    channels: Router,
    vitals: &Arc<Vitals>,
    metrics: &PrometheusHandle,
) -> Router {
    let mut router = channels;
    if config.server.health {
        router = router.merge(web::health::routes(Arc::clone(vitals) as Arc<dyn HealthSource>));
    }
    if config.server.metrics {
        router = router.merge(web::metrics::routes(metrics.clone()));
    }
    http::problem::with_fallbacks(router)
}
