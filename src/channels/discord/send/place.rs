//! Where a message goes: channels as they are, threads and direct messages that are opened first.

use reqwest::Method;
use serde_json::{Value, json};
use serenity::builder::CreateThread;

use crate::channels::discord::Discord;
use crate::channels::discord::api::Call;
use crate::channels::discord::ids::{self, Snowflake};
use crate::channels::discord::memory::Rest;
use crate::channels::discord::send::body::{self, Said};
use crate::channels::discord::send::refused::{Meaning, Step, Tried, meaning};
use crate::channels::discord::send::{id_of, receipt, was_tried};
use crate::contract::channel::{SendError, SendReceipt};
use crate::contract::store::OutboxRow;

impl Discord {
    /// Posts a message.
    pub(super) async fn say(
        &self,
        step: Step,
        channel: Snowflake,
        said: &Said,
        row: &OutboxRow,
    ) -> Result<SendReceipt, SendError> {
        let path = format!("channels/{channel}/messages");
        let nonce = ids::nonce(self.context.id.as_str(), row);
        let mut quotes = said.reply_to.is_some() && !self.sending.quoteless.contains_key(&channel);
        loop {
            let message = said.message(channel, &nonce, quotes);
            let call = Call::new(Method::POST, &path);
            let is_file = said.file.is_some();
            let known = self.sending.mute.get(&channel).await;
            let is_news = known.is_none();
            let posted = match known {
                Some(refusal) => Err(refusal),
                None => body::post(&self.api, call, &message, said.file.as_ref()).await,
            };
            let error = match posted {
                Ok(answer) => {
                    self.links.token_taken();
                    return Ok(receipt(&row.target, answer));
                }
                Err(error) => error,
            };
            // A file may be refused where words are not.
            if is_news && !is_file && matches!(error.code(), Some(50001 | 50013)) {
                self.sending.mute.insert(channel, error.clone()).await;
            }
            let tried = Tried { is_file, quotes, again: was_tried(row), ..Tried::new(step) };
            match meaning(&error, tried) {
                // Nothing was sent, so that the nonce is still free.
                Meaning::Unquotable { everywhere } => {
                    tracing::debug!(channel = %self.context.id, %error, "sending without naming the question");
                    quotes = false;
                    if everywhere {
                        self.sending.quoteless.insert(channel, ()).await;
                    }
                }
                Meaning::SentBefore => {
                    tracing::info!(channel = %self.context.id, row = row.seq, "it was sent, and has been deleted since");
                    return Ok(SendReceipt::default());
                }
                told => return Err(self.failed(told, row)),
            }
        }
    }

    /// Opens the thread that is to hang on a question, once; the thread has the question's number.
    pub(super) async fn open_thread(
        &self,
        channel: Snowflake,
        message: Snowflake,
        name: &str,
        row: &OutboxRow,
    ) -> Result<(), SendError> {
        if self.sending.threads.contains_key(&message) {
            return Ok(());
        }
        if let Some(reason) = self.sending.threadless.get(&channel).await {
            return Err(SendError::AddressRefused { reason: reason.to_string() });
        }
        if let Some(retry_after) = self.sending.rests_for(Rest::Threads(channel)).await {
            return Err(SendError::RateLimited { scope: ids::chat_scope(&row.target), retry_after });
        }
        let path = format!("channels/{channel}/messages/{message}/threads");
        let opened = self.api.ask_with(Call::new(Method::POST, &path), &CreateThread::new(name)).await;
        let opened = match opened {
            Ok(answer) => {
                let _: Value = answer.body;
                answer.pause
            }
            // Opened by an earlier try, or by a person: it is there.
            Err(error) if error.code() == Some(160_004) => None,
            Err(error) => {
                let told = meaning(&error, Tried::new(Step::OpenThread));
                match &told {
                    Meaning::Address(reason) if matches!(error.code(), Some(50001 | 50013 | 50024)) => {
                        self.sending.threadless.insert(channel, reason.as_str().into()).await;
                    }
                    // The limit is the channel's; each question in it has a thread, and a scope, of its own.
                    Meaning::RateLimited { retry_after, whole_bot: false } => {
                        self.sending.leave_alone(Rest::Threads(channel), *retry_after).await;
                    }
                    _ => {}
                }
                return Err(self.failed(told, row));
            }
        };
        self.sending.threads.insert(message, ()).await;
        if let Some(pause) = opened {
            self.sending.leave_alone(Rest::Threads(channel), pause).await;
        }
        Ok(())
    }

    /// The channel of the direct messages with a person (<https://docs.discord.com/developers/resources/user#create-dm>).
    pub(super) async fn direct(&self, user: Snowflake, row: &OutboxRow) -> Result<Snowflake, SendError> {
        if let Some(channel) = self.sending.directs.get(&user).await {
            return Ok(channel);
        }
        let call = Call::new(Method::POST, "users/@me/channels");
        let channel = match self.api.ask_with::<_, Value>(call, &json!({ "recipient_id": user })).await {
            Ok(answer) => id_of(&answer.body),
            Err(error) => return Err(self.failed(meaning(&error, Tried::new(Step::OpenDirect)), row)),
        };
        let channel = channel.ok_or_else(|| SendError::Transient("a direct channel without a number".to_owned()))?;
        self.sending.directs.insert(user, channel).await;
        Ok(channel)
    }
}
