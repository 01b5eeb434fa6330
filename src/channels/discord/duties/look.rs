//! A look at every leg, for `check --online`.

use serde::Deserialize;

use crate::channels::discord::Discord;
use crate::channels::discord::api::{Call, CallError};
use crate::channels::discord::config::Servers;
use crate::channels::discord::ids::Snowflake;
use crate::channels::discord::ingress::identity::{Application, CONTENT_GRANTED};
use crate::contract::channel::Finding;

#[derive(Deserialize)]
struct Me {
    id: Snowflake,
    username: String,
}

/// What of the bot's sessions matters here (<https://docs.discord.com/developers/events/gateway#get-gateway-bot>).
#[derive(Deserialize)]
struct Gateway {
    shards: u32,
    session_start_limit: Starts,
}

#[derive(Deserialize)]
struct Starts {
    total: u32,
    remaining: u32,
    reset_after: u64,
}

/// Who the bot is, what it may read, how it is connected, and how it gets into a server.
pub(in crate::channels::discord) async fn probe(channel: &Discord) -> Vec<Finding> {
    let me: Me = match channel.api.ask(Call::get("users/@me")).await {
        Ok(me) => me.body,
        Err(error) => return vec![unreachable(channel, &error)],
    };
    let mut findings = vec![Finding::ok(format!("Discord accepts the token: {}, id {}", me.username, me.id))];
    match channel.api.ask::<Application>(Call::get("applications/@me")).await {
        Ok(application) => {
            findings.extend([content(channel, &application.body), invitation(channel, &application.body)])
        }
        Err(error) => findings.push(unreachable(channel, &error)),
    }
    match channel.api.ask::<Gateway>(Call::get("gateway/bot")).await {
        Ok(gateway) => findings.push(gateway_of(channel, &gateway.body)),
        Err(error) => findings.push(unreachable(channel, &error)),
    }
    findings
}

fn content(channel: &Discord, application: &Application) -> Finding {
    let (config, id) = (&channel.config, &channel.context.id);
    let granted = application.flags & CONTENT_GRANTED != 0;
    let needed = config.servers == Servers::Always
        || !config.always_in.is_empty()
        || !config.patterns.is_empty()
        || !config.threads_in.is_empty()
        || config.follow_threads;
    match (granted, config.message_content) {
        (true, true) => Finding::ok("the Message Content intent is on: it can read messages that do not mention it"),
        (true, false) => Finding::ok(format!(
            "the Message Content intent is on and not used (`channels.{id}.message_content = false`)"
        )),
        (false, true) if needed => Finding::wrong(
            "the Message Content intent is off: the bot hears mentions, direct messages and slash commands only",
            format!(
                "turn it on in the developer portal (page \"Bot\", \"Message Content Intent\") and restart the bridge, or set \
                 `channels.{id}.message_content = false`"
            ),
        ),
        (false, _) => Finding::ok(
            "the Message Content intent is off: it hears mentions, direct messages and slash commands, which is all it needs",
        ),
    }
}

fn gateway_of(channel: &Discord, gateway: &Gateway) -> Finding {
    let Starts { total, remaining, reset_after } = gateway.session_start_limit;
    let shards = match channel.config.shards {
        Some(shards) => format!("{shards} shards (Discord recommends {})", gateway.shards),
        None if gateway.shards == 1 => "1 shard".to_owned(),
        None => format!("{} shards", gateway.shards),
    };
    if remaining == 0 {
        return Finding::wrong(
            format!(
                "the gateway can be reached, but no connection may be begun within the next {} min",
                reset_after.div_ceil(60_000)
            ),
            "something has begun too many sessions today: is the token in use elsewhere?",
        );
    }
    Finding::ok(format!("the gateway can be reached: {shards}, {remaining} of {total} session starts left today"))
}

/// See channels, send messages (in threads, too), send files, read what came before
/// (<https://docs.discord.com/developers/topics/permissions>).
const LEAST: u64 = 1 << 10 | 1 << 11 | 1 << 38 | 1 << 15 | 1 << 16;
/// Show previews of links.
const EMBED_LINKS: u64 = 1 << 14;
const OPEN_THREADS: u64 = 1 << 35;

fn invitation(channel: &Discord, application: &Application) -> Finding {
    let config = &channel.config;
    let mut permissions = LEAST;
    if config.link_previews {
        permissions |= EMBED_LINKS;
    }
    if !config.threads_in.is_empty() {
        permissions |= OPEN_THREADS;
    }
    let scope = if config.commands { "bot+applications.commands" } else { "bot" };
    let servers = match application.approximate_guild_count {
        Some(1) => " (it is in 1 server)".to_owned(),
        Some(n) => format!(" (it is in {n} servers)"),
        None => String::new(),
    };
    Finding::ok(format!(
        "invite it with https://discord.com/oauth2/authorize?client_id={}&scope={scope}&permissions={permissions}{servers}",
        application.id
    ))
}

fn unreachable(channel: &Discord, error: &CallError) -> Finding {
    let id = &channel.context.id;
    if error.is_unauthorized() {
        let hint = format!(
            "set `channels.{id}.token` to the token from the developer portal (page \"Bot\", \"Reset Token\" makes a new one)"
        );
        return Finding::wrong("Discord refuses the token (401)", hint);
    }
    let server = channel.config.api_url.split('/').nth(2).unwrap_or_default();
    let hint = match error {
        CallError::Limited { .. } => "Discord wants to be left alone for so long: look again then",
        _ => "can this machine reach it (`api_url`)? Is a proxy needed (`proxy`)?",
    };
    Finding::wrong(format!("Discord's API at {server}: {error}"), hint)
}
