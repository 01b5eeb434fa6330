//! What was said in one chat while nobody listened.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::channels::discord::Discord;
use crate::channels::discord::api::CallError;
use crate::channels::discord::ids::Snowflake;
use crate::channels::discord::ingress::kept::Chat;
use crate::channels::discord::ingress::live::{LONGEST_PAUSE, PAUSE};
use crate::channels::discord::ingress::lookup::Authors;
use crate::channels::discord::normalize::{self, Heard, Rules};
use crate::channels::discord::wire::Message;
use crate::model::{Incoming, Timestamp};

/// As many messages as Discord gives at once
/// (<https://docs.discord.com/developers/resources/message#get-channel-messages>).
const PAGE: usize = 100;

/// So many events are stored at once.
const BATCH: usize = 50;

/// All that is read of a message before it is known that it was missed.
#[derive(Deserialize)]
struct Id {
    id: Snowflake,
}

/// What was missed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    /// After this message.
    pub(super) after: Snowflake,
    /// Up to this one, where that is known.
    pub(super) last: Option<Snowflake>,
}

/// Reads what was said in a gap, the newest so many of them, and stores what was for the bot, the oldest first. Answers
/// how many those were.
pub(super) async fn read(channel: &Discord, rules: &Rules, chat: Chat, gap: Gap) -> Result<usize, CallError> {
    let missed = history(channel, chat, gap).await?;
    let mut found = 0;
    let mut events = Vec::new();
    let mut authors = Authors::new();
    for raw in missed.into_iter().rev() {
        let Ok(mut message) = serde_json::from_str::<Message>(raw.get()) else {
            channel.pass_over("unreadable");
            continue;
        };
        // Neither is written in a history.
        message.guild_id = chat.guild;
        channel.look_up(&message, rules).await;
        let judged = |message: &Message| {
            let judge = || normalize::message(message, &channel.places, rules);
            catch_unwind(AssertUnwindSafe(judge)).unwrap_or(Heard::Nothing("poisoned"))
        };
        let mut heard = judged(&message);
        if matches!(heard, Heard::Event(_)) {
            channel.add_member(&mut message, &mut authors).await;
            heard = judged(&message);
        }
        match heard {
            Heard::Event(event) => events.push((*event, Chat { last: message.id, ..chat })),
            Heard::Nothing(reason) => channel.pass_over(reason),
        }
        if events.len() >= BATCH {
            found += store(channel, &mut events).await;
        }
    }
    Ok(found + store(channel, &mut events).await)
}

/// Whatever it takes: who reads is ended when nobody waits for it any more.
async fn store(channel: &Discord, events: &mut Vec<(Incoming, Chat)>) -> usize {
    let Some((_, last)) = events.last() else { return 0 };
    let cursor = last.cursor(channel.bot);
    let events: Vec<_> = events.drain(..).map(|(event, _)| event).collect();
    let mut pause = PAUSE;
    while let Err(error) = channel.keep(events.clone(), vec![cursor.clone()]).await {
        tracing::error!(channel = %channel.context.id, %error, "what was missed cannot be stored; it waits");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    events.len()
}

/// The messages of a gap, the newest first.
async fn history(channel: &Discord, chat: Chat, gap: Gap) -> Result<Vec<Box<RawValue>>, CallError> {
    let most = usize::from(channel.config.catch_up_messages);
    let patience = *channel.config.timeout * 2;
    let mut missed: Vec<Box<RawValue>> = Vec::new();
    let mut before = gap.last.map_or_else(String::new, |last| format!("&before={}", last.0.saturating_add(1)));
    loop {
        let path = format!("channels/{}/messages?limit={PAGE}{before}", chat.id);
        let page: Vec<Box<RawValue>> = channel.look(&path, patience).await?;
        let is_last = page.len() < PAGE;
        for raw in page {
            let Ok(Id { id }) = serde_json::from_str::<Id>(raw.get()) else { continue };
            if id <= gap.after {
                return Ok(missed);
            }
            if missed.len() == most {
                tracing::warn!(
                    channel = %channel.context.id, chat = %chat.id, most,
                    "more messages were missed than `catch_up_messages`; the oldest of them are not read"
                );
                return Ok(missed);
            }
            before = format!("&before={id}");
            missed.push(raw);
        }
        if is_last {
            return Ok(missed);
        }
    }
}

/// Where to read on from: a little before what was last heard, since chats do not wait for each other; what is read twice is
/// known. Not from further back than the section allows.
pub(super) fn start(behind: Snowflake, now: Timestamp, catch_up: Duration) -> Snowflake {
    behind.earlier(SLACK).max(Snowflake::at(now).earlier(catch_up))
}

const SLACK: Duration = Duration::from_secs(2 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_begins_a_little_early_and_never_too_far_back() {
        let now = Timestamp(1_800_000_000_000);
        let at = |seconds: i64| Snowflake::at(Timestamp(now.0 - seconds * 1_000));
        let day = Duration::from_secs(86_400);
        assert_eq!(start(at(60), now, day), at(180));
        assert_eq!(start(at(90_000), now, day), at(86_400));
    }
}
