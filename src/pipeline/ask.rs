//! One ask: begun on disk, called, its failure judged.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::caigunn::{self, ImagePart, RetryClass};
use crate::contract::store::{AskResult, BeginAsk, Begun, StoreError, ask};
use crate::model::turn::{AskState, Reason, Turn};
use crate::model::{Contact, MediaId};
use crate::pipeline::bots::BotRuntime;
use crate::pipeline::breaker::Gate;
use crate::pipeline::images::{self, Ready};
use crate::pipeline::plan::Question;
use crate::pipeline::recover::{Look, recover};
use crate::pipeline::retry::Next;
use crate::pipeline::shared::Shared;

/// How an ask left the turn.
#[derive(Debug)]
pub(crate) enum AskEnd {
    /// Answered or failed for good.
    Settled(AskState),
    /// The turn is to be released with this result, and tried again after the delay.
    Release {
        state: AskState,
        delay: Duration,
        spent: Option<Duration>,
    },
    /// Patience is over.
    GaveUp {
        state: AskState,
    },
    /// More events joined, or the contact changed: start over with these.
    Changed {
        turn: Box<Turn>,
        contact: Arc<Contact>,
    },
    NotYet,
    Gone,
    Store(StoreError),
}

impl From<StoreError> for AskEnd {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::LeaseLost) { Self::Gone } else { Self::Store(error) }
    }
}

/// The digest by which equal texts are counted. A caption counts as a text: the history does not tell them apart.
pub(crate) fn digest(question: &Question) -> [u8; 16] {
    let full: [u8; 32] = Sha256::digest(question.text().trim().as_bytes()).into();
    let mut short = [0; 16];
    short.copy_from_slice(&full[..16]);
    short
}

/// Carries ask number `n` of a turn as far as it goes now.
pub(crate) async fn ask_one(
    shared: &Shared,
    bot: &BotRuntime,
    turn: &Turn,
    contact: &Contact,
    n: u16,
    question: &Question,
) -> AskEnd {
    let started = Instant::now();
    let digest = digest(question);
    let mut looked_for = Duration::ZERO;
    if let Some(prior) = ask(turn, n) {
        match &prior.state {
            AskState::Answered(_) | AskState::Failed(_) => return AskEnd::Settled(prior.state.clone()),
            AskState::NotProcessed => {}
            // Open: the process died in the call, or could not commit its result.
            AskState::Open | AskState::Ambiguous => {
                // The age was measured when the turn was read; it may have waited in memory since.
                let age = prior.age.max(shared.clock.now().since(turn.received_at));
                match recover(shared, bot, turn, n, &prior.uid, digest, question, age).await {
                    Ok(Look::Found(text)) => return AskEnd::Settled(AskState::Answered(text)),
                    Ok(Look::NotThere) => {}
                    Ok(Look::Unknown(error)) => {
                        return again(shared, bot, turn, started, looked_for, AskState::Ambiguous, error.retry_after);
                    }
                    Err(error) => return error.into(),
                }
                looked_for = started.elapsed();
            }
        }
    }
    let image = match question {
        Question::Talk { .. } => None,
        Question::Vision { image: Err(reason), .. } => return AskEnd::Settled(AskState::Failed(*reason)),
        Question::Vision { image: Ok(id), .. } => match prepare(shared, turn, *id).await {
            Ok(Ok(ready)) => Some(ready),
            Ok(Err(reason)) => return AskEnd::Settled(AskState::Failed(reason)),
            Err(error) => return error.into(),
        },
    };
    let uid = contact.uid();
    loop {
        let begin = BeginAsk {
            seq: turn.seq,
            claim: shared.claim,
            n,
            version: turn.version,
            generation: contact.generation,
            mode: contact.mode,
            uid: Arc::clone(&uid),
            digest,
        };
        match shared.store.begin_ask(begin).await {
            Ok(Begun::Yes) => {}
            Ok(Begun::Changed { turn, contact }) => return AskEnd::Changed { turn, contact },
            Ok(Begun::NotYet) => return AskEnd::NotYet,
            Ok(Begun::Gone) => return AskEnd::Gone,
            Err(error) => return error.into(),
        }
        let called = Instant::now();
        let client = bot.client();
        let result = call(&client, &uid, contact.nickname.as_deref(), question, image.as_ref()).await;
        let took = called.elapsed();
        bot.note(&client, result.as_ref().map(|_| ()));
        observe(bot, question, &result, took);
        let error = match result {
            Ok(text) => return AskEnd::Settled(AskState::Answered(text)),
            Err(error) => error,
        };
        tracing::info!(turn = %turn.id, bot = %bot.name, ask = n, class = ?error.class, %error, "no answer");
        match error.class {
            RetryClass::Final => return AskEnd::Settled(AskState::Failed(Reason::Refused)),
            // The bot is paused now; the attempt says nothing about this turn and is not counted.
            RetryClass::Credentials => {
                return AskEnd::Release { state: AskState::NotProcessed, delay: Duration::ZERO, spent: None };
            }
            RetryClass::NotProcessed => {
                return again(shared, bot, turn, started, looked_for, AskState::NotProcessed, error.retry_after);
            }
            RetryClass::Ambiguous => {}
        }
        let result = AskResult { n, state: AskState::Ambiguous };
        if let Err(error) = shared.store.finish_ask(turn.seq, shared.claim, result).await {
            return error.into();
        }
        match recover(shared, bot, turn, n, &uid, digest, question, took).await {
            Ok(Look::Found(text)) => return AskEnd::Settled(AskState::Answered(text)),
            Ok(Look::NotThere) => {}
            Ok(Look::Unknown(error)) => {
                return again(shared, bot, turn, started, looked_for, AskState::Ambiguous, error.retry_after);
            }
            Err(error) => return error.into(),
        }
        // It is not there: asking again is safe as far as anybody can tell. While the breaker is closed it is done here,
        // because a released turn would look for the answer once more.
        let patience = shared.rules.patience;
        let spent = turn.spent + started.elapsed();
        if patience.next(turn.attempts, spent, Duration::ZERO, None, fastrand::f64()) == Next::GiveUp {
            return AskEnd::GaveUp { state: AskState::Ambiguous };
        }
        if bot.gate(Instant::now()) != Gate::Open {
            return again(shared, bot, turn, started, looked_for, AskState::Ambiguous, None);
        }
    }
}

/// Tries again later, or gives up.
fn again(
    shared: &Shared,
    bot: &BotRuntime,
    turn: &Turn,
    started: Instant,
    not_counted: Duration,
    state: AskState,
    retry_after: Option<Duration>,
) -> AskEnd {
    let took = started.elapsed().saturating_sub(not_counted);
    let next = shared.rules.patience.next(turn.attempts, turn.spent, took, retry_after, fastrand::f64());
    match next {
        Next::GiveUp => AskEnd::GaveUp { state },
        // While the breaker is open the wait is its own, and is not counted.
        Next::Again { .. } if bot.gate(Instant::now()) != Gate::Open && retry_after.is_none() => {
            AskEnd::Release { state, delay: Duration::ZERO, spent: Some(took) }
        }
        Next::Again { delay, spent } => AskEnd::Release { state, delay, spent: Some(spent) },
    }
}

async fn call(
    client: &caigunn::Bot,
    uid: &str,
    nickname: Option<&str>,
    question: &Question,
    image: Option<&Ready>,
) -> Result<String, caigunn::Error> {
    let answer = match image {
        None => client.talk(uid, nickname, question.text()).await?,
        Some(ready) => {
            let image = ImagePart {
                bytes: ready.bytes.clone(),
                file_name: ready.file_name.clone(),
                content_type: ready.content_type.to_owned(),
            };
            client.vision(uid, nickname, question.text(), image).await?
        }
    };
    Ok(answer.text)
}

async fn prepare(shared: &Shared, turn: &Turn, id: MediaId) -> Result<Result<Ready, Reason>, StoreError> {
    let bytes = match shared.store.media(id).await {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound(_)) => return Ok(Err(Reason::MediaUnavailable)),
        Err(error) => return Err(error),
    };
    Ok(images::prepare(bytes, &shared.rules.images, &shared.decodes).await.map_err(|problem| {
        tracing::info!(turn = %turn.id, media = %id, ?problem, "a picture cannot be read");
        Reason::UnreadableImage
    }))
}

fn observe(bot: &BotRuntime, question: &Question, result: &Result<String, caigunn::Error>, took: Duration) {
    let call = if question.is_vision() { "vision" } else { "talk" };
    let result = match result {
        Ok(_) => "ok",
        Err(error) => match error.class {
            RetryClass::NotProcessed => "not_processed",
            RetryClass::Ambiguous => "ambiguous",
            RetryClass::Final => "final",
            RetryClass::Credentials => "credentials",
        },
    };
    metrics::counter!("bridge_asks_total", "bot" => bot.name.as_str().to_owned(), "call" => call, "result" => result)
        .increment(1);
    metrics::histogram!("bridge_turn_backend_seconds").record(took);
}
