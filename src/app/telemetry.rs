//! Logs and metrics of the process.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::Unit;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::LogFormat;

/// Sends the log to standard error: human on a terminal, JSON elsewhere, unless the configuration says otherwise. A second
/// call is without effect.
pub fn init_logs(filter: &str, format: LogFormat) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("log.filter: {error}"))?;
    let human = match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_span_events(FmtSpan::NONE);
    // The error is "a subscriber is set already": the first one stands.
    let _ = if human {
        builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    Ok(())
}

/// Seconds: from a store commit to a model's slowest answer.
const BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// Installs the recorder of the process, once; a second call answers the same handle.
pub fn init_metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(install).clone()
}

fn install() -> PrometheusHandle {
    let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS);
    let recorder = match builder {
        Ok(builder) => builder.build_recorder(),
        // Only an empty list of buckets is refused.
        Err(_) => PrometheusBuilder::new().build_recorder(),
    };
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("another metrics recorder is installed; /metrics stays empty");
    }
    describe();
    metrics::gauge!("bridge_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    for result in ["changed", "unchanged", "refused"] {
        metrics::counter!("bridge_reloads_total", "result" => result).increment(0);
    }
    handle
}

/// An alert on what a counter has grown by misses its first step where the counter begins with it: those of a channel begin
/// with nothing.
pub(crate) fn begin_channel(channel: &str) {
    for result in ["sent", "retry", "rejected", "gave_up", "address_refused", "target_gone", "expired", "poisoned"] {
        metrics::counter!("bridge_sends_total", "channel" => channel.to_owned(), "result" => result).increment(0);
    }
}

/// The same of a bot.
pub(crate) fn begin_bot(bot: &str) {
    metrics::counter!("bridge_breaker_opened_total", "bot" => bot.to_owned()).increment(0);
}

fn describe() {
    use metrics::{describe_counter as counter, describe_gauge as gauge, describe_histogram as histogram};
    counter!("bridge_events_total", "Events that channels handed over, by channel and result.");
    counter!("bridge_turns_total", "Turns that ended, by channel, outcome and reason.");
    counter!("bridge_asks_total", "Calls of talk and vision, by bot, call and result.");
    counter!("bridge_recoveries_total", "Ambiguous asks that were looked for in the history, by result.");
    counter!("bridge_breaker_opened_total", "How often a bot's circuit breaker opened.");
    counter!("bridge_sends_total", "Platform calls, by channel and result.");
    counter!(
        "bridge_sends_in_doubt_total",
        "Platform calls repeated or dropped because an earlier one may have arrived."
    );
    counter!("bridge_notices_suppressed_total", "Notices not repeated within one outage, by reason.");
    counter!("bridge_contact_cache_total", "Look-ups of the contact cache, by result.");
    counter!(
        "bridge_discord_catch_up_total",
        "Chats whose missed messages were read after a gap, by channel and result (found, nothing, refused, failed)."
    );
    counter!("bridge_gateway_odd_frames_total", "What a gateway said and the bridge could not read, by channel.");
    counter!("bridge_reloads_total", "Reloads of the configuration, by result (changed, unchanged, refused).");
    counter!("bridge_store_commits_total", "Commits of the store.");
    counter!(
        "bridge_store_failures_total",
        "Changes that the store could not take (disk full, locked, media budget used up)."
    );
    gauge!("bridge_build_info", "Always 1; the version is in the label.");
    gauge!("bridge_turns", "Turns in the store, by state.");
    gauge!("bridge_turns_oldest_seconds", Unit::Seconds, "Age of the oldest turn that is due.");
    gauge!("bridge_turns_in_flight", "Turns being worked on.");
    gauge!("bridge_turns_in_memory", "Turns waiting in memory.");
    gauge!("bridge_outbox_rows", "Outbox rows, by state.");
    gauge!("bridge_outbox_oldest_seconds", Unit::Seconds, "Age of the oldest row that is due.");
    gauge!("bridge_media_bytes", Unit::Bytes, "Media kept by the store.");
    gauge!("bridge_store_bytes", Unit::Bytes, "Size of the store.");
    gauge!("bridge_channel_up", "Whether a channel is connected.");
    gauge!("bridge_channel_last_heard_seconds", Unit::Seconds, "Time since a channel last heard its platform.");
    gauge!("bridge_bot_up", "Whether a bot answers.");
    histogram!("bridge_turn_seconds", Unit::Seconds, "From acceptance to the committed end of a turn.");
    histogram!("bridge_turn_wait_seconds", Unit::Seconds, "From acceptance to the first work on a turn.");
    histogram!("bridge_turn_backend_seconds", Unit::Seconds, "One call of talk or vision.");
    histogram!("bridge_turn_delivery_seconds", Unit::Seconds, "One platform call.");
}

/// Keeps the histograms small until `stop`.
pub async fn upkeep(handle: PrometheusHandle, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(5)) => handle.run_upkeep(),
        }
    }
}
