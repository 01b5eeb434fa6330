//! The answer that a slash command needs at once: within three seconds, or Discord tells its user that the bot does not respond
//! (<https://docs.discord.com/developers/interactions/receiving-and-responding#responding-to-an-interaction>).

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde::de::IgnoredAny;
use serenity::builder::{
    CreateAllowedMentions, CreateInteractionResponse, CreateInteractionResponseMessage, EditInteractionResponse,
};

use crate::channels::discord::Discord;
use crate::channels::discord::api::{Call, CallError};
use crate::channels::discord::ids::Snowflake;
use crate::channels::discord::memory::Acknowledging;
use crate::channels::discord::normalize::Asked;
use crate::channels::discord::wire::Interaction;
use crate::model::texts::Text;
use crate::model::turn::Reason;
use crate::model::{Lang, TurnId};

/// What a command is answered with.
pub(super) struct Slip {
    id: Snowflake,
    token: String,
    /// Whether only its user sees the answer.
    private: bool,
    lang: Option<Lang>,
    /// While there is one, answers wait.
    acknowledging: Option<Acknowledging>,
}

impl Slip {
    pub(super) fn of(asked: &Asked, channel: &Discord) -> Self {
        Self {
            id: asked.id,
            token: asked.token.clone(),
            private: asked.private,
            lang: asked.incoming.sender.lang,
            acknowledging: Some(channel.sending.acknowledging(asked.id)),
        }
    }

    /// Of a command that is none of ours.
    pub(super) fn of_unknown(used: &Interaction) -> Self {
        let lang = used.locale.as_deref().and_then(Lang::from_tag);
        Self { id: used.id, token: used.token.clone(), private: true, lang, acknowledging: None }
    }
}

/// A callback that failed on its way is made once more, while Discord still waits.
const AGAIN: Duration = Duration::from_millis(300);

/// So long it may take, so that there is time for two.
const IN_TIME: Duration = Duration::from_millis(1_250);

impl Discord {
    /// The command is stored: its user sees that the bot thinks, and sees the end of it when there is no answer.
    pub(super) fn follow(self: &Arc<Self>, mut asked: Slip, turn: TurnId) {
        let channel = Arc::clone(self);
        tokio::spawn(async move {
            channel.defer(&asked).await;
            drop(asked.acknowledging.take());
            let ended = channel.context.store.watch(turn);
            let view = tokio::select! {
                () = channel.context.stop.cancelled() => return,
                view = ended => view,
            };
            // What a turn says goes the way of all answers. One that says nothing (the chatbot has nothing to say; the person
            // knows of the outage already) leaves nobody behind who would take the sign away.
            if let (true, Some(outcome)) = (view.replies.is_empty(), view.outcome) {
                channel.close(&asked, outcome.reason()).await;
            }
        });
    }

    /// "The bot thinks …".
    async fn defer(&self, asked: &Slip) {
        let message = CreateInteractionResponseMessage::new().ephemeral(asked.private);
        self.call_back(asked, &CreateInteractionResponse::Defer(message)).await;
    }

    /// Says something to the command's user alone, and nothing more will come.
    pub(super) fn say_at_once(self: &Arc<Self>, asked: Slip, text: Text) {
        let channel = Arc::clone(self);
        tokio::spawn(async move {
            let message = CreateInteractionResponseMessage::new()
                .ephemeral(true)
                .allowed_mentions(CreateAllowedMentions::new())
                .content(channel.said(&asked, text));
            channel.call_back(&asked, &CreateInteractionResponse::Message(message)).await;
        });
    }

    async fn call_back(&self, asked: &Slip, response: &CreateInteractionResponse) {
        let path = format!("interactions/{}/{}/callback", asked.id, asked.token);
        for attempt in 0..2 {
            let call = Call::anonymous(Method::POST, &path);
            let answer = tokio::time::timeout(IN_TIME, self.api.ask_with::<_, IgnoredAny>(call, response)).await;
            match answer.unwrap_or_else(|_| Err(CallError::Lost("no answer in time".to_owned()))) {
                Ok(_) => return,
                // Made before, by the attempt that seemed to be lost or by whoever heard the same command.
                Err(error) if error.code() == Some(ACKNOWLEDGED) => return,
                Err(
                    CallError::Connect(_)
                    | CallError::Lost(_)
                    | CallError::Odd { .. }
                    | CallError::Refused { status: 500.., .. },
                ) if attempt == 0 => {
                    tokio::time::sleep(AGAIN).await;
                }
                // The answer finds its way without it: as a message, or as a direct message.
                Err(error) => {
                    tracing::warn!(channel = %self.context.id, %error, "a slash command could not be acknowledged in time");
                    return;
                }
            }
        }
    }

    /// Takes the sign away that the bot thinks.
    async fn close(&self, asked: &Slip, reason: Option<Reason>) {
        let text = match reason {
            Some(Reason::NotAllowed | Reason::AdminsOnly) => Text::NotForYou,
            _ => Text::TryAgain,
        };
        let edit = EditInteractionResponse::new()
            .content(self.said(asked, text))
            .allowed_mentions(CreateAllowedMentions::new());
        let closed = async {
            let path = format!("webhooks/{}/{}/messages/@original", self.application().await?, asked.token);
            self.api.ask_with::<_, IgnoredAny>(Call::anonymous(Method::PATCH, &path), &edit).await.map(drop)
        };
        if let Err(error) = closed.await {
            tracing::debug!(channel = %self.context.id, %error, "a slash command could not be closed");
        }
    }

    /// In the language of the user's client, else the channel's.
    fn said(&self, asked: &Slip, text: Text) -> String {
        let lang = asked.lang.unwrap_or(self.context.lang);
        let said = self.context.texts.get(lang, text);
        if said.trim().is_empty() { "…".to_owned() } else { said }
    }
}

/// "Interaction has already been acknowledged".
const ACKNOWLEDGED: u32 = 40_060;
