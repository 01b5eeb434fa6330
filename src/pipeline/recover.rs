//! After an ask that may or may not have been processed: look for its answer in the history before asking again.
//!
//! Texts are compared, not times: the server's clock and zone are not documented. Equal texts are told apart by counting:
//! if the history holds more of them than the bridge has had answered, one of them is the answer in question.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::caigunn::{self, HistoryEntry, MessagesFilter, RetryClass};
use crate::contract::store::{EqualAsks, Result, StoreError, Utterance};
use crate::model::turn::Turn;
use crate::model::{InboundEvent, Timestamp};
use crate::pipeline::bots::BotRuntime;
use crate::pipeline::history;
use crate::pipeline::plan::Question;
use crate::pipeline::retry::Backoff;
use crate::pipeline::shared::Shared;

#[derive(Debug)]
pub(crate) enum Look {
    Found(String),
    /// The history was read, and the answer was not there by the end of the window (or the history cannot tell).
    NotThere,
    /// The history could not be read.
    Unknown(caigunn::Error),
}

const BETWEEN_LOOKS: Backoff = Backoff { min: Duration::from_millis(200), max: Duration::from_secs(8) };

/// A day: covers every time zone that the server's dates may be in.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Looks at once, then with backoff until the recovery window has passed. `age`: how long ago the ask was begun.
#[expect(clippy::too_many_arguments, reason = "each is a plain value of the one ask in question")]
pub(crate) async fn recover(
    shared: &Shared,
    bot: &BotRuntime,
    turn: &Turn,
    n: u16,
    uid: &str,
    digest: [u8; 16],
    question: &Question,
    age: Duration,
) -> Result<Look> {
    if question.text().trim().is_empty() {
        // A picture without words: the history has nothing to compare.
        return Ok(Look::NotThere);
    }
    let began = Instant::now();
    let deadline = began + shared.rules.recovery_window;
    let since = shared.clock.now().minus(age).minus(DAY);
    let mut tries = 0;
    loop {
        let now = Instant::now();
        match look(shared, bot, turn, n, uid, digest, question.text(), since).await? {
            Ok(Some(text)) => {
                count("found");
                tracing::info!(turn = %turn.id, bot = %bot.name, ask = n, "the answer was found in the history");
                return Ok(Look::Found(text));
            }
            Ok(None) if now >= deadline => {
                count("not_there");
                tracing::info!(turn = %turn.id, bot = %bot.name, ask = n, "the history has no answer; asking again");
                return Ok(Look::NotThere);
            }
            Ok(None) => {}
            Err(error) if error.class == RetryClass::Final => {
                count("cannot_tell");
                tracing::warn!(turn = %turn.id, bot = %bot.name, %error, "the history cannot be read; asking again");
                return Ok(Look::NotThere);
            }
            Err(error) if now >= deadline || error.class == RetryClass::Credentials => {
                count("unknown");
                return Ok(Look::Unknown(error));
            }
            Err(error) => tracing::debug!(turn = %turn.id, %error, "looking for the answer"),
        }
        let delay = BETWEEN_LOOKS.delay(tries, 1.0).min(deadline.saturating_duration_since(Instant::now()));
        tokio::time::sleep(delay).await;
        tries += 1;
    }
}

fn count(result: &'static str) {
    metrics::counter!("bridge_recoveries_total", "result" => result).increment(1);
}

#[expect(clippy::too_many_arguments, reason = "each is a plain value of the one ask in question")]
async fn look(
    shared: &Shared,
    bot: &BotRuntime,
    turn: &Turn,
    n: u16,
    uid: &str,
    digest: [u8; 16],
    text: &str,
    since: Timestamp,
) -> Result<std::result::Result<Option<String>, caigunn::Error>, StoreError> {
    // The date goes without a time: that form needs no zone.
    let day = since.to_string().get(..10).map(str::to_owned);
    let filter = MessagesFilter { start_at: day, ..MessagesFilter::default() };
    let history = match history::read_all(&bot.client(), uid, &filter).await {
        Ok(history) => history,
        Err(error) => return Ok(Err(error)),
    };
    if history.is_empty() {
        return Ok(Ok(None));
    }
    // Ours are counted over a day more than theirs: an extra one of ours can only make us ask again, never take another
    // message's answer.
    let within = shared.clock.now().since(since) + DAY;
    let ours = shared.store.equal_asks(turn.seq, n, uid, digest, within).await?;
    let entries = shared.store.last_entries(turn.contact, None, 200).await?;
    let said: HashSet<String> = entries
        .into_iter()
        .filter_map(|entry| match entry.said {
            Utterance::In(InboundEvent::Message(message)) => Some(message.text.trim().to_owned()),
            _ => None,
        })
        .filter(|said| said != text.trim())
        .collect();
    Ok(Ok(find(&history, text, ours, &said)))
}

/// The answer to `text`, if the history holds more exchanges of it than can be accounted for. Which side of an entry is the
/// participant's is not documented: the side on which more of what the contact `said` stands is taken; with nothing to go
/// by, either.
fn find(history: &[HistoryEntry], text: &str, ours: EqualAsks, said: &HashSet<String>) -> Option<String> {
    type Side = fn(&HistoryEntry) -> Option<&str>;
    let receive: Side = |entry| entry.receive.as_deref();
    let send: Side = |entry| entry.send.as_deref();
    let known =
        |side: Side| history.iter().filter(|entry| side(entry).is_some_and(|text| said.contains(text.trim()))).count();
    let sides: &[(Side, Side)] = match known(receive).cmp(&known(send)) {
        std::cmp::Ordering::Greater => &[(receive, send)],
        std::cmp::Ordering::Less => &[(send, receive)],
        std::cmp::Ordering::Equal => &[(receive, send), (send, receive)],
    };
    let accounted = ours.answered as usize + ours.doubtful as usize;
    for (question, answer) in sides {
        let matching: Vec<&HistoryEntry> =
            history.iter().filter(|entry| question(entry).is_some_and(|side| side.trim() == text.trim())).collect();
        if matching.len() > accounted {
            let newest = matching.iter().max_by(|a, b| a.created_at.cmp(&b.created_at))?;
            return Some(answer(newest).unwrap_or_default().to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::find;
    use crate::caigunn::HistoryEntry;
    use crate::contract::store::EqualAsks;

    fn entry(at: u32, receive: &str, send: &str) -> HistoryEntry {
        HistoryEntry {
            created_at: Some(format!("2026-11-21T10:00:{at:02}Z")),
            receive: Some(receive.into()),
            send: Some(send.into()),
            ..HistoryEntry::default()
        }
    }

    fn ours(answered: u32, doubtful: u32) -> EqualAsks {
        EqualAsks { answered, doubtful }
    }

    fn said(texts: &[&str]) -> HashSet<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn equal_texts_are_told_apart_by_counting() {
        let history = [entry(1, "hi", "one"), entry(3, "hi", "two"), entry(2, "bye", "x")];
        assert_eq!(find(&history, "hi", ours(1, 0), &said(&[])), Some("two".into()));
        assert_eq!(find(&history, "hi", ours(2, 0), &said(&[])), None, "both were answered already");
        assert_eq!(find(&history, "hi", ours(1, 1), &said(&[])), None, "the second may be an older doubt of ours");
    }

    #[test]
    fn either_side_may_be_the_participants() {
        let swapped = [entry(1, "the answer", "hi")];
        assert_eq!(find(&swapped, " hi ", ours(0, 0), &said(&[])), Some("the answer".into()));
    }

    #[test]
    fn an_answer_equal_to_the_question_of_another_turn_is_not_taken_for_it() {
        let history = [entry(1, "say hi", "hi")];
        assert_eq!(find(&history, "hi", ours(0, 0), &said(&["say hi"])), None);
    }
}
