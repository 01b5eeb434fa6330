//! Carries one turn through: media, asks, the end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::contract::store::{AskResult, ContactChange, FinishTurn, Finished, Said, StoreError};

use crate::model::outbound::OutboundAction;
use crate::model::texts::Text;
use crate::model::turn::{AskState, Outcome, Reason, Turn};
use crate::model::{ChannelId, Contact, ContactId, TurnId};
use crate::pipeline::ask::{AskEnd, ask_one};
use crate::pipeline::bots::BotRuntime;
use crate::pipeline::commands::{self, Done};
use crate::pipeline::fetch::{self, FetchFailure, fetch_media};
use crate::pipeline::plan::{self, Question, Step};
use crate::pipeline::queue::Reservation;
use crate::pipeline::retry::Next;
use crate::pipeline::shared::{ChannelEntry, Rules, Shared};
use crate::pipeline::typing::Typing;

/// What the dispatcher is to do with the turn.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Ended, or no longer ours: the next one of the conversation may start.
    Ended,
    /// Back to the head of its conversation, due after the delay.
    Again { turn: Box<Turn>, delay: Duration },
    /// An earlier turn is open and not in memory: look into the store, then try again.
    NotYet { turn: Box<Turn> },
}

/// What is kept of a turn while a task has it.
pub(crate) struct Head {
    pub(crate) seq: i64,
    pub(crate) id: TurnId,
    pub(crate) contact: ContactId,
    pub(crate) channel: ChannelId,
}

struct Work<'a> {
    shared: &'a Shared,
    entry: ChannelEntry,
    bot: Arc<BotRuntime>,
}

/// Works on a turn until it ends or has to wait.
pub(crate) async fn run(shared: &Shared, turn: Box<Turn>) -> Verdict {
    let Some(entry) = shared.channel(&turn.channel) else { return Verdict::Ended };
    let Some(bot) = shared.bot(&entry.bot) else { return Verdict::Ended };
    metrics::histogram!("bridge_turn_wait_seconds").record(shared.clock.now().since(turn.received_at));
    Work { shared, entry, bot }.run(turn).await
}

impl Work<'_> {
    async fn run(&self, mut turn: Box<Turn>) -> Verdict {
        let shared = self.shared;
        let mut contact = match shared.contacts.get(turn.contact).await {
            Ok(contact) => contact,
            Err(error) => return self.store_failed(turn, error).await,
        };
        let mut typing = None;
        loop {
            let lang = shared.lang(&contact, &self.entry);
            let prompt = shared.text(lang, Text::ImagePrompt);
            let step = plan::step(&turn, &contact, shared.clock.now(), self.entry.max_age, &prompt);
            let questions = match step {
                Step::Drop(reason) => return self.finish(turn, &contact, None, Outcome::Dropped(reason), None).await,
                // An operator's text may be empty: then nothing is said.
                Step::Explain(reason)
                    if plan::notice(reason).is_some_and(|text| shared.text(lang, text).is_empty()) =>
                {
                    return self.finish(turn, &contact, None, Outcome::Dropped(reason), None).await;
                }
                Step::Explain(reason) => {
                    return self.finish(turn, &contact, None, Outcome::Explained(reason), None).await;
                }
                Step::Command(command, args) => {
                    let done = commands::run(shared, &self.entry, &contact, &turn.target, command, &args).await;
                    return self.speak(turn, &contact, done).await;
                }
                Step::Welcome => {
                    let done = commands::welcome(shared, lang);
                    return self.speak(turn, &contact, done).await;
                }
                Step::Ask(_) if fetch::is_needed(&turn) => {
                    typing.get_or_insert_with(|| Typing::start(&self.entry.channel, &turn.target));
                    let began = Instant::now();
                    if let Err(failure) = fetch_media(shared, &self.entry, &mut turn).await {
                        return self.fetch_failed(turn, &contact, failure, began.elapsed()).await;
                    }
                    continue;
                }
                Step::Ask(questions) => questions,
            };
            typing.get_or_insert_with(|| Typing::start(&self.entry.channel, &turn.target));
            match self.ask_all(&turn, &contact, &questions).await {
                Asked::Answers { last, results } => return self.answered(turn, &contact, last, &results).await,
                Asked::Stopped(n, AskEnd::Release { state, delay, spent }) => {
                    return self.release(turn, AskResult { n, state }, delay, spent).await;
                }
                Asked::Stopped(n, AskEnd::GaveUp { state }) => {
                    let ask = Some(AskResult { n, state });
                    return self.finish(turn, &contact, ask, Outcome::Dead(Reason::GaveUp), None).await;
                }
                Asked::Stopped(_, AskEnd::Changed { turn: fresh, contact: known }) => {
                    shared.contacts.put(Arc::clone(&known)).await;
                    (turn, contact) = (fresh, known);
                }
                Asked::Stopped(_, AskEnd::NotYet) => return Verdict::NotYet { turn },
                Asked::Stopped(_, AskEnd::Gone | AskEnd::Settled(_)) => return Verdict::Ended,
                Asked::Stopped(_, AskEnd::Store(error)) => return self.store_failed(turn, error).await,
            }
        }
    }

    /// Asks one after the other; all results but the last are committed as they come.
    async fn ask_all(&self, turn: &Turn, contact: &Contact, questions: &[Question]) -> Asked {
        let mut results = Vec::with_capacity(questions.len());
        let mut last = None;
        for (n, question) in (0u16..).zip(questions) {
            let known = crate::contract::store::ask(turn, n).map(|ask| ask.state.clone());
            match ask_one(self.shared, &self.bot, turn, contact, n, question).await {
                AskEnd::Settled(state) => {
                    let is_last = usize::from(n) + 1 == questions.len();
                    let result = AskResult { n, state: state.clone() };
                    if is_last {
                        last = Some(result);
                    } else if known.as_ref() != Some(&state)
                        && let Err(error) = self.shared.store.finish_ask(turn.seq, self.shared.claim, result).await
                    {
                        return Asked::Stopped(n, error.into());
                    }
                    results.push(state);
                }
                stopped => return Asked::Stopped(n, stopped),
            }
        }
        Asked::Answers { last, results }
    }

    async fn answered(
        &self,
        turn: Box<Turn>,
        contact: &Contact,
        last: Option<AskResult>,
        results: &[AskState],
    ) -> Verdict {
        let lang = self.shared.lang(contact, &self.entry);
        let unreadable = |n: usize| self.shared.text(lang, Text::OneUnreadable).replace("{n}", &n.to_string());
        match plan::combine(results, unreadable) {
            Ok(text) => {
                let change = plan::contact_change(Outcome::Answered, contact);
                let action = OutboundAction::answer(text, plan::reply_to(&turn, &*self.entry.channel));
                self.finish(turn, contact, last, Outcome::Answered, Some((action, change))).await
            }
            Err(reason @ Reason::EmptyAnswer) => self.finish(turn, contact, last, Outcome::Dropped(reason), None).await,
            // A refusal may pass when the operator has changed something: it can be retried by hand.
            Err(reason @ Reason::Refused) => self.finish(turn, contact, last, Outcome::Dead(reason), None).await,
            Err(reason) => self.finish(turn, contact, last, Outcome::Explained(reason), None).await,
        }
    }

    /// Ends the turn with the bridge's own words; with none there is nothing to answer.
    async fn speak(&self, turn: Box<Turn>, contact: &Contact, done: Done) -> Verdict {
        if done.text.is_empty() {
            return self.finish(turn, contact, None, Outcome::Dropped(Reason::NoAnswerNeeded), None).await;
        }
        let action = OutboundAction::notice(done.text, plan::reply_to(&turn, &*self.entry.channel));
        self.finish(turn, contact, None, Outcome::Answered, Some((action, done.change))).await
    }

    /// Ends the turn. `answer` is what is said; without one, the notice that goes with the outcome's reason, if any.
    async fn finish(
        &self,
        turn: Box<Turn>,
        contact: &Contact,
        ask: Option<AskResult>,
        outcome: Outcome,
        answer: Option<(OutboundAction, ContactChange)>,
    ) -> Verdict {
        let channel = &*self.entry.channel;
        let (action, contact_change) = match answer {
            Some((action, change)) => (Some(action), change),
            None => {
                let reply_to = plan::reply_to(&turn, channel);
                (self.notice(outcome, contact, reply_to), plan::contact_change(outcome, contact))
            }
        };
        let mut said: Vec<Said> = action.into_iter().map(|action| plan::say(channel, &turn.target, action)).collect();
        let mut outcome = outcome;
        if outcome == Outcome::Answered && plan::is_unseen(&said) {
            // Nothing goes out, so it is no answer, whatever it is made of.
            (outcome, said) = (Outcome::Dropped(Reason::EmptyAnswer), Vec::new());
        }
        let mut reservation = None;
        if let Some(first) = said.iter().flat_map(|said| &said.calls).next() {
            let rates = &channel.capabilities().rates;
            reservation = self.shared.deliver.reserve(&turn.channel, rates, &turn.target.key, &first.scopes);
        }
        let finish = FinishTurn {
            seq: turn.seq,
            claim: self.shared.claim,
            version: Some(turn.version),
            ask,
            outcome,
            said,
            contact: contact_change,
            claim_first: reservation.is_some(),
        };
        match self.commit(&turn, finish).await {
            Ok(finished) => {
                self.ended(&turn, outcome, finished, reservation).await;
                Verdict::Ended
            }
            Err(StoreError::Changed) => self.look_again(turn).await,
            Err(_) => Verdict::Ended,
        }
    }

    /// An event joined the turn while it was being ended: it is judged anew, with that.
    async fn look_again(&self, turn: Box<Turn>) -> Verdict {
        match self.read_again(&turn).await {
            Ok(verdict) => verdict,
            Err(error) => self.store_failed(turn, error).await,
        }
    }

    /// The store could not take or give something. What memory believes of the turn may be out of date by now (an ask that
    /// was begun, and whose end could not be recorded, is open on disk), so it goes on from what is stored.
    async fn store_failed(&self, turn: Box<Turn>, mut error: StoreError) -> Verdict {
        let mut tries = 0;
        loop {
            if matches!(error, StoreError::LeaseLost) {
                return Verdict::Ended;
            }
            tracing::error!(turn = %turn.id, %error, "the store failed; the turn waits");
            tokio::time::sleep(Rules::STORE_BACKOFF.delay(tries, 1.0)).await;
            tries += 1;
            match self.read_again(&turn).await {
                Ok(verdict) => return verdict,
                Err(still) => error = still,
            }
        }
    }

    async fn read_again(&self, turn: &Turn) -> Result<Verdict, StoreError> {
        let Some((turn, contact)) = self.shared.store.turn(turn.seq).await? else { return Ok(Verdict::Ended) };
        self.shared.contacts.put(contact).await;
        let delay = turn.due_in;
        Ok(Verdict::Again { turn: Box::new(turn), delay })
    }

    /// Commits the end. An answer is never dropped because the disk is full for a while: it waits here.
    async fn commit(&self, turn: &Turn, finish: FinishTurn) -> Result<Finished, StoreError> {
        let mut tries = 0;
        loop {
            match self.shared.store.finish_turn(finish.clone()).await {
                Err(StoreError::Unavailable(error)) => {
                    tracing::error!(turn = %turn.id, error, "the end of a turn cannot be stored; trying again");
                    tokio::time::sleep(Rules::STORE_BACKOFF.delay(tries, 1.0)).await;
                    tries += 1;
                }
                Err(error) => {
                    if !matches!(error, StoreError::LeaseLost | StoreError::Changed) {
                        tracing::error!(turn = %turn.id, %error, "the end of a turn cannot be stored");
                    }
                    return Err(error);
                }
                finished => return finished,
            }
        }
    }

    async fn ended(&self, turn: &Turn, outcome: Outcome, finished: Finished, reservation: Option<Reservation>) {
        if let Some(contact) = finished.contact {
            self.shared.contacts.put(contact).await;
        }
        // Another process may have a row of the target open: then ours waits its turn like any other.
        self.shared.deliver.push(finished.rows, reservation.filter(|_| finished.first_claimed));
        let age = self.shared.clock.now().since(turn.received_at);
        let reason = outcome.reason().map_or("", Reason::as_str);
        metrics::counter!("bridge_turns_total", "channel" => turn.channel.as_str().to_owned(), "outcome" => outcome.as_str(), "reason" => reason)
            .increment(1);
        metrics::histogram!("bridge_turn_seconds").record(age);
        match outcome {
            Outcome::Dead(_) => {
                tracing::warn!(turn = %turn.id, channel = %turn.channel, outcome = outcome.as_str(), reason, ms = age.as_millis(), "turn ended");
            }
            _ => {
                tracing::info!(turn = %turn.id, channel = %turn.channel, outcome = outcome.as_str(), reason, ms = age.as_millis(), "turn ended");
            }
        }
    }

    fn notice(&self, outcome: Outcome, contact: &Contact, reply_to: Option<String>) -> Option<OutboundAction> {
        let (Outcome::Explained(reason) | Outcome::Dead(reason)) = outcome else { return None };
        let text = plan::notice(reason)?;
        let delivery = self.entry.channel.capabilities().delivery;
        if plan::told_already(reason, contact, delivery) {
            metrics::counter!("bridge_notices_suppressed_total", "reason" => reason.as_str()).increment(1);
            return None;
        }
        let lang = self.shared.lang(contact, &self.entry);
        Some(OutboundAction::notice(self.shared.text(lang, text), reply_to))
    }

    async fn release(&self, mut turn: Box<Turn>, ask: AskResult, delay: Duration, spent: Option<Duration>) -> Verdict {
        let uid = self.shared.contacts.get(turn.contact).await.map(|contact| contact.uid());
        match self.shared.store.release_turn(turn.seq, self.shared.claim, Some(ask.clone()), delay, spent).await {
            Ok(()) => {
                remember(&mut turn, ask, uid.unwrap_or_else(|_| "".into()));
                turn.attempts += u32::from(spent.is_some());
                turn.spent += spent.unwrap_or_default();
                Verdict::Again { turn, delay }
            }
            Err(StoreError::LeaseLost) => Verdict::Ended,
            Err(error) => self.store_failed(turn, error).await,
        }
    }

    async fn fetch_failed(
        &self,
        mut turn: Box<Turn>,
        contact: &Contact,
        failure: FetchFailure,
        took: Duration,
    ) -> Verdict {
        let error = match failure {
            FetchFailure::Store(error) => return self.store_failed(turn, error).await,
            FetchFailure::Later(error) => error,
        };
        tracing::info!(turn = %turn.id, channel = %turn.channel, error, "media cannot be fetched now");
        let patience = self.shared.rules.patience;
        match patience.next(turn.attempts, turn.spent, took, None, fastrand::f64()) {
            Next::GiveUp => self.finish(turn, contact, None, Outcome::Dead(Reason::MediaUnavailable), None).await,
            Next::Again { delay, spent } => {
                match self.shared.store.release_turn(turn.seq, self.shared.claim, None, delay, Some(spent)).await {
                    Ok(()) => {
                        turn.attempts += 1;
                        turn.spent += spent;
                        Verdict::Again { turn, delay }
                    }
                    Err(StoreError::LeaseLost) => Verdict::Ended,
                    Err(error) => self.store_failed(turn, error).await,
                }
            }
        }
    }
}

enum Asked {
    Answers { last: Option<AskResult>, results: Vec<AskState> },
    Stopped(u16, AskEnd),
}

/// Keeps the turn in memory as the store has it after a release.
fn remember(turn: &mut Turn, result: AskResult, uid: Arc<str>) {
    match turn.asks.iter_mut().find(|ask| ask.n == result.n) {
        Some(ask) => ask.state = result.state,
        None => turn.asks.push(crate::model::turn::Ask { n: result.n, state: result.state, uid, age: Duration::ZERO }),
    }
}

/// Ends a turn that made the bridge panic, so that it cannot do so again.
pub(crate) async fn poisoned(shared: &Shared, turn: &Head) {
    let finish = FinishTurn {
        seq: turn.seq,
        claim: shared.claim,
        version: None,
        ask: None,
        outcome: Outcome::Dead(Reason::Poisoned),
        said: Vec::new(),
        contact: ContactChange::default(),
        claim_first: false,
    };
    metrics::counter!("bridge_turns_total", "channel" => turn.channel.as_str().to_owned(), "outcome" => "dead", "reason" => "poisoned").increment(1);
    if let Err(error) = shared.store.finish_turn(finish).await {
        tracing::error!(turn = %turn.id, %error, "a poisoned turn cannot be ended");
    }
}
