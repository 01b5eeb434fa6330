//! Whether the promises were kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use caigunn_bridge::sandbox::{Call, LogEntry};
use serde_json::Value;

use super::people::Said;

pub(super) struct Judge<'a> {
    pub(super) said: &'a [Said],
    /// What CaiGunn was asked.
    pub(super) calls: Vec<LogEntry>,
    /// What the bridge logged, through all its lives.
    pub(super) log: Vec<Value>,
    /// When it was killed, on the clock of the calls.
    pub(super) kills: Vec<Duration>,
}

impl Judge<'_> {
    pub(super) fn summary(&self) -> String {
        let (found, not_there) = (self.logged("the answer was found in the history"), self.logged(ASKED_AGAIN));
        format!(
            "{} kills; {} asks; {} were looked for and found in the history, {} were not there and asked again",
            self.kills.len(),
            self.asks().count(),
            found.len(),
            not_there.len()
        )
    }

    /// Every message is answered, with the answer to its own text, under an id of its own.
    pub(super) fn every_message_has_its_own_answer(&self) {
        let ids: BTreeSet<&str> = self.said.iter().map(|said| said.id.as_str()).collect();
        assert_eq!(ids.len(), self.said.len(), "each message has an id of its own");
        for said in self.said {
            let (answer, text) = (&said.answer, &said.message.text);
            assert_eq!(
                (answer["state"].as_str(), answer["id"].as_str()),
                (Some("answered"), Some(said.id.as_str())),
                "{answer}"
            );
            assert_eq!(answer["replies"].as_array().unwrap().len(), 1, "{answer}");
            let told = answer["text"].as_str().unwrap();
            if said.message.pictures.is_empty() {
                assert_eq!(told, format!("Turn {}: you said \"{text}\"", turn(said)));
            } else {
                assert!(told.contains(&format!(" and wrote \"{text}\"")), "{told}");
                assert_eq!(told.matches("you sent a").count(), said.message.pictures.len(), "{told}");
            }
        }
        let turns: BTreeSet<(&str, u64)> =
            self.said.iter().map(|said| (said.message.user.as_str(), turn(said))).collect();
        assert_eq!(turns.len(), self.said.len(), "no answer is given to two messages");
    }

    /// A person's messages were asked in the order in which they were accepted, and answered so.
    pub(super) fn order_holds(&self) {
        let mut people: BTreeMap<&str, Vec<&Said>> = BTreeMap::new();
        for said in self.said {
            people.entry(&said.message.user).or_default().push(said);
        }
        for (user, mut said) in people {
            said.sort_by_key(|said| said.n);
            let turns: Vec<u64> = said.iter().map(|said| turn(said)).collect();
            assert!(turns.is_sorted_by(|a, b| a < b), "{user}: {turns:?}");
            let mut sent: Vec<&str> = said.iter().map(|said| said.message.text.as_str()).collect();
            let mut asked: Vec<&str> = self.asks_of(user).filter_map(caption).collect();
            // What was asked again follows itself.
            sent.dedup();
            asked.dedup();
            assert_eq!(asked, sent, "{user}");
        }
    }

    /// What can be found in the history is never asked twice. Nothing else is either, unless a kill fell between the two.
    pub(super) fn nothing_is_asked_twice_without_need(&self) {
        let mut sent: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for said in self.said {
            *sent.entry((&said.message.user, &said.message.text)).or_default() += 1;
            *sent.entry((&said.message.user, "")).or_default() += said.message.pictures.len().saturating_sub(1);
        }
        for ((user, text), sent) in sent {
            let asks: Vec<&LogEntry> =
                self.asks_of(user).filter(|ask| ask.text.as_deref().unwrap_or_default() == text).collect();
            assert!(asks.iter().all(|ask| ask.processed), "{user}: {text}: what was received was processed");
            let again = asks.len() - sent;
            if again == 0 {
                continue;
            }
            // A picture without words cannot be told from another in the history. An equal text can be taken for one that was
            // asked when a kill left it in doubt; then the log says that it was not found.
            let looked_for = self.turns_asked_again(user, text);
            let told_apart = !text.is_empty() && sent == 1;
            assert!(!told_apart, "{user}: {text:?} was asked {} times", asks.len());
            assert!(
                text.is_empty() || looked_for >= again,
                "{user}: {text:?} was asked {again} times more, found missing {looked_for} times"
            );
            let repeats = asks.windows(2).filter(|two| self.killed_between(two[0], two[1])).count();
            assert!(
                repeats >= again,
                "{user}: {text:?} was asked {again} times more, with a kill between {repeats} times"
            );
        }
    }

    fn killed_between(&self, one: &LogEntry, other: &LogEntry) -> bool {
        // The two clocks were not started at the same instant.
        let (from, to) = (one.at_ms.saturating_sub(50), other.at_ms + 50);
        self.kills.iter().any(|at| (u128::from(from)..=u128::from(to)).contains(&at.as_millis()))
    }

    /// How often the bridge says that it did not find the answer to a message of this text.
    fn turns_asked_again(&self, user: &str, text: &str) -> usize {
        let of_text = |id: &&str| {
            self.said.iter().any(|said| said.id == **id && said.message.user == user && said.message.text == text)
        };
        self.logged(ASKED_AGAIN).iter().filter_map(|line| line["turn"].as_str()).filter(of_text).count()
    }

    fn logged(&self, message: &str) -> Vec<&Value> {
        self.log.iter().filter(|line| line["message"] == message).collect()
    }

    fn asks(&self) -> impl Iterator<Item = &LogEntry> {
        self.calls.iter().filter(|call| matches!(call.call, Call::Talk | Call::Vision))
    }

    fn asks_of(&self, user: &str) -> impl Iterator<Item = &LogEntry> {
        let uid = format!("web-shop-{user}");
        self.asks().filter(move |ask| ask.uid.as_ref() == Some(&uid))
    }
}

const ASKED_AGAIN: &str = "the history has no answer; asking again";

/// The words of an ask that has any.
fn caption(ask: &LogEntry) -> Option<&str> {
    ask.text.as_deref().filter(|text| !text.is_empty())
}

/// The number of the (first) turn in the answer.
fn turn(said: &Said) -> u64 {
    let told = said.answer["text"].as_str().unwrap_or_default();
    let number =
        told.strip_prefix("Turn ").and_then(|rest| rest.split_once(':')).and_then(|(number, _)| number.parse().ok());
    number.unwrap_or_else(|| panic!("no turn in {}", said.answer))
}
