//! Answers to slash commands, through the token of the interaction
//! (<https://docs.discord.com/developers/interactions/receiving-and-responding#followup-messages>).
//!
//! The ingress has deferred the answer: the person sees "thinking…". The first thing that is said takes that place, what comes after
//! is a message more. These calls need no other token, and there is no nonce for them.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::channels::discord::Discord;
use crate::channels::discord::api::{Call, CallError};
use crate::channels::discord::ids::{self, Snowflake};
use crate::channels::discord::send::body::{self, Said};
use crate::channels::discord::send::refused::{Step, Tried, meaning};
use crate::channels::discord::send::{id_of, receipt, was_tried};
use crate::contract::channel::{SendError, SendReceipt};
use crate::contract::store::OutboxRow;

/// "Thinking…" (<https://docs.discord.com/developers/resources/message#message-object-message-flags>).
const LOADING: u64 = 1 << 7;

/// So often, and so soon after the command, an unknown token may be one whose acknowledgement is on the way: another replica
/// makes it, or it was slow.
const EARLY_TRIES: u32 = 3;
const EARLY: Duration = Duration::from_secs(60);

impl Discord {
    pub(super) async fn answer(
        &self,
        id: Snowflake,
        token: &str,
        said: &Said,
        row: &OutboxRow,
    ) -> Result<SendReceipt, SendError> {
        self.sending.acknowledged(id).await;
        let application = match self.application().await {
            Ok(application) => application,
            Err(error) => return Err(self.failed(meaning(&error, Tried::new(Step::Read)), row)),
        };
        let webhook = format!("webhooks/{application}/{token}");
        let original = format!("{webhook}/messages/@original");
        let age = self.context.clock.now().since(id.time());
        let is_early = row.attempts < EARLY_TRIES && age < EARLY;
        let tried = |step| Tried { is_file: said.file.is_some(), is_early, ..Tried::new(step) };

        // Only that it is filled can be remembered: that it is not may have changed by another replica.
        let mut is_filled = self.sending.filled.contains_key(&id);
        if !is_filled {
            let shown = match self.api.ask::<Value>(Call::anonymous(Method::GET, &original)).await {
                Ok(answer) => answer.body,
                Err(error) => return Err(self.failed(meaning(&error, tried(Step::Look)), row)),
            };
            is_filled = shown["flags"].as_u64().unwrap_or(0) & LOADING == 0;
            if is_filled {
                self.sending.filled.insert(id, ()).await;
                if was_tried(row) && said.is_said_by(&shown) {
                    return Ok(SendReceipt {
                        ids: id_of(&shown).iter().map(Snowflake::to_string).collect(),
                        pauses: Vec::new(),
                    });
                }
            }
        }
        let file = said.file.as_ref();
        let answered = if is_filled {
            let further = said.follow_up(ids::is_private(&row.target));
            body::post(&self.api, Call::anonymous(Method::POST, &webhook), &further, file).await
        } else {
            body::post(&self.api, Call::anonymous(Method::PATCH, &original), &said.edit(), file).await
        };
        match answered {
            Ok(answer) => {
                self.sending.filled.insert(id, ()).await;
                Ok(receipt(&row.target, answer))
            }
            Err(error) => Err(self.failed(meaning(&error, tried(Step::Answer)), row)),
        }
    }

    /// The application that the bot belongs to; asked for once.
    pub(in crate::channels::discord) async fn application(&self) -> Result<Snowflake, CallError> {
        let ask = async || {
            let answer = self.api.ask::<Value>(Call::get("applications/@me")).await?;
            id_of(&answer.body)
                .ok_or_else(|| CallError::Odd { status: 200, what: "an application without a number".to_owned() })
        };
        self.application.get_or_try_init(ask).await.copied()
    }
}
