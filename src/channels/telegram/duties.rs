//! What is done beside the talk: the list of commands, and a look at every leg for `check --online`.

use sha2::{Digest, Sha256};
use teloxide::payloads::{self, SetMyCommandsSetters};
use teloxide::types::BotCommand;

use crate::channels::telegram::Telegram;
use crate::channels::telegram::api::CallError;
use crate::channels::telegram::config::{Groups, Receive};
use crate::channels::telegram::ingress::KV;
use crate::channels::telegram::wire::{Identity, WebhookInfo};
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
    let mut findings =
        vec![Finding::ok(format!("Telegram accepts the token: @{} ({}), id {}", bot.username, bot.first_name, bot.id))];
    findings.push(groups(channel, &bot));
    match channel.webhook_info().await {
        Ok(info) => findings.extend(webhook(channel, &info)),
        Err(error) => findings.push(unreachable(channel, &error)),
    }
    findings
}

/// Who receives the bot's messages, and whether they arrive.
fn webhook(channel: &Telegram, info: &WebhookInfo) -> Vec<Finding> {
    let id = &channel.context.id;
    let is_own = channel.webhook_url().is_some_and(|own| own == info.url);
    let host = info.url.split('/').nth(2).unwrap_or("another server");
    let waiting = match info.pending_update_count {
        0 => "nothing waits".to_owned(),
        1 => "1 update waits".to_owned(),
        n => format!("{n} updates wait"),
    };
    let state = match (channel.config.receive, info.url.is_empty()) {
        (Receive::Polling, true) => Finding::ok("no webhook is set: the bridge polls"),
        (Receive::Webhook, true) => Finding::ok("no webhook is set yet: the bridge sets it when it runs"),
        (Receive::Webhook, false) if is_own => Finding::ok(format!("its webhook is set, {waiting}")),
        (Receive::Polling, false) if is_own => {
            Finding::ok("its own webhook is still set: the bridge takes it away when it runs, and polls")
        }
        _ if channel.config.take_over => {
            Finding::ok(format!("a webhook at {host} is set: the bridge takes the bot over when it runs (`take_over`)"))
        }
        _ => Finding::wrong(
            format!("a webhook at {host} receives this bot's messages"),
            format!(
                "if another program is there, stop it and set `channels.{id}.take_over = true`, or give the bridge a bot of \
                 its own; if it is the bridge's own from earlier, the bridge replaces it when it runs"
            ),
        ),
    };
    let ours = is_own && channel.config.receive == Receive::Webhook && info.pending_update_count > 0;
    let failed = info.last_error_message.as_ref().filter(|_| ours).map(|error| {
        Finding::wrong(
            format!("Telegram could not deliver to the webhook: {error} ({waiting})"),
            "does the bridge run, and can Telegram reach it at `webhook_url` from the internet?",
        )
    });
    [Some(state), failed].into_iter().flatten().collect()
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
    let id = &channel.context.id;
    if error.is_unauthorized() {
        let hint = format!("set `channels.{id}.token` to the token from @BotFather (/token shows it)");
        return Finding::wrong(format!("Telegram refuses the token: {error}"), hint);
    }
    let server = channel.config.api_url.split('/').nth(2).unwrap_or_default();
    Finding::wrong(
        format!("the Bot API server {server}: {error}"),
        "can this machine reach it (`api_url`)? Is a proxy needed (`proxy`)?",
    )
}
