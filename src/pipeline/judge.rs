//! What the end of a platform call means for its row.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::contract::channel::SendError;
use crate::contract::store::{OutboxRow, SendResult};
use crate::model::Lang;
use crate::model::outbound::{OutboundAction, Rendered};
use crate::model::texts::Text;
use crate::model::turn::Reason;
use crate::pipeline::lanes::Pauses;
use crate::pipeline::retry::{Backoff, Next};
use crate::pipeline::shared::{ChannelEntry, Rules, Shared};

/// The judgement of a failed call.
pub(crate) struct Judged {
    pub(crate) result: SendResult,
    /// A rate scope to be left alone for a while.
    pub(crate) pause: Option<(String, Duration)>,
}

/// How long a channel waits whose credentials the platform refuses.
const REFUSED_CREDENTIALS: Backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(60) };

/// Marks the row of a notice about an undeliverable rest, so that its own rejection makes no further notice.
const NOTICE_SCOPE: &str = "bridge:notice";

/// Pure but for `rest_notice`, which is asked only when the rest of an answer is given up. `unit`: a random number in
/// `0.0..1.0`.
pub(crate) fn judge(
    row: &OutboxRow,
    error: SendError,
    rules: &Rules,
    took: Duration,
    unit: f64,
    rest_notice: impl FnOnce() -> Option<Rendered>,
) -> Judged {
    let text = error.to_string();
    let retry = |in_doubt: bool| match rules.delivery_patience.next(row.attempts, row.spent, took, None, unit) {
        Next::Again { delay, spent } => SendResult::Retry { delay, spent, in_doubt, error: text.clone() },
        Next::GiveUp => SendResult::Dead { reason: "gave_up", error: text.clone() },
    };
    let mut pause = None;
    let result = match error {
        SendError::RateLimited { scope, retry_after } => {
            // A pace of the platform's own is no failure of the row.
            pause = Some((scope, retry_after));
            SendResult::Wait { delay: retry_after, error: text }
        }
        SendError::Transient(_) => retry(false),
        SendError::Ambiguous(_) => retry(true),
        SendError::Downgrade { .. } | SendError::Rejected { .. } if row.plain.is_some() => SendResult::Plain,
        SendError::Downgrade { .. } | SendError::Rejected { .. } => {
            // Nothing can be said about a notice that is refused as well: the operator is left with it.
            if row.scopes.iter().any(|scope| scope == NOTICE_SCOPE) {
                SendResult::Dead { reason: "rejected", error: text }
            } else {
                SendResult::GiveUp { reason: "rejected", error: text, notice: rest_notice() }
            }
        }
        SendError::AddressRefused { .. } => match &row.target.fallback {
            Some(fallback) if *fallback != row.target.address => {
                let mut to = row.target.clone();
                to.address = Arc::clone(fallback);
                to.fallback = None;
                to.expires_at = None;
                SendResult::Migrated { to }
            }
            _ => SendResult::Dead { reason: "address_refused", error: text },
        },
        SendError::TargetGone { reason } => SendResult::TargetGone { error: reason },
        SendError::Migrated { to } => SendResult::Migrated { to },
        SendError::Unauthorized { .. } => {
            // No call of the channel would fare better. Counted, because the wait grows; patience is not used up.
            let delay = REFUSED_CREDENTIALS.delay(row.attempts, 1.0);
            pause = Some((Pauses::CHANNEL.to_owned(), delay));
            SendResult::Retry { delay, spent: Duration::ZERO, in_doubt: false, error: text }
        }
    };
    Judged { result, pause }
}

/// The notice that the rest of an answer could not be delivered.
pub(crate) fn rest_notice(shared: &Shared, entry: &ChannelEntry, row: &OutboxRow, lang: Lang) -> Option<Rendered> {
    let action = OutboundAction::notice(shared.text(lang, Text::RestUndeliverable), None);
    let calls = catch_unwind(AssertUnwindSafe(|| entry.channel.render(&action, &row.target)));
    let mut notice = calls.ok()?.into_iter().next()?;
    notice.scopes.push(NOTICE_SCOPE.to_owned());
    Some(notice)
}

/// Counts and logs the end of a call.
pub(crate) fn tell(row: &OutboxRow, result: &SendResult) {
    let channel = row.channel.as_str();
    let turn = row.turn.map(|turn| turn.to_string()).unwrap_or_default();
    let what = match result {
        SendResult::Sent { .. } => {
            tracing::debug!(turn, row = row.seq, channel, "sent");
            "sent"
        }
        SendResult::Retry { delay, error, .. } | SendResult::Wait { delay, error } => {
            tracing::info!(turn, row = row.seq, channel, error, ms = delay.as_millis(), "not sent yet");
            "retry"
        }
        SendResult::Plain => {
            tracing::info!(turn, row = row.seq, channel, "the markup was rejected; sending plain text");
            "plain"
        }
        SendResult::GiveUp { reason, error, .. } | SendResult::Dead { reason, error } => {
            tracing::warn!(turn, row = row.seq, channel, reason, error, "not sent");
            reason
        }
        SendResult::TargetGone { error } => {
            tracing::warn!(turn, row = row.seq, channel, error, "nothing more is sent to this target");
            Reason::TargetGone.as_str()
        }
        SendResult::Migrated { .. } => {
            tracing::info!(turn, row = row.seq, channel, "the target goes on elsewhere");
            "migrated"
        }
    };
    metrics::counter!("bridge_sends_total", "channel" => channel.to_owned(), "result" => what).increment(1);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{NOTICE_SCOPE, judge};
    use crate::contract::channel::SendError;
    use crate::contract::store::{OutboxRow, SendResult};
    use crate::model::outbound::{Lane, Rendered, Target};
    use crate::pipeline::images::ImageLimits;
    use crate::pipeline::lanes::Pauses;
    use crate::pipeline::retry::{Backoff, Patience};
    use crate::pipeline::shared::Rules;

    fn rules() -> Rules {
        let backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(60) };
        let patience = Patience { backoff, give_up_after: Duration::from_secs(600) };
        Rules {
            max_in_flight: 1,
            window: 1,
            patience,
            recovery_window: Duration::ZERO,
            max_age: Duration::ZERO,
            images: ImageLimits::default(),
            send_concurrency: 1,
            resend_in_doubt: true,
            delivery_patience: patience,
            poll: Duration::ZERO,
        }
    }

    fn row(plain: Option<&str>) -> OutboxRow {
        OutboxRow {
            seq: 1,
            turn: None,
            action: 1,
            part: 0,
            parts: 1,
            channel: "page".into(),
            target: Target::of("chat"),
            lane: Lane::Reply,
            payload: "<b>hi".into(),
            plain: plain.map(str::to_owned),
            scopes: Vec::new(),
            attempts: 0,
            spent: Duration::ZERO,
            due_in: Duration::ZERO,
            in_doubt: false,
            first_sent_ago: None,
        }
    }

    fn result(row: &OutboxRow, error: SendError) -> SendResult {
        judge(row, error, &rules(), Duration::ZERO, 1.0, || Some(Rendered::default())).result
    }

    fn rejected() -> SendError {
        SendError::Rejected { reason: "no".into() }
    }

    #[test]
    fn a_rejected_call_falls_back_to_plain_then_ends_with_one_notice() {
        assert!(matches!(result(&row(Some("hi")), rejected()), SendResult::Plain));
        assert!(matches!(result(&row(None), rejected()), SendResult::GiveUp { notice: Some(_), .. }));
        let mut notice = row(None);
        notice.scopes.push(NOTICE_SCOPE.to_owned());
        assert!(matches!(result(&notice, rejected()), SendResult::Dead { .. }));
    }

    #[test]
    fn a_rate_limit_pauses_its_scope_and_uses_up_no_patience() {
        let retry_after = Duration::from_secs(7);
        let error = SendError::RateLimited { scope: "chat".into(), retry_after };
        let judged = judge(&row(None), error, &rules(), Duration::ZERO, 1.0, || None);
        assert_eq!(judged.pause, Some(("chat".to_owned(), retry_after)));
        assert!(matches!(judged.result, SendResult::Wait { delay, .. } if delay == retry_after));
    }

    #[test]
    fn refused_credentials_pause_the_whole_channel_longer_each_time_and_bury_nothing() {
        let judged = |attempts| {
            let mut row = row(None);
            (row.attempts, row.spent) = (attempts, Duration::from_secs(100_000));
            judge(&row, SendError::Unauthorized { reason: "no".into() }, &rules(), Duration::ZERO, 1.0, || None)
        };
        let pause = |seconds| Some((Pauses::CHANNEL.to_owned(), Duration::from_secs(seconds)));
        assert_eq!((judged(0).pause, judged(3).pause, judged(99).pause), (pause(1), pause(8), pause(60)));
        assert!(matches!(judged(99).result, SendResult::Retry { spent: Duration::ZERO, .. }));
    }

    #[test]
    fn only_an_ambiguous_call_leaves_doubt_and_patience_ends() {
        assert!(matches!(
            result(&row(None), SendError::Ambiguous("?".into())),
            SendResult::Retry { in_doubt: true, .. }
        ));
        assert!(matches!(
            result(&row(None), SendError::Transient("?".into())),
            SendResult::Retry { in_doubt: false, .. }
        ));
        let mut tired = row(None);
        tired.spent = Duration::from_secs(600);
        assert!(matches!(result(&tired, SendError::Transient("?".into())), SendResult::Dead { .. }));
    }

    #[test]
    fn a_target_that_is_gone_keeps_the_words_of_the_platform() {
        let gone = SendError::TargetGone { reason: "no permission to write here (50013)".into() };
        let SendResult::TargetGone { error } = result(&row(Some("hi")), gone) else { panic!("not gone") };
        assert_eq!(error, "no permission to write here (50013)");
    }

    #[test]
    fn a_refused_address_falls_back_once() {
        let refused = || SendError::AddressRefused { reason: "expired".into() };
        let mut with_fallback = row(None);
        with_fallback.target.fallback = Some("dm".into());
        let SendResult::Migrated { to } = result(&with_fallback, refused()) else { panic!("no fallback") };
        assert_eq!((&*to.address, to.fallback), ("dm", None));
        assert!(matches!(result(&row(None), refused()), SendResult::Dead { .. }));
    }
}
