//! Who the bot is and what it may read.

use serde::Deserialize;
use serenity::model::gateway::GatewayIntents;

use crate::channels::discord::Discord;
use crate::channels::discord::api::{Call, CallError};
use crate::channels::discord::ids::Snowflake;

/// The bot's application (<https://docs.discord.com/developers/resources/application>).
#[derive(Debug, Deserialize)]
pub(in crate::channels::discord) struct Application {
    pub(in crate::channels::discord) id: Snowflake,
    #[serde(default)]
    pub(in crate::channels::discord) flags: u64,
    #[serde(default)]
    pub(in crate::channels::discord) approximate_guild_count: Option<u64>,
}

/// Either of these says that the portal's switch "Message Content Intent" is on
/// (<https://docs.discord.com/developers/resources/application#application-object-application-flags>).
pub(in crate::channels::discord) const CONTENT_GRANTED: u64 = 1 << 18 | 1 << 19;

impl Discord {
    pub(super) async fn learn_application(&self) -> Result<Application, CallError> {
        Ok(self.api.ask(Call::get("applications/@me")).await?.body)
    }

    /// What the gateway is asked to tell. To ask for what is not granted would end the connection.
    pub(super) fn intents(&self, reads_content: bool) -> u64 {
        let mut intents = GatewayIntents::GUILDS | GatewayIntents::GUILD_MESSAGES | GatewayIntents::DIRECT_MESSAGES;
        if reads_content {
            intents |= GatewayIntents::MESSAGE_CONTENT;
        }
        intents.bits()
    }

    /// What is said while the switch is off that the section wants on.
    pub(super) fn content_hint(&self) -> String {
        format!(
            "the Message Content intent is off in the developer portal (page \"Bot\"): the bot hears mentions, direct messages and \
             slash commands only. Turn it on, or set `channels.{}.message_content = false`",
            self.context.id
        )
    }
}
