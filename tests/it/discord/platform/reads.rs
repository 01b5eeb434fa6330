//! Calls that change nothing.

use serde_json::{Value, json};

use super::errors::Refusal;
use super::form::Form;
use super::people::deny;
use super::routes::Call;
use super::send::visible;
use super::state::Inner;
use super::wire::Reply;
use super::{APPLICATION, BOT, BOT_NAME};

pub(super) fn read(inner: &Inner, call: &Call, form: &Form) -> Result<Reply, Refusal> {
    let value = match call {
        Call::Gateway => json!({ "url": inner.gateway_url }),
        Call::GatewayBot => gateway_bot(inner),
        Call::Me => me(inner),
        Call::Application => application(inner),
        Call::Guild(id) => guild(inner, *id).map(|id| inner.guild_json(id))?,
        Call::GuildChannels(id) => guild(inner, *id).map(|id| channels(inner, id))?,
        Call::GuildMember(id, user) => {
            let id = guild(inner, *id)?;
            if !inner.users.contains_key(user) {
                return Err(Refusal::new(404, 10007, "Unknown Member"));
            }
            inner.member(id, *user)
        }
        Call::ActiveThreads(id) => guild(inner, *id).map(|id| active_threads(inner, id))?,
        Call::Channel(channel) => visible(inner, *channel).map(|found| inner.channel_json(found))?,
        Call::ThreadMembers(thread) => thread_members(inner, *thread)?,
        Call::Message(channel, message) => one(inner, *channel, *message)?,
        Call::History(channel) => history(inner, *channel, form)?,
        _ => return Err(Refusal::not_found()),
    };
    Ok(Reply::Json(value))
}

/// <https://discord.com/developers/docs/events/gateway#get-gateway-bot>
fn gateway_bot(inner: &Inner) -> Value {
    let sockets = &inner.sockets;
    json!({
        "url": inner.gateway_url, "shards": sockets.shards,
        "session_start_limit": {
            "total": 1000, "remaining": sockets.starts_left, "reset_after": 14_400_000,
            "max_concurrency": sockets.max_concurrency,
        },
    })
}

fn me(inner: &Inner) -> Value {
    let mut me = inner.users[&BOT].clone();
    for (name, value) in [("verified", true.into()), ("mfa_enabled", true.into()), ("flags", 0.into())] {
        me[name] = value;
    }
    me["email"] = Value::Null;
    me["locale"] = "en-US".into();
    me["bio"] = "".into();
    me
}

fn application(inner: &Inner) -> Value {
    json!({
        "id": APPLICATION.to_string(), "name": BOT_NAME, "icon": null, "description": "", "type": null,
        "bot": me(inner), "summary": "", "bot_public": true, "bot_require_code_grant": false, "is_monetized": false,
        "verify_key": "1e0a356058d627ca38a5c8c9648818061d49e49bd9da9e3ab17d98ad4d6bg2u8",
        "flags": inner.application_flags(), "hook": true, "storefront_available": false, "guild_id": null,
        "owner": { "id": "900000000000000001", "username": "owner", "discriminator": "0", "global_name": "Owner",
                   "avatar": null, "public_flags": 0 },
        "team": null, "approximate_guild_count": inner.guilds.len(), "approximate_user_install_count": 0,
        "interactions_endpoint_url": null, "redirect_uris": [], "tags": [],
        "integration_types_config": { "0": {} },
    })
}

fn guild(inner: &Inner, id: u64) -> Result<u64, Refusal> {
    match inner.guilds.get(&id) {
        None => Err(Refusal::unknown_guild()),
        Some(guild) if !guild.joined => Err(Refusal::missing_access()),
        Some(_) => Ok(id),
    }
}

fn channels(inner: &Inner, guild: u64) -> Value {
    let own = inner.channels.values().filter(|channel| channel.guild == Some(guild) && !channel.is_thread());
    own.map(|channel| inner.channel_json(channel)).collect()
}

fn active_threads(inner: &Inner, guild: u64) -> Value {
    let open = inner.channels.values().filter(|channel| {
        channel.guild == Some(guild)
            && channel.is_thread()
            && channel.json["thread_metadata"]["archived"] == false
            && inner.sees(channel)
    });
    let open: Vec<_> = open.collect();
    let threads: Vec<Value> = open.iter().map(|thread| inner.thread(thread)).collect();
    let members: Vec<Value> = open
        .iter()
        .filter(|thread| thread.members.contains(&BOT))
        .map(|thread| {
            let mut member = inner.thread(thread)["member"].clone();
            member["id"] = thread.json["id"].clone();
            member["user_id"] = BOT.to_string().into();
            member
        })
        .collect();
    json!({ "threads": threads, "members": members })
}

fn thread_members(inner: &Inner, thread: u64) -> Result<Value, Refusal> {
    let found = visible(inner, thread)?;
    let since = &found.json["thread_metadata"]["create_timestamp"];
    let member = |user: &u64| json!({ "id": thread.to_string(), "user_id": user.to_string(), "join_timestamp": since, "flags": 1 });
    Ok(found.members.iter().map(member).collect())
}

fn one(inner: &Inner, channel: u64, message: u64) -> Result<Value, Refusal> {
    let found = visible(inner, channel)?;
    if inner.denied(found) & deny::READ_MESSAGE_HISTORY != 0 {
        return Err(Refusal::missing_permissions());
    }
    let message = inner.messages.get(&channel).and_then(|list| list.get(&message));
    message.map(|message| inner.rest_message(message)).ok_or_else(Refusal::unknown_message)
}

/// Newest first, whichever of `after`, `before` and `around` is asked; without the permission to read, none
/// (<https://discord.com/developers/docs/resources/message#get-channel-messages>).
fn history(inner: &Inner, channel: u64, form: &Form) -> Result<Value, Refusal> {
    let found = visible(inner, channel)?;
    let limit = match form.asked("limit") {
        None => 50,
        Some(limit) => match limit.parse::<usize>() {
            Ok(limit @ 1..=100) => limit,
            Ok(0) => {
                return Err(Refusal::form(
                    "limit",
                    "NUMBER_TYPE_MIN",
                    "int value should be greater than or equal to 1.",
                ));
            }
            Ok(_) => {
                return Err(Refusal::form(
                    "limit",
                    "NUMBER_TYPE_MAX",
                    "int value should be less than or equal to 100.",
                ));
            }
            Err(_) => return Err(Refusal::wrong_type("limit", "int")),
        },
    };
    if inner.denied(found) & deny::READ_MESSAGE_HISTORY != 0 {
        return Ok(json!([]));
    }
    let (after, before, around) = (form.asked_id("after")?, form.asked_id("before")?, form.asked_id("around")?);
    if [after, before, around].iter().flatten().count() > 1 {
        return Err(Refusal::new(400, 50035, "Invalid Form Body"));
    }
    let numbers: Vec<u64> = inner.messages.get(&channel).into_iter().flat_map(|list| list.keys().copied()).collect();
    let mut picked: Vec<u64> = if let Some(after) = after {
        // The oldest of those after it.
        numbers.into_iter().filter(|number| *number > after).take(limit).collect()
    } else if let Some(around) = around {
        let at = numbers.partition_point(|number| *number < around);
        let from = at.saturating_sub(limit / 2);
        numbers.into_iter().skip(from).take(limit).collect()
    } else {
        let older: Vec<u64> =
            numbers.into_iter().filter(|number| before.is_none_or(|before| *number < before)).collect();
        older[older.len().saturating_sub(limit)..].to_vec()
    };
    picked.reverse();
    Ok(picked.iter().map(|number| inner.rest_message(&inner.messages[&channel][number])).collect())
}
