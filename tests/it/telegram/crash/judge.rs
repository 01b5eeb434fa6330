//! Whether the promises were kept.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use caigunn_bridge::sandbox::{Call, LogEntry};
use serde_json::Value;

use super::crowd::{self, Said, What};
use crate::telegram::platform::{Attempt, Sent};
use crate::telegram::setting::Outside;

/// A send is open until its end is committed. Longer than that takes on a machine that is short of everything.
const COMMITTED: Duration = Duration::from_secs(3);

pub(super) struct Judge {
    /// In the order in which each person said it.
    said: Vec<Said>,
    /// What each chat has got, in order; the doubles apart.
    answers: BTreeMap<i64, Vec<Sent>>,
    doubles: Vec<Double>,
    asks: Vec<LogEntry>,
    attempts: Vec<Attempt>,
    log: Vec<Value>,
    /// When each life ended; a life's calls came by the door of its number.
    kills: Vec<Instant>,
}

/// A message that came twice, and how the first one had ended.
struct Double {
    first: Sent,
    second: Sent,
    /// Nothing else was sent to the chat in between.
    adjacent: bool,
}

impl Judge {
    pub(super) fn new(outside: &Outside, said: Vec<Said>, kills: Vec<Instant>) -> Self {
        let (mut answers, mut doubles) = (BTreeMap::new(), Vec::new());
        for chat in crowd::by_chat(&said).into_keys() {
            let mut distinct: Vec<Sent> = Vec::new();
            let sent = outside.platform.sent(chat);
            for (n, second) in sent.iter().enumerate() {
                // A conversation's turns are numbered and topics have names: no two answers are alike.
                let same = |other: &&Sent| other.text == second.text && other.thread == second.thread;
                let Some(first) = sent[..n].iter().rev().find(same) else {
                    distinct.push(second.clone());
                    continue;
                };
                let adjacent = sent[n - 1].message == first.message;
                doubles.push(Double { first: first.clone(), second: second.clone(), adjacent });
            }
            answers.insert(chat, distinct);
        }
        let asks = outside.place.sandbox.log().into_iter();
        let asks = asks.filter(|call| matches!(call.call, Call::Talk | Call::Vision)).collect();
        let (attempts, log) = (outside.platform.attempts("sendMessage"), outside.place.log_lines());
        Self { said, answers, doubles, asks, attempts, log, kills }
    }

    pub(super) fn summary(&self) -> String {
        let logged = |message: &str| self.log.iter().filter(|line| line["message"] == message).count();
        format!(
            "{} said; {} kills; {} asks, {} found in the history, {} not there and asked again; {} sends doubled ({} of \
             them after a cut connection)",
            self.said.len(),
            self.kills.len(),
            self.asks.len(),
            logged("the answer was found in the history"),
            logged("the history has no answer; asking again"),
            self.doubles.len(),
            self.doubles.iter().filter(|double| !self.killed_inside(double)).count(),
        )
    }

    /// Every message has one answer, with its own words, in its own place; and there are no others.
    pub(super) fn every_message_has_its_own_answer(&self) {
        for (chat, said) in crowd::by_chat(&self.said) {
            let answers = &self.answers[&chat];
            let texts: Vec<&str> = answers.iter().map(|answer| answer.text.as_str()).collect();
            for said in &said {
                let own: Vec<&Sent> = answers.iter().filter(|answer| answers_to(answer, said)).collect();
                assert_eq!(own.len(), 1, "{said:?} in {texts:#?}");
                let reply = Some(said.message).filter(|_| chat < 0);
                assert_eq!((own[0].thread, own[0].reply_to), (said.thread, reply), "{said:?}");
            }
            // An album's second picture may have come too late for its turn; in a group nothing addresses it then.
            let late = |answer: &Sent| answer.text.contains("you sent ") && !answer.text.contains("and wrote");
            let strangers: Vec<&str> = answers
                .iter()
                .filter(|answer| !late(answer) && !said.iter().any(|said| answers_to(answer, said)))
                .map(|answer| answer.text.as_str())
                .collect();
            assert_eq!(strangers, Vec::<&str>::new(), "in {chat}");
            let shown: usize = said.iter().map(|said| pictures(&said.what)).sum();
            let seen: usize = texts.iter().map(|text| text.matches("you sent ").count()).sum();
            let least = if chat > 0 { shown } else { said.iter().filter(|said| pictures(&said.what) > 0).count() };
            assert!((least..=shown).contains(&seen), "{chat}: {seen} of {shown} pictures in {texts:#?}");
        }
    }

    /// A person's messages were asked and answered in the order in which they were written.
    pub(super) fn order_holds(&self) {
        let mut people: BTreeMap<i64, Vec<&Said>> = BTreeMap::new();
        for said in &self.said {
            people.entry(said.user).or_default().push(said);
        }
        for (user, said) in people {
            let questions: Vec<&Said> =
                said.into_iter().filter(|said| !matches!(said.what, What::Command(_))).collect();
            let Some(first) = questions.first() else { continue };
            let sent = &self.answers[&first.chat];
            let place = |said: &Said| sent.iter().position(|answer| answers_to(answer, said));
            assert!(questions.iter().map(|said| place(said)).is_sorted(), "{user} is answered in order: {sent:#?}");
            let mut asked: Vec<&str> = self.asks_of(user).filter_map(|ask| ask.text.as_deref()).collect();
            asked.retain(|text| !text.is_empty());
            asked.dedup();
            let asked_as = |said: &&Said, text: &str| said.what.words().contains(&text);
            assert_eq!(asked.len(), questions.len(), "{user}: {asked:?}");
            assert!(questions.iter().zip(&asked).all(|(said, text)| asked_as(said, text)), "{user}: {asked:?}");
        }
    }

    /// What can be found in the history is asked once.
    pub(super) fn nothing_is_asked_twice(&self) {
        for said in &self.said {
            let words = said.what.words();
            let asks =
                self.asks_of(said.user).filter(|ask| ask.text.as_deref().is_some_and(|text| words.contains(&text)));
            let processed = asks.filter(|ask| ask.processed).count();
            assert!(processed <= 1, "{words:?} was asked {processed} times");
        }
    }

    /// A send is repeated only if it was the chat's open one when a kill fell, or if its answer was cut off.
    pub(super) fn doubles_have_a_reason(&self) {
        for double in &self.doubles {
            let Double { first, second, adjacent } = double;
            assert!(adjacent, "{:?} came again after something else", first.text);
            assert!(
                self.killed_inside(double) || self.was_cut(first),
                "{:?} came twice with {:?} between and neither a kill nor a cut",
                first.text,
                second.at - first.at
            );
        }
    }

    /// A good client does nothing that it should not, unless it was killed while it was being told so: before the 429 was
    /// committed, another life knows nothing of it.
    pub(super) fn violations_have_a_reason(&self, violations: &[String]) {
        for violation in violations {
            let told = |two: &[&Attempt]| two[0].status == 429 && two[0].door < two[1].door;
            let untold = self.answers.keys().any(|chat| {
                let own = violation.starts_with(&format!("a call for {chat} while it was to be left alone"));
                let calls: Vec<&Attempt> = self.attempts.iter().filter(|attempt| attempt.chat == Some(*chat)).collect();
                own && calls.windows(2).any(told)
            });
            assert!(untold, "{violation}");
        }
    }

    /// Whether the bridge was killed after the first one, and not long after.
    fn killed_inside(&self, double: &Double) -> bool {
        let (first, second) = (self.attempt(&double.first), self.attempt(&double.second));
        first.door < second.door && self.kills[first.door] < first.at + COMMITTED
    }

    /// Whether the call that brought it was never answered.
    fn was_cut(&self, sent: &Sent) -> bool {
        self.attempt(sent).status == 0
    }

    /// The call that brought it.
    fn attempt(&self, sent: &Sent) -> &Attempt {
        let own = |attempt: &&Attempt| {
            attempt.chat == Some(sent.chat) && attempt.text.as_ref() == Some(&sent.source) && attempt.at <= sent.at
        };
        self.attempts.iter().rev().find(own).expect("nothing is sent without a call")
    }

    fn asks_of(&self, user: i64) -> impl Iterator<Item = &LogEntry> {
        let uid = format!("tg-{user}");
        self.asks.iter().filter(move |ask| ask.uid.as_ref() == Some(&uid))
    }
}

fn answers_to(answer: &Sent, said: &Said) -> bool {
    match &said.what {
        What::Command("id") => {
            answer.thread == said.thread && answer.text.contains(&said.user.to_string()) && !is_turn(answer)
        }
        What::Command(_) => answer.thread == said.thread && answer.text.contains("/reset") && !is_turn(answer),
        what => what.words().iter().any(|words| answer.text.contains(&format!("\"{words}\""))),
    }
}

fn is_turn(answer: &Sent) -> bool {
    answer.text.starts_with("Turn ")
}

fn pictures(what: &What) -> usize {
    match what {
        What::Picture(_) => 1,
        What::Album(_) => 2,
        _ => 0,
    }
}
