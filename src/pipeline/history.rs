//! Reads a conversation's history from CaiGunn.

use async_trait::async_trait;

use crate::caigunn::{self, HistoryEntry, MessagesFilter, Page};
use crate::contract::channel::{Exchange, History};
use crate::model::BotName;
use crate::pipeline::bots::Bots;

/// The largest `limit` is not documented; a server that gives fewer is asked from where it stopped.
const PAGE: u64 = 100;

/// Pages read at most: 5,000 entries of one uid.
const MAX_PAGES: u32 = 50;

/// All entries that the filter lets through, in the server's order, up to an empty page.
pub(crate) async fn read_all(
    bot: &caigunn::Bot,
    uid: &str,
    filter: &MessagesFilter,
) -> Result<Vec<HistoryEntry>, caigunn::Error> {
    let mut all = Vec::new();
    for _ in 0..MAX_PAGES {
        let page = bot.messages(uid, Page { offset: all.len() as u64, limit: PAGE }, filter.clone()).await?;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    Ok(all)
}

/// The newest `limit` exchanges, oldest first. CaiGunn does not document the order of its list: where the times can be
/// compared they decide, else the list is taken as it comes.
pub(crate) async fn newest(bot: &caigunn::Bot, uid: &str, limit: usize) -> Result<Vec<Exchange>, caigunn::Error> {
    let entries = read_all(bot, uid, &MessagesFilter::default()).await?;
    let mut all: Vec<Exchange> = entries
        .into_iter()
        .map(|entry| Exchange { at: entry.created_at, sent: entry.send, received: entry.receive })
        .collect();
    if all.iter().all(|exchange| exchange.at.is_some()) {
        all.sort_by(|a, b| a.at.cmp(&b.at));
    }
    Ok(all.split_off(all.len().saturating_sub(limit)))
}

#[async_trait]
impl History for Bots {
    async fn history(&self, bot: &BotName, uid: &str, limit: usize) -> Result<Vec<Exchange>, String> {
        let bot = self.get(bot).ok_or_else(|| format!("there is no bot `{bot}`"))?;
        newest(&bot.client(), uid, limit).await.map_err(|error| error.to_string())
    }
}
