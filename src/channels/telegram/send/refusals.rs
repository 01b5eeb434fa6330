//! Which scope is meant when Telegram asks to be left alone (429): it does not say whether it is the chat or the whole bot.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::channels::telegram::ids;
use crate::model::Target;

/// So many chats at rest at once, groups or not, and it is the bot.
const MANY: usize = 3;

/// Chats that Telegram has asked to be left alone.
#[derive(Default)]
pub(in crate::channels::telegram) struct Refusals(Mutex<HashMap<i64, Instant>>);

impl Refusals {
    /// The scope that has to pause. A chat is meant, until another one is refused while the first still rests: then it is the
    /// bot. Busy groups are no evidence, each of them has a limit of its own that it meets often; a few of them at once are.
    pub(super) fn note(&self, chat: i64, target: &Target, pause: Duration, now: Instant) -> String {
        let mut resting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|_, until| *until > now);
        resting.insert(chat, now + pause);
        let alone = resting.len() == 1;
        let groups_only = resting.keys().all(|chat| *chat < 0);
        if alone || groups_only && resting.len() < MANY {
            format!("{}{}", ids::CHAT_SCOPE, target.key)
        } else {
            ids::BOT_SCOPE.to_owned()
        }
    }

    pub(super) fn is_resting(&self, chat: i64, now: Instant) -> bool {
        let resting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        resting.get(&chat).is_some_and(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Refusals;
    use crate::model::Target;

    fn scopes(chats: &[i64]) -> Vec<String> {
        let (refusals, now) = (Refusals::default(), Instant::now());
        let note = |chat: &i64| refusals.note(*chat, &Target::of(chat.to_string()), Duration::from_secs(60), now);
        chats.iter().map(note).collect()
    }

    #[test]
    fn a_chat_is_meant_until_others_are_refused_as_well() {
        assert_eq!(scopes(&[7, 7]), ["chat:7", "chat:7"]);
        assert_eq!(scopes(&[7, 8]), ["chat:7", "bot"]);
        assert_eq!(scopes(&[-7, 8]), ["chat:-7", "bot"]);
    }

    #[test]
    fn two_busy_groups_stop_nobody_else() {
        assert_eq!(scopes(&[-7, -8, -7, -9]), ["chat:-7", "chat:-8", "chat:-7", "bot"]);
    }

    #[test]
    fn what_has_rested_is_forgotten() {
        let (refusals, now, pause) = (Refusals::default(), Instant::now(), Duration::from_secs(5));
        refusals.note(7, &Target::of("7"), pause, now);
        assert!(refusals.is_resting(7, now) && !refusals.is_resting(8, now));
        assert!(!refusals.is_resting(7, now + pause));
        assert_eq!(refusals.note(8, &Target::of("8"), pause, now + pause), "chat:8");
    }
}
