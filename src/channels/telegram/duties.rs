//! What is done beside the talk: the list of commands, and a look at every leg for `check --online`.

use sha2::{Digest, Sha256};
use teloxide::payloads::{self, SetMyCommandsSetters};
use teloxide::types::BotCommand;

use crate::channels::telegram::Telegram;
use crate::channels::telegram::api::CallError;
use crate::channels::telegram::config::{Groups, Receive};
use crate::channels::telegram::ingress::KV;
use crate::channels::telegram::wire::Identity;
use crate::contract::channel::{Finding, SendError};
use crate::model::Lang;
use crate::model::commands::CATALOGUE;
use crate::model::hex::hex;

/// Sets the menu of commands, in each language, when it is not what was last set.
pub(super) async fn maintain(channel: &Telegram) -> Result<(), SendError> {
    let menus = [(None, Lang::En), (Some("zh"), Lang::ZhTw)].map(|(code, lang)| (code, menu(channel, lang)));
    let digest = hex(&Sha256::digest(format!("{menus:?}")));
    let key = format!("commands:{}", channel.config.bot_id());
    let store = &channel.context.store;
    let known = store.get(KV, &key).await.map_err(|error| SendError::Transient(error.to_string()))?;
    if known.as_ref() == Some(&digest) {
        return Ok(());
    }
    for (code, commands) in menus {
        let mut payload = payloads::SetMyCommands::new(commands);
        if let Some(code) = code {
            payload = payload.language_code(code);
        }
        channel.api.tell(&payload).await.map_err(|error| SendError::Transient(error.to_string()))?;
    }
    store.put(KV, &key, &digest).await.map_err(|error| SendError::Transient(error.to_string()))
}

/// At most 256 characters describe a command (<https://core.telegram.org/bots/api#botcommand>).
const MAX_DESCRIPTION: usize = 256;

fn menu(channel: &Telegram, lang: Lang) -> Vec<BotCommand> {
    let texts = &channel.context.texts;
    let commands = CATALOGUE.iter().map(|info| (info.name, texts.get(lang, info.summary)));
    commands
        .filter(|(_, summary)| !summary.trim().is_empty())
        .map(|(name, summary)| BotCommand::new(name, summary.chars().take(MAX_DESCRIPTION).collect::<String>()))
        .collect()
}

/// Who the bot is, what it sees, and how it is reached.
pub(super) async fn probe(channel: &Telegram) -> Vec<Finding> {
    let bot: Identity = match channel.api.ask(&payloads::GetMe::new()).await {
        Ok(bot) => bot,
        Err(error) => return vec![unreachable(channel, &error)],
    };
    let id = &channel.context.id;
    let mut findings =
        vec![Finding::ok(format!("Telegram accepts the token: @{} ({}), id {}", bot.username, bot.first_name, bot.id))];
    findings.push(groups(channel, &bot));
    match channel.webhook_info().await {
        Ok(info) => {
            let own = channel.webhook_url();
            let host = info.url.split('/').nth(2).unwrap_or("another server");
            let set = !info.url.is_empty();
            findings.push(match (channel.config.receive, set) {
                (Receive::Polling, false) => Finding::ok("no webhook is set: the bridge polls"),
                (Receive::Webhook, false) => Finding::ok("no webhook is set yet: the bridge sets it when it runs"),
                (Receive::Webhook, true) if own.as_deref() == Some(info.url.as_str()) => {
                    Finding::ok(format!("the webhook is set, {} updates wait", info.pending_update_count))
                }
                _ if channel.config.take_over => {
                    Finding::ok(format!("a webhook at {host} is set; the bridge takes the bot over when it runs"))
                }
                _ => Finding::wrong(
                    format!("a webhook at {host} receives this bot's messages"),
                    format!(
                        "stop what runs there and remove it (`deleteWebhook`), or set `channels.{id}.take_over = true`; \
                         a webhook of this bridge's own from earlier is replaced by itself"
                    ),
                ),
            });
            if let Some(error) = info.last_error_message.filter(|_| info.pending_update_count > 0) {
                let what = format!("Telegram's last delivery to the webhook failed: {error}");
                findings.push(Finding::wrong(what, "is the bridge reachable at `webhook_url` from the internet?"));
            }
        }
        Err(error) => findings.push(unreachable(channel, &error)),
    }
    findings
}

fn groups(channel: &Telegram, bot: &Identity) -> Finding {
    let wants_all = channel.config.groups == Groups::Always
        || !channel.config.always_in.is_empty()
        || !channel.config.patterns.is_empty();
    match (bot.can_join_groups, bot.can_read_all_group_messages, wants_all) {
        (false, _, _) => Finding::ok("it cannot be added to groups (@BotFather: /setjoingroups)"),
        (true, false, true) => Finding::wrong(
            "privacy mode is on: in groups Telegram shows the bot only mentions, replies and commands",
            "turn it off with @BotFather (/setprivacy) and add the bot to the group again, or make it an administrator there",
        ),
        (true, false, false) => {
            Finding::ok("privacy mode is on: in groups it sees mentions, replies and commands, which is all it needs")
        }
        (true, true, _) => Finding::ok("privacy mode is off: in groups it sees every message"),
    }
}

fn unreachable(channel: &Telegram, error: &CallError) -> Finding {
    let hint = if error.is_unauthorized() {
        format!("set `channels.{}.token` to the token from @BotFather (/token shows it)", channel.context.id)
    } else {
        "can this machine reach the Bot API server (`api_url`)? Is a proxy needed?".to_owned()
    };
    Finding::wrong(format!("Telegram: {error}"), hint)
}
