//! The methods, their parameters, and the small ones themselves.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::params::Params;
use super::state::{Action, Inner, Shared};
use super::wire::Refusal;
use super::{files, send, updates, webhook};

/// Those that put something into a chat.
pub(super) const SENDS: &[&str] = &["sendmessage", "senddocument"];

/// All documented parameters by method, whether they matter here or not.
fn parameters(method: &str) -> Option<&'static [&'static str]> {
    Some(match method {
        "getme" | "getwebhookinfo" => &[],
        "getupdates" => &["offset", "limit", "timeout", "allowed_updates"],
        "setwebhook" => &[
            "url",
            "certificate",
            "ip_address",
            "max_connections",
            "allowed_updates",
            "drop_pending_updates",
            "secret_token",
        ],
        "deletewebhook" => &["drop_pending_updates"],
        "sendmessage" => &[
            "business_connection_id",
            "chat_id",
            "message_thread_id",
            "direct_messages_topic_id",
            "text",
            "parse_mode",
            "entities",
            "link_preview_options",
            "disable_notification",
            "protect_content",
            "allow_paid_broadcast",
            "message_effect_id",
            "suggested_post_parameters",
            "reply_parameters",
            "reply_markup",
        ],
        "senddocument" => &[
            "business_connection_id",
            "chat_id",
            "message_thread_id",
            "direct_messages_topic_id",
            "document",
            "thumbnail",
            "caption",
            "parse_mode",
            "caption_entities",
            "disable_content_type_detection",
            "disable_notification",
            "protect_content",
            "allow_paid_broadcast",
            "message_effect_id",
            "suggested_post_parameters",
            "reply_parameters",
            "reply_markup",
        ],
        "sendchataction" => &["business_connection_id", "chat_id", "message_thread_id", "action"],
        "getfile" => &["file_id"],
        "setmycommands" => &["commands", "scope", "language_code"],
        "getmycommands" | "deletemycommands" => &["scope", "language_code"],
        _ => return None,
    })
}

/// The fields of the objects among them that matter here.
const NESTED: &[(&str, &[&str])] = &[
    (
        "reply_parameters",
        &[
            "message_id",
            "chat_id",
            "allow_sending_without_reply",
            "quote",
            "quote_parse_mode",
            "quote_entities",
            "quote_position",
            "checklist_task_id",
        ],
    ),
    ("link_preview_options", &["is_disabled", "url", "prefer_small_media", "prefer_large_media", "show_above_text"]),
    ("scope", &["type", "chat_id", "user_id"]),
];

/// The result as JSON.
pub(super) async fn process(shared: &Arc<Shared>, method: &str, params: &Params) -> Result<String, Refusal> {
    {
        let mut inner = shared.lock();
        let Some(known) = parameters(method) else {
            inner.violation(format!("there is no method {method} here"));
            return Err(Refusal::new(404, "Not Found"));
        };
        let nested = NESTED.iter().flat_map(|(name, known)| params.strangers_in(name, known));
        for name in params.strangers(known).into_iter().chain(nested) {
            inner.violation(format!("{method} has no parameter `{name}`"));
        }
        match method {
            "getupdates" => {}
            "getme" => return Ok(inner.me().to_string()),
            "getwebhookinfo" => return Ok(webhook::info(&inner).to_string()),
            "sendmessage" => return send::message(&mut inner, params),
            "senddocument" => return send::document(&mut inner, params),
            "sendchataction" => return chat_action(&mut inner, params),
            "getfile" => return files::get(&mut inner, params),
            "setmycommands" => return set_commands(&mut inner, params),
            "getmycommands" => return commands(&inner, params),
            "deletemycommands" => {
                let key = commands_key(params)?;
                inner.commands.remove(&key);
                return Ok("true".to_owned());
            }
            "setwebhook" | "deletewebhook" => {
                let set = if method == "setwebhook" { webhook::set } else { webhook::delete };
                let result = set(&mut inner, params);
                drop(inner);
                shared.changed.notify_waiters();
                return result;
            }
            _ => unreachable!("every method with parameters is listed"),
        }
    }
    updates::get_updates(shared, params).await
}

const ACTIONS: &[&str] = &[
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
];

fn chat_action(inner: &mut Inner, params: &Params) -> Result<String, Refusal> {
    let (chat, thread) = (params.chat()?, params.int("message_thread_id")?);
    let action = params.string("action")?.unwrap_or_default();
    if !ACTIONS.contains(&action.as_str()) {
        return Err(Refusal::new(400, "Bad Request: wrong parameter action in request"));
    }
    inner.may_write(chat, thread)?;
    inner.actions.push(Action { chat, action, thread, at: Instant::now() });
    Ok("true".to_owned())
}

fn commands_key(params: &Params) -> Result<(String, String), Refusal> {
    let scope = params.json("scope")?.unwrap_or_else(|| json!({ "type": "default" }));
    let needs: &[&str] = match scope["type"].as_str() {
        Some("default" | "all_private_chats" | "all_group_chats" | "all_chat_administrators") => &[],
        Some("chat" | "chat_administrators") => &["chat_id"],
        Some("chat_member") => &["chat_id", "user_id"],
        _ => return Err(Refusal::new(400, "Bad Request: can't parse BotCommandScope: unsupported type specified")),
    };
    if needs.iter().any(|name| scope[name].is_null()) {
        return Err(Refusal::new(400, "Bad Request: can't parse BotCommandScope: chat_id is empty"));
    }
    let language = params.string("language_code")?.unwrap_or_default();
    let two_letters = language.len() == 2 && language.bytes().all(|byte| byte.is_ascii_lowercase());
    if !(language.is_empty() || two_letters) {
        return Err(Refusal::new(400, "Bad Request: invalid language code specified"));
    }
    Ok((scope.to_string(), language))
}

fn set_commands(inner: &mut Inner, params: &Params) -> Result<String, Refusal> {
    let bad = |what: &str| Refusal::new(400, &format!("Bad Request: {what}"));
    let list = params.json("commands")?.ok_or_else(|| bad("parameter \"commands\" is required"))?;
    let list = list.as_array().ok_or_else(|| bad("expected an Array of BotCommand"))?;
    if list.len() > 100 {
        return Err(bad("BOT_COMMANDS_TOO_MUCH"));
    }
    let mut commands: Vec<(String, String)> = Vec::new();
    for command in list {
        let (Some(name), Some(description)) = (command["command"].as_str(), command["description"].as_str()) else {
            return Err(bad("can't parse BotCommand: Object expected"));
        };
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !(1..=32).contains(&name.len()) || !name.bytes().all(letters) {
            return Err(bad("BOT_COMMAND_INVALID"));
        }
        if !(1..=256).contains(&description.chars().count()) {
            return Err(bad("BOT_COMMAND_DESCRIPTION_INVALID"));
        }
        if commands.iter().any(|(other, _)| other == name) {
            inner.violation(format!("setMyCommands: `{name}` twice"));
        }
        commands.push((name.to_owned(), description.to_owned()));
    }
    inner.commands.insert(commands_key(params)?, commands);
    Ok("true".to_owned())
}

fn commands(inner: &Inner, params: &Params) -> Result<String, Refusal> {
    let commands = inner.commands.get(&commands_key(params)?).cloned().unwrap_or_default();
    let list =
        commands.into_iter().map(|(command, description)| json!({ "command": command, "description": description }));
    Ok(list.collect::<Value>().to_string())
}
