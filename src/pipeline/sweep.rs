//! Forgets what is past its retention, and keeps the gauges.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::contract::store::{Gauges, Retention, Swept};
use crate::pipeline::shared::Shared;

/// How often the store is swept.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// How often the gauges are read.
pub const GAUGES_EVERY: Duration = Duration::from_secs(15);

/// Sweeps now and every hour, until `stop`.
pub async fn run(shared: Arc<Shared>, retention: Retention, stop: CancellationToken) {
    let mut next_sweep = Instant::now() + Duration::from_secs(30);
    loop {
        match shared.store.gauges().await {
            Ok(gauges) => {
                shared.store_beat.beat();
                report(&gauges);
            }
            Err(error) => tracing::warn!(%error, "the gauges cannot be read"),
        }
        if Instant::now() >= next_sweep {
            next_sweep = Instant::now() + SWEEP_EVERY;
            match shared.store.sweep(retention).await {
                Ok(swept) if swept == Swept::default() => {}
                Ok(swept) => {
                    let Swept { bodies, keys, media, files } = swept;
                    tracing::info!(bodies, keys, media, files, "forgotten: past its retention");
                }
                Err(error) => tracing::warn!(%error, "the store cannot be swept; trying again in an hour"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(GAUGES_EVERY) => {}
        }
    }
}

/// Sets the gauges of the store.
#[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers")]
pub fn report(gauges: &Gauges) {
    let seconds = |age: Option<Duration>| age.map_or(0.0, |age| age.as_secs_f64());
    metrics::gauge!("bridge_turns", "state" => "pending").set(gauges.turns_pending as f64);
    metrics::gauge!("bridge_turns", "state" => "claimed").set(gauges.turns_claimed as f64);
    metrics::gauge!("bridge_turns", "state" => "dead").set(gauges.turns_dead as f64);
    metrics::gauge!("bridge_turns_oldest_seconds").set(seconds(gauges.oldest_turn));
    metrics::gauge!("bridge_outbox_rows", "state" => "queued").set(gauges.rows_queued as f64);
    metrics::gauge!("bridge_outbox_rows", "state" => "dead").set(gauges.rows_dead as f64);
    metrics::gauge!("bridge_outbox_oldest_seconds").set(seconds(gauges.oldest_row));
    metrics::gauge!("bridge_media_bytes").set(gauges.media_bytes as f64);
    metrics::gauge!("bridge_store_bytes").set(gauges.store_bytes as f64);
}
