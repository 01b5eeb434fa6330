//! Whether the promises were kept.

use std::collections::BTreeMap;

use caigunn_bridge::sandbox::{Call, LogEntry};
use serde_json::Value;

use super::crowd::{self, Said};
use crate::discord::platform::Sent;
use crate::discord::setting::Outside;

pub(super) struct Judge {
    /// In the order in which each person said it.
    said: Vec<Said>,
    /// What each chat has got, in order.
    answers: BTreeMap<u64, Vec<Sent>>,
    asks: Vec<LogEntry>,
    log: Vec<Value>,
}

impl Judge {
    pub(super) fn new(outside: &Outside, said: Vec<Said>) -> Self {
        let answers = crowd::by_chat(&said).into_keys().map(|chat| (chat, outside.platform.sent(chat))).collect();
        let asks = outside.place.sandbox.log().into_iter().filter(|call| call.call == Call::Talk).collect();
        Self { said, answers, asks, log: outside.place.log_lines() }
    }

    pub(super) fn summary(&self, outside: &Outside) -> String {
        let logged = |message: &str| self.log.iter().filter(|line| line["message"] == message).count();
        let platform = &outside.platform;
        let (sends, sent) = (platform.attempts("send").len(), self.answers.values().map(Vec::len).sum::<usize>());
        format!(
            "{} said; {} connections, {} sessions begun, {} resumed; {} histories read, {} with something missed; {} asks, {} \
             found in CaiGunn's history; {} sends more than messages",
            self.said.len(),
            platform.connections().len(),
            platform.identifies(),
            platform.resumes(),
            platform.attempts("history").len(),
            logged("messages that were missed are taken up"),
            self.asks.len(),
            logged("the answer was found in the history"),
            sends - sent,
        )
    }

    /// Every message has one answer, with its own words, in its own place; and there are no others.
    pub(super) fn every_message_has_one_answer(&self) {
        for (chat, said) in crowd::by_chat(&self.said) {
            let answers = &self.answers[&chat];
            let texts: Vec<&str> = answers.iter().map(|answer| answer.text.as_str()).collect();
            for said in &said {
                let own: Vec<&Sent> = answers.iter().filter(|answer| answers_to(answer, said)).collect();
                assert_eq!(own.len(), 1, "{said:?} in {texts:#?}");
                assert_eq!(own[0].reply_to, said.is_quoted.then_some(said.message), "{said:?}");
            }
            assert_eq!(answers.len(), said.len(), "{texts:#?}");
        }
    }

    /// A person's messages were asked and answered in the order in which they were written.
    pub(super) fn order_holds(&self) {
        let mut people: BTreeMap<u64, Vec<&Said>> = BTreeMap::new();
        for said in &self.said {
            people.entry(said.user).or_default().push(said);
        }
        for (user, said) in people {
            let sent = &self.answers[&said[0].chat];
            let place = |said: &Said| sent.iter().position(|answer| answers_to(answer, said));
            assert!(said.iter().map(|said| place(said)).is_sorted(), "{user} is answered in order: {sent:#?}");
            let mut asked: Vec<&str> = self.asks_of(user).filter_map(|ask| ask.text.as_deref()).collect();
            asked.dedup();
            let wanted: Vec<&str> = said.iter().map(|said| said.text.as_str()).collect();
            assert_eq!(asked, wanted, "{user}");
        }
    }

    /// What can be found in the history is asked once.
    pub(super) fn nothing_is_asked_twice(&self) {
        for said in &self.said {
            let asks = self.asks_of(said.user).filter(|ask| ask.text.as_deref() == Some(&said.text));
            let processed = asks.filter(|ask| ask.processed).count();
            assert_eq!(processed, 1, "{:?}", said.text);
        }
    }

    fn asks_of(&self, user: u64) -> impl Iterator<Item = &LogEntry> {
        let uid = format!("dc-{user}");
        self.asks.iter().filter(move |ask| ask.uid.as_ref() == Some(&uid))
    }
}

fn answers_to(answer: &Sent, said: &Said) -> bool {
    answer.text.contains(&format!("\"{}\"", said.text))
}
