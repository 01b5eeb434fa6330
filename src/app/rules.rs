//! From the configuration to the pipeline's rules.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::caigunn::ClientOptions;
use crate::config::{Account, AmbiguousSend, Config, Server};
use crate::contract::store::Retention;
use crate::http::ServerLimits;
use crate::model::Lang;
use crate::model::texts::Texts;
use crate::pipeline::Rules;
use crate::pipeline::breaker::BreakerRules;
use crate::pipeline::images::ImageLimits;
use crate::pipeline::retry::{Backoff, Patience};

/// How long a message that could not be delivered is tried again, and how far apart.
const DELIVERY: Patience = Patience {
    backoff: Backoff { min: Duration::from_secs(1), max: Duration::from_secs(300) },
    give_up_after: Duration::from_secs(24 * 60 * 60),
};

/// How often another process's work (a replica's, the command line's) is looked for.
const POLL: Duration = Duration::from_secs(1);

/// Platform calls at once, per channel.
const SENDS: usize = 64;

pub(crate) fn rules(config: &Config) -> Rules {
    let pipeline = &config.pipeline;
    let backoff = Backoff { min: *pipeline.retry.min, max: *pipeline.retry.max };
    Rules {
        max_in_flight: pipeline.max_in_flight as usize,
        window: pipeline.window as usize,
        patience: Patience { backoff, give_up_after: *pipeline.give_up_after },
        recovery_window: *pipeline.recovery_window,
        max_age: *pipeline.max_age,
        images: ImageLimits {
            max_bytes: pipeline.image.max_bytes.get(),
            max_pixels: pipeline.image.max_pixels,
            max_side: pipeline.image.max_side,
            ..ImageLimits::default()
        },
        send_concurrency: SENDS,
        resend_in_doubt: pipeline.ambiguous_send == AmbiguousSend::Resend,
        delivery_patience: DELIVERY,
        poll: POLL,
    }
}

pub(crate) fn breaker(config: &Config) -> BreakerRules {
    let breaker = &config.pipeline.breaker;
    BreakerRules { failures: breaker.failures, open_for: *breaker.open_for }
}

/// How often a paused bot's credentials are tried: more seldom than a turn, as it takes a person to mend them. 10 s to 5 min
/// by default.
pub(crate) fn try_credentials(config: &Config) -> Backoff {
    let retry = &config.pipeline.retry;
    Backoff { min: retry.min.saturating_mul(20), max: retry.max.saturating_mul(5) }
}

/// Messages per minute and burst of one contact.
pub(crate) fn user_rate(config: &Config) -> Option<(NonZeroU32, NonZeroU32)> {
    let rate = NonZeroU32::new(config.pipeline.user_rate)?;
    Some((rate, NonZeroU32::new(config.pipeline.user_burst).unwrap_or(NonZeroU32::MIN)))
}

pub(crate) fn retention(config: &Config) -> Retention {
    Retention {
        bodies: *config.store.retention,
        keys_beyond: *config.store.dedupe_retention_extra,
        orphans: Duration::from_secs(60 * 60),
    }
}

pub(crate) fn server_limits(server: &Server) -> ServerLimits {
    ServerLimits {
        header_timeout: *server.header_timeout,
        max_header_bytes: usize::try_from(server.max_header_bytes.get()).unwrap_or(usize::MAX),
        max_connections: server.max_connections as usize,
        grace: *server.grace_period,
        ..ServerLimits::default()
    }
}

pub(crate) fn client_options(account: &Account) -> ClientOptions {
    ClientOptions {
        connect_timeout: *account.connect_timeout,
        first_byte_timeout: *account.first_byte_timeout,
        total_timeout: *account.total_timeout,
        proxy: account.proxy.clone(),
        ..ClientOptions::default()
    }
}

/// The texts, with what the configuration replaces. Its keys and languages were checked when it was loaded.
pub(crate) fn texts(config: &Config) -> Texts {
    let overrides = config.texts.iter().filter_map(|(tag, texts)| Some((Lang::from_tag(tag)?, texts)));
    let flat =
        overrides.flat_map(|(lang, texts)| texts.0.iter().map(move |(key, text)| (lang, key.clone(), text.clone())));
    Texts::with_overrides(flat).0
}
