//! Who has asked to be left alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Two rests that end this close together are one: Telegram counts in whole seconds, and the two calls took their time.
const SAME: Duration = Duration::from_secs(2);

/// Chats that are to be left alone. Telegram does not say whether it means the chat or the whole bot. If it means the bot, every
/// chat is told the same end; chats that are over limits of their own are told different ones. So once a second chat is told
/// the end of the first one, it is the bot.
#[derive(Default)]
pub(in crate::channels::telegram) struct Rests(Mutex<Resting>);

#[derive(Default)]
struct Resting {
    chats: HashMap<i64, Instant>,
    bot: Option<Instant>,
}

/// Who rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Chat,
    Bot,
}

impl Rests {
    /// A chat was told to pause.
    pub(super) fn note(&self, chat: i64, pause: Duration, now: Instant) -> Who {
        let end = now + pause;
        let mut resting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        resting.chats.retain(|_, until| *until > now);
        let close = |until: Instant| until.max(end).duration_since(until.min(end)) <= SAME;
        let is_bot = resting.bot.is_some_and(|until| until > now && close(until))
            || resting.chats.iter().any(|(other, until)| *other != chat && close(*until));
        resting.chats.insert(chat, end);
        if !is_bot {
            return Who::Chat;
        }
        resting.bot = Some(resting.bot.map_or(end, |until| until.max(end)));
        Who::Bot
    }

    pub(super) fn is_resting(&self, chat: i64, now: Instant) -> bool {
        let resting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        resting.bot.into_iter().chain(resting.chats.get(&chat).copied()).any(|until| until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn chats_with_limits_of_their_own_leave_the_others_alone() {
        let (rests, start) = (Rests::default(), Instant::now());
        assert_eq!(rests.note(-1, secs(30), start), Who::Chat);
        assert_eq!(rests.note(-1, secs(30), start), Who::Chat, "the same one again");
        assert_eq!(rests.note(-2, secs(12), start), Who::Chat, "another end");
        let later = start + secs(10);
        assert_eq!(rests.note(-3, secs(30), later), Who::Chat);
        let resting = |chat, at| rests.is_resting(chat, at);
        assert!(resting(-1, later) && resting(-2, later) && !resting(7, later));
        assert!(!resting(-2, start + secs(12)));
    }

    #[test]
    fn two_that_are_told_the_same_end_are_the_bot() {
        let (rests, start) = (Rests::default(), Instant::now());
        assert_eq!(rests.note(1, secs(30), start), Who::Chat);
        let later = start + secs(10);
        assert_eq!(rests.note(2, secs(20), later), Who::Bot);
        assert!(rests.is_resting(3, later), "whoever it is");
        assert_eq!(rests.note(3, secs(21), later), Who::Bot);
        let over = start + secs(31);
        assert!(!rests.is_resting(3, over));
        assert_eq!(rests.note(1, secs(30), over), Who::Chat, "forgotten");
    }
}
