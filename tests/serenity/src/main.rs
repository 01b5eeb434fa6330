//! Says what it is told, and nothing else: to mentions and direct messages of people.
//!
//! `ECHO_API` where Discord is, `ECHO_TOKEN` the bot's token.

use std::env::var;
use std::sync::Arc;

use serenity::all::{
    ClientBuilder, Context, CreateAllowedMentions, CreateMessage, EventHandler, GatewayIntents, HttpBuilder, Message,
};
use serenity::async_trait;

struct Echo;

#[async_trait]
impl EventHandler for Echo {
    async fn message(&self, context: Context, message: Message) {
        let own = context.http.application_id().map(|id| id.get());
        let is_asked = message.guild_id.is_none() || message.mentions.iter().any(|user| Some(user.id.get()) == own);
        if message.author.bot || !is_asked {
            return;
        }
        let answer = CreateMessage::new().content(message.content).allowed_mentions(CreateAllowedMentions::new());
        if let Err(error) = message.channel_id.send_message(&context.http, answer).await {
            eprintln!("not sent: {error}");
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let http = HttpBuilder::new(var("ECHO_TOKEN")?).proxy(var("ECHO_API")?).ratelimiter_disabled(true).build();
    let intents = GatewayIntents::GUILDS
        | GatewayIntents::GUILD_MESSAGES
        | GatewayIntents::DIRECT_MESSAGES
        | GatewayIntents::MESSAGE_CONTENT;
    let mut client = ClientBuilder::new_with_http(http, intents).event_handler_arc(Arc::new(Echo)).await?;
    client.start().await?;
    Ok(())
}
