//! Carries one row to its end: claimed on disk, called, judged, committed; again as long as the judgement says so.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use crate::contract::channel::SendError;
use crate::contract::store::{OutboxRow, SendResult, StoreError};
use crate::model::Lang;
use crate::pipeline::admit::Admitted;
use crate::pipeline::judge::{judge, rest_notice, tell};
use crate::pipeline::lanes::LaneKey;
use crate::pipeline::panics;
use crate::pipeline::queue::{Claimed, Deliver};
use crate::pipeline::shared::{ChannelEntry, Rules, Shared};
use crate::pipeline::slots::Slot;

/// A single call that takes longer than this is counted as ambiguous. Channels have shorter timeouts of their own.
const SEND_TIMEOUT: Duration = Duration::from_secs(120);

/// How a row left its worker.
pub(super) enum Carried {
    /// It has ended, or is no longer ours; with the next row if its claim rode along.
    Ended { next: Option<Claimed> },
    /// The store has an earlier row of the target.
    Blocked(OutboxRow),
}

impl Carried {
    const ENDED: Self = Self::Ended { next: None };
}

impl Deliver {
    /// Sends one row until it has ended. With a `slot` it is claimed already.
    pub(super) async fn carry(
        &self,
        shared: &Shared,
        entry: &ChannelEntry,
        key: &LaneKey,
        mut row: OutboxRow,
        mut slot: Option<Slot>,
    ) -> Carried {
        let mut due = Instant::now() + row.due_in;
        let mut first_sent = row.first_sent_ago.and_then(|ago| Instant::now().checked_sub(ago));
        loop {
            let mut slot = match slot.take() {
                Some(slot) => slot,
                None => {
                    let slot = match self.admit(entry, key, &row, due).await {
                        Admitted::Go(slot) => slot,
                        Admitted::Stopping => return Carried::ENDED,
                        Admitted::Outdated => {
                            // The reading may have passed it by meanwhile, because it was in hand.
                            self.state().lanes.let_go(key);
                            self.fall_behind(row.seq - 1);
                            return Carried::ENDED;
                        }
                    };
                    match self.patiently(|| shared.store.claim_send(row.seq, shared.claim)).await {
                        None => return Carried::ENDED,
                        Some(true) => slot,
                        Some(false) => {
                            drop(slot);
                            return self.not_claimed(shared, row).await;
                        }
                    }
                }
            };
            row.first_sent_ago = first_sent.map(|at| at.elapsed());
            first_sent.get_or_insert_with(Instant::now);
            let result = self.call(shared, entry, &row, &mut slot).await;
            tell(&row, &result);
            let next = match &result {
                SendResult::Sent { .. } | SendResult::Dead { .. } => self.peek(entry, key, &mut slot),
                _ => None,
            };
            let finish = || shared.store.finish_send(row.seq, shared.claim, result.clone(), next);
            let Some(finished) = self.patiently(finish).await else { return Carried::ENDED };
            match result {
                SendResult::Sent { .. } | SendResult::Dead { .. } => {
                    let Some(seq) = next.filter(|_| finished.next_claimed) else { return Carried::ENDED };
                    let next = self.state().lanes.pop_if(key, seq);
                    if next.is_none() {
                        // Its target has moved meanwhile, and memory has forgotten the row: claimed, it would be passed by.
                        self.hand_back(shared, seq).await;
                        self.fall_behind(seq - 1);
                    }
                    return Carried::Ended { next: next.map(|row| Claimed { row, slot }) };
                }
                SendResult::Plain => {
                    row.payload = row.plain.take().unwrap_or_default();
                    due = Instant::now();
                }
                SendResult::Wait { delay, .. } => due = Instant::now() + delay,
                SendResult::Retry { delay, spent, in_doubt, .. } => {
                    row.attempts += 1;
                    row.spent += spent;
                    row.in_doubt |= in_doubt;
                    due = Instant::now() + delay;
                }
                SendResult::GiveUp { .. } => {
                    let mut state = self.state();
                    state.lanes.forget(key, |queued| queued.action == row.action);
                    if let Some(notice) = finished.notice {
                        state.lanes.put_back(key, notice);
                    }
                    return Carried::ENDED;
                }
                SendResult::TargetGone { .. } | SendResult::Migrated { .. } => {
                    for contact in finished.moved {
                        shared.contacts.put(contact).await;
                    }
                    // Rows that were committed since, and those that moved, are read from the store.
                    {
                        let mut state = self.state();
                        state.lanes.forget(key, |_| true);
                        state.lanes.let_go(key);
                    }
                    self.fall_behind(row.seq - 1);
                    return Carried::ENDED;
                }
            }
        }
    }

    /// A claim was refused: the row has ended meanwhile (its time has passed, an operator dropped it), or an earlier one is
    /// open.
    async fn not_claimed(&self, shared: &Shared, row: OutboxRow) -> Carried {
        let Some(open) = self.patiently(|| shared.store.sendable(row.seq - 1, 1)).await else { return Carried::ENDED };
        if open.first().is_some_and(|open| open.seq == row.seq) {
            return Carried::Blocked(row);
        }
        tracing::info!(row = row.seq, channel = %row.channel, "not sent: its time has passed, or it was dropped");
        metrics::counter!("bridge_sends_total", "channel" => row.channel.as_str().to_owned(), "result" => "expired")
            .increment(1);
        Carried::ENDED
    }

    /// Gives a claimed row back that was not sent, so that nobody takes it for an open send.
    pub(super) async fn hand_back(&self, shared: &Shared, seq: i64) {
        let error = "it was claimed and not sent".to_owned();
        let unsent = SendResult::Wait { delay: Duration::ZERO, error };
        self.patiently(|| shared.store.finish_send(seq, shared.claim, unsent.clone(), None)).await;
    }

    /// Repeats a change of the store until it is made; `None` when the row is no longer ours.
    async fn patiently<T, F>(&self, mut change: impl FnMut() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut tries = 0;
        loop {
            match change().await {
                Ok(done) => return Some(done),
                Err(StoreError::Unavailable(error)) if !self.0.stop.is_cancelled() => {
                    tracing::error!(error, "a delivery cannot be stored; trying again");
                    tokio::time::sleep(Rules::STORE_BACKOFF.delay(tries, 1.0)).await;
                    tries += 1;
                }
                Err(error) => {
                    if !matches!(error, StoreError::LeaseLost) {
                        tracing::error!(%error, "a delivery cannot be stored");
                    }
                    return None;
                }
            }
        }
    }

    async fn call(&self, shared: &Shared, entry: &ChannelEntry, row: &OutboxRow, slot: &mut Slot) -> SendResult {
        if row.in_doubt && !may_send_again(shared, entry, row) {
            let error = "an earlier send may have arrived, and `pipeline.ambiguous_send` is `drop`".to_owned();
            return SendResult::Dead { reason: "in_doubt", error };
        }
        let began = Instant::now();
        let sending = AssertUnwindSafe(entry.channel.send(row)).catch_unwind();
        slot.call_begins();
        let sent = tokio::time::timeout(SEND_TIMEOUT, sending).await;
        slot.call_ended();
        let took = began.elapsed();
        metrics::histogram!("bridge_turn_delivery_seconds").record(took);
        let error = match sent {
            Ok(Ok(Ok(receipt))) => {
                for (scope, pause) in receipt.pauses {
                    self.pause(row, scope, pause);
                }
                return SendResult::Sent { ids: receipt.ids };
            }
            Ok(Ok(Err(error))) => error,
            Ok(Err(panic)) if panics::is_the_end(&*panic) => std::future::pending().await,
            Ok(Err(_)) => {
                return SendResult::Dead { reason: "poisoned", error: "the call made its channel panic".to_owned() };
            }
            Err(_) => SendError::Ambiguous(format!("no answer within {SEND_TIMEOUT:?}")),
        };
        let lang = lang_of(shared, entry, row, &error).await;
        let judged = judge(row, error, &shared.rules, took, fastrand::f64(), || rest_notice(shared, entry, row, lang));
        // What a channel hears that was built anew meanwhile (its old token is refused) must not hold up its successor.
        let is_current = shared.channel(&row.channel).is_some_and(|now| now.generation == entry.generation);
        if let Some((scope, pause)) = judged.pause.filter(|_| is_current) {
            self.pause(row, scope, pause);
        }
        judged.result
    }

    fn pause(&self, row: &OutboxRow, scope: String, pause: Duration) {
        self.state().pauses.set(&row.channel, scope, pause, Instant::now());
    }

    /// The next row of the lane, if it could be sent at once; then the slot has its places.
    fn peek(&self, entry: &ChannelEntry, key: &LaneKey, slot: &mut Slot) -> Option<i64> {
        // What the row before it did not use is free, for this one too.
        slot.held = None;
        let state = self.state();
        let next = state.lanes.peek(key)?;
        let paused = state.pauses.until(&next.channel, &next.scopes, Instant::now()).is_some();
        if !next.due_in.is_zero() || paused || self.0.stop.is_cancelled() {
            return None;
        }
        slot.held = self.0.paces.try_hold(&key.0, &entry.channel.capabilities().rates, &next.scopes, next.lane)?;
        Some(next.seq)
    }
}

/// Whether a call that may have arrived is made again, by what the platform and the operator say.
fn may_send_again(shared: &Shared, entry: &ChannelEntry, row: &OutboxRow) -> bool {
    let dedupes = entry.channel.capabilities().dedupes_sends.as_ref();
    let deduped = dedupes.is_some_and(|known| known.knows(&row.target.address, row.first_sent_ago));
    let (again, result) = match (deduped, shared.rules.resend_in_doubt) {
        (true, _) => (true, "deduped"),
        (false, true) => (true, "resent"),
        (false, false) => (false, "dropped"),
    };
    metrics::counter!("bridge_sends_in_doubt_total", "channel" => row.channel.as_str().to_owned(), "result" => result)
        .increment(1);
    again
}

/// The language of whoever the row answers; looked up only for an error that may need a notice.
async fn lang_of(shared: &Shared, entry: &ChannelEntry, row: &OutboxRow, error: &SendError) -> Lang {
    let needed = matches!(error, SendError::Rejected { .. } | SendError::Downgrade { .. }) && row.plain.is_none();
    let Some(turn) = row.turn.filter(|_| needed) else { return entry.lang };
    let Ok(Some(view)) = shared.store.view(turn).await else { return entry.lang };
    shared.contacts.get(view.contact).await.map_or(entry.lang, |contact| shared.lang(&contact, entry))
}
