//! What has to be asked for: what no event has told, and what was said while nobody listened.

use std::collections::HashMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::channels::discord::Discord;
use crate::channels::discord::api::{Call, CallError};
use crate::channels::discord::ids::Snowflake;
use crate::channels::discord::normalize::{self, Rules};
use crate::channels::discord::places::{REFUSED, UNANSWERED, Wanted};
use crate::channels::discord::wire::{Channel, Guild, Member, Message};

/// How long an event, and all that come after it, wait for what would have to be known to judge it.
const PATIENCE: Duration = Duration::from_secs(3);

/// The first pause after a failure; it doubles.
const PAUSE: Duration = Duration::from_millis(500);

/// Who the authors of a chat are in its server; `None`: nobody there any more.
pub(super) type Authors = HashMap<Snowflake, Option<Member>>;

impl Discord {
    /// Asks until there is an answer, a refusal, or no patience left.
    pub(super) async fn look<T: DeserializeOwned>(&self, path: &str, patience: Duration) -> Result<T, CallError> {
        let began = Instant::now();
        let mut pause = PAUSE;
        loop {
            let error = match self.api.ask(Call::get(path)).await {
                Ok(answer) => return Ok(answer.body),
                Err(error) => error,
            };
            let wait = match &error {
                CallError::Limited { retry_after, .. } => *retry_after,
                CallError::Refused { status, .. } if *status < 500 => return Err(error),
                CallError::Connect(_) | CallError::Lost(_) | CallError::Odd { .. } | CallError::Refused { .. } => pause,
            };
            if began.elapsed() + wait > patience {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(Duration::from_secs(10));
        }
    }

    /// Asks for what is not known of the places that a message names: after a connection that was taken up again Discord does
    /// not tell them. Without an answer the message is judged by what is known.
    pub(super) async fn look_up(&self, message: &Message, rules: &Rules) {
        let until = Instant::now() + PATIENCE;
        // A thread leads to its channel, and that to its category.
        for _ in 0..4 {
            let missing = normalize::missing(message, &self.places, rules);
            if missing.is_empty() {
                return;
            }
            for wanted in missing {
                self.look_for(wanted, until.saturating_duration_since(Instant::now())).await;
            }
        }
    }

    async fn look_for(&self, wanted: Wanted, patience: Duration) {
        let looking = async {
            match wanted {
                Wanted::Channel(id) => {
                    let looked = self.look::<Channel>(&format!("channels/{id}"), patience).await;
                    looked.map(|channel| self.places.learn_looked_up(&channel))
                }
                Wanted::Roles(guild) => {
                    let looked = self.look::<Guild>(&format!("guilds/{guild}"), patience).await;
                    looked.map(|found| self.places.learn_roles(guild, &found.roles))
                }
            }
        };
        let looked = tokio::time::timeout(patience, looking).await;
        let looked = looked.unwrap_or_else(|_| Err(CallError::Lost("no answer in time".to_owned())));
        if let Err(error) = looked {
            tracing::debug!(channel = %self.context.id, %error, ?wanted, "what a message names is not known");
            let refused = matches!(error, CallError::Refused { status, .. } if status < 500);
            self.places.give_up(wanted, if refused { REFUSED } else { UNANSWERED });
        }
    }

    /// What a message that was read over REST lacks of its author: the name in the server, and the roles. Each author of a chat
    /// is asked for once.
    pub(super) async fn add_member(&self, message: &mut Message, authors: &mut Authors) {
        let (Some(guild), None, Some(author)) = (message.guild_id, &message.member, &message.author) else { return };
        if let Some(known) = authors.get(&author.id) {
            message.member.clone_from(known);
            return;
        }
        let path = format!("guilds/{guild}/members/{}", author.id);
        match self.look::<Member>(&path, PATIENCE).await {
            Ok(member) => {
                authors.insert(author.id, Some(member.clone()));
                message.member = Some(member);
            }
            Err(error) => {
                tracing::debug!(channel = %self.context.id, %error, "an author's name in the server is not known");
                // Whoever has left stays away; what only failed may work for the next message.
                if matches!(error, CallError::Refused { status, .. } if status < 500) {
                    authors.insert(author.id, None);
                }
            }
        }
    }
}
