//! The least that teloxide can do: it answers every message, and keeps nothing.

use anyhow::Result;
use teloxide::Bot;
use teloxide::payloads::GetUpdatesSetters;
use teloxide::requests::{Request, Requester};
use teloxide::types::UpdateKind;

use super::server::TOKEN;
use crate::stub::ANSWER;

pub(crate) async fn run(server: &str) -> Result<()> {
    let bot = Bot::new(TOKEN).set_api_url(server.parse()?);
    let mut offset = 0;
    loop {
        for update in bot.get_updates().offset(offset).timeout(10).send().await? {
            offset = update.id.as_offset();
            if let UpdateKind::Message(message) = update.kind {
                let bot = bot.clone();
                tokio::spawn(async move { bot.send_message(message.chat.id, ANSWER).send().await.map(drop) });
            }
        }
    }
}
