//! What was said: the conversations of one bot.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::sandbox::times;

/// The `type` of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    Text,
    Image,
}

/// One turn of a conversation.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Microseconds since 1970: when the answer was ready.
    pub created_at: i64,
    /// What the participant said.
    pub question: String,
    /// What the bot answered.
    pub answer: String,
    pub kind: EntryKind,
    pub id: Uuid,
    pub nickname: String,
    /// About the image, if there was one.
    pub kwargs: Value,
}

impl Entry {
    pub(super) fn wire(&self, participant_is_receive: bool) -> Value {
        let (receive, send) =
            if participant_is_receive { (&self.question, &self.answer) } else { (&self.answer, &self.question) };
        json!({
            "created_at": times::show(self.created_at),
            "receive": receive,
            "send": send,
            "type": self.kind,
            "id": self.id,
            "log_type": "conversation",
            "kwargs": self.kwargs,
        })
    }
}

#[derive(Default)]
pub(super) struct Conversation {
    turns: u64,
    pub(super) entries: VecDeque<Entry>,
}

/// What of a list is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    pub(super) offset: usize,
    pub(super) limit: usize,
    pub(super) start_at: i64,
    pub(super) end_at: i64,
    pub(super) newest_first: bool,
}

impl Page {
    fn contains(&self, at: i64) -> bool {
        (self.start_at..=self.end_at).contains(&at)
    }

    /// Cuts the page out of a list that is sorted oldest first.
    fn cut<T>(&self, list: impl DoubleEndedIterator<Item = T>) -> Vec<T> {
        if self.newest_first {
            list.rev().skip(self.offset).take(self.limit).collect()
        } else {
            list.skip(self.offset).take(self.limit).collect()
        }
    }
}

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    pub(super) history: bool,
    pub(super) limit: usize,
    pub(super) skew_ms: i64,
}

#[derive(Default)]
pub(super) struct History {
    conversations: HashMap<String, Conversation>,
}

impl History {
    /// Records a turn: `answer` is given its number, and its text is what is kept and returned.
    pub(super) fn turn(
        &mut self,
        uid: &str,
        keep: Keep,
        said: (String, EntryKind, String, Value),
        answer: impl FnOnce(u64, &str) -> String,
    ) -> String {
        // Not `entry`: the key is copied for a new conversation only.
        if !self.conversations.contains_key(uid) {
            self.conversations.insert(uid.to_owned(), Conversation::default());
        }
        let Some(conversation) = self.conversations.get_mut(uid) else { return String::new() };
        conversation.turns += 1;
        let (question, kind, nickname, kwargs) = said;
        let text = answer(conversation.turns, &question);
        if keep.history && keep.limit > 0 {
            // Never before the previous entry: the list stays sorted when the clock is set back.
            let previous = conversation.entries.back().map_or(i64::MIN, |entry| entry.created_at);
            let created_at = times::now(keep.skew_ms).max(previous);
            while conversation.entries.len() >= keep.limit {
                conversation.entries.pop_front();
            }
            let id = Uuid::now_v7();
            let answer = text.clone();
            conversation.entries.push_back(Entry { created_at, question, answer, kind, id, nickname, kwargs });
        }
        text
    }

    pub(super) fn entries(&self, uid: &str) -> Vec<Entry> {
        self.conversations.get(uid).map(|known| known.entries.iter().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn messages(&self, uid: &str, page: Page, nickname: Option<&str>, as_receive: bool) -> Vec<Value> {
        let Some(conversation) = self.conversations.get(uid) else { return Vec::new() };
        let wanted = conversation
            .entries
            .iter()
            .filter(|entry| page.contains(entry.created_at) && nickname.is_none_or(|name| entry.nickname == name));
        page.cut(wanted).into_iter().map(|entry| entry.wire(as_receive)).collect()
    }

    pub(super) fn uids(&self, page: Page) -> Vec<Value> {
        let mut last: Vec<_> = self
            .conversations
            .iter()
            .filter_map(|(uid, conversation)| Some((uid, conversation.entries.back()?)))
            .filter(|(_, entry)| page.contains(entry.created_at))
            .collect();
        last.sort_unstable_by_key(|(uid, entry)| (entry.created_at, *uid));
        let show = |(uid, entry): (&String, &Entry)| {
            json!({
                "uid": uid,
                "nickname": entry.nickname,
                "source": "api",
                "last_sent": entry.answer,
                "last_sent_at": times::show(entry.created_at),
            })
        };
        page.cut(last.into_iter()).into_iter().map(show).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.conversations.len()
    }

    pub(super) fn clear(&mut self) {
        self.conversations.clear();
    }
}
