//! Registering commands (<https://discord.com/developers/docs/interactions/application-commands>).

use std::collections::HashSet;

use serde_json::{Value, json};

use super::APPLICATION;
use super::errors::Refusal;
use super::form::Form;
use super::state::{Inner, id as number};
use super::wire::Reply;

pub(super) const FIELDS: &[&str] = &[
    "name",
    "name_localizations",
    "description",
    "description_localizations",
    "options",
    "default_member_permissions",
    "dm_permission",
    "default_permission",
    "integration_types",
    "contexts",
    "type",
    "nsfw",
    "handler",
    "id",
];
const OPTION_FIELDS: &[&str] = &[
    "type",
    "name",
    "name_localizations",
    "description",
    "description_localizations",
    "required",
    "choices",
    "options",
    "channel_types",
    "min_value",
    "max_value",
    "min_length",
    "max_length",
    "autocomplete",
];

const MOST_NAME: usize = 32;
const MOST_DESCRIPTION: usize = 100;
const MOST_OPTIONS: usize = 25;
const MOST_COMMANDS: usize = 100;
/// So many may be made a day.
const MOST_CREATES: u32 = 200;

/// <https://discord.com/developers/docs/reference#locales>
const LOCALES: &[&str] = &[
    "id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl", "no", "pl", "pt-BR",
    "ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th", "zh-CN", "ja", "zh-TW", "ko",
];

pub(super) fn list(inner: &Inner, guild: Option<u64>) -> Result<Reply, Refusal> {
    known(inner, guild)?;
    Ok(Reply::Json(inner.commands.get(&guild).cloned().unwrap_or_default().into()))
}

fn known(inner: &Inner, guild: Option<u64>) -> Result<(), Refusal> {
    match guild {
        Some(guild) if !inner.guilds.get(&guild).is_some_and(|found| found.joined) => Err(Refusal::missing_access()),
        _ => Ok(()),
    }
}

/// All of them at once; what has the name of one that is there keeps its number.
pub(super) fn replace(inner: &mut Inner, guild: Option<u64>, form: &Form) -> Result<Reply, Refusal> {
    known(inner, guild)?;
    let Some(list) = form.list.clone() else { return Err(Refusal::wrong_type("commands", "list")) };
    if list.len() > MOST_COMMANDS {
        return Err(Refusal::new(400, 30032, "Maximum number of application commands reached (100)."));
    }
    let mut names = HashSet::new();
    for (at, command) in list.iter().enumerate() {
        check(inner, command, &at.to_string())?;
        if !names.insert(command["name"].as_str().unwrap().to_owned()) {
            let said = "Application command names must be unique";
            return Err(Refusal::form(&format!("{at}.name"), "APPLICATION_COMMANDS_DUPLICATE_NAME", said));
        }
    }
    let old = inner.commands.get(&guild).cloned().unwrap_or_default();
    let mut new = Vec::new();
    for command in list {
        let kept = old.iter().find(|kept| kept["name"] == command["name"]);
        new.push(made(inner, guild, command, kept)?);
    }
    inner.commands.insert(guild, new.clone());
    Ok(Reply::Json(new.into()))
}

pub(super) fn upsert(inner: &mut Inner, guild: Option<u64>, form: &Form) -> Result<Reply, Refusal> {
    known(inner, guild)?;
    let command = Value::Object(form.fields.clone());
    check(inner, &command, "")?;
    let list = inner.commands.get(&guild).cloned().unwrap_or_default();
    let place = list.iter().position(|kept| kept["name"] == command["name"]);
    let new = made(inner, guild, command, place.map(|at| &list[at]))?;
    let list = inner.commands.entry(guild).or_default();
    match place {
        Some(at) => {
            list[at] = new.clone();
            Ok(Reply::Json(new))
        }
        None => {
            list.push(new.clone());
            Ok(Reply::Created(new))
        }
    }
}

pub(super) fn patch(inner: &mut Inner, guild: Option<u64>, id: u64, form: &Form) -> Result<Reply, Refusal> {
    known(inner, guild)?;
    let list = inner.commands.get(&guild).cloned().unwrap_or_default();
    let at = list.iter().position(|kept| number(&kept["id"]) == Some(id)).ok_or_else(Refusal::unknown_command)?;
    let mut command = list[at].clone();
    for (name, value) in &form.fields {
        command[name] = value.clone();
    }
    for own in ["id", "application_id", "version", "guild_id"] {
        command.as_object_mut().unwrap().remove(own);
    }
    check(inner, &command, "")?;
    let new = made(inner, guild, command, Some(&list[at]))?;
    inner.commands.get_mut(&guild).unwrap()[at] = new.clone();
    Ok(Reply::Json(new))
}

pub(super) fn delete(inner: &mut Inner, guild: Option<u64>, id: u64) -> Result<Reply, Refusal> {
    known(inner, guild)?;
    let list = inner.commands.entry(guild).or_default();
    let at = list.iter().position(|kept| number(&kept["id"]) == Some(id)).ok_or_else(Refusal::unknown_command)?;
    list.remove(at);
    Ok(Reply::Empty)
}

/// A command as Discord keeps it: in place of one that was there, or new.
fn made(inner: &mut Inner, guild: Option<u64>, command: Value, kept: Option<&Value>) -> Result<Value, Refusal> {
    let id = match kept {
        Some(kept) => kept["id"].clone(),
        None if inner.commands_created >= MOST_CREATES => {
            return Err(Refusal::new(
                400,
                30034,
                "Max number of daily application command creates has been reached (200)",
            ));
        }
        None => {
            inner.commands_created += 1;
            inner.next_id().to_string().into()
        }
    };
    let mut new = json!({
        "id": id, "application_id": APPLICATION.to_string(), "version": inner.next_id().to_string(), "type": 1,
        "default_member_permissions": null, "dm_permission": true, "nsfw": false, "integration_types": [0],
        "contexts": null, "name_localizations": null, "description_localizations": null,
    });
    if let Some(guild) = guild {
        new["guild_id"] = guild.to_string().into();
    }
    let Value::Object(fields) = command else { unreachable!("was checked") };
    new.as_object_mut().unwrap().extend(fields.into_iter().filter(|(name, _)| name != "id"));
    Ok(new)
}

fn at(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn check(inner: &mut Inner, command: &Value, path: &str) -> Result<(), Refusal> {
    let fields = command.as_object().ok_or_else(|| Refusal::wrong_type(path, "object"))?;
    for name in fields.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        inner.violation(format!("a command has no `{name}`"));
    }
    if command["type"].as_u64().unwrap_or(1) != 1 {
        inner.violation("a command of another type than a slash command");
    }
    texts(command, path)?;
    options(inner, command, path)
}

/// Name and description, in all languages: `^[-_'\p{L}\p{N}]{1,32}$`, in lower case, and 1 to 100 characters.
fn texts(object: &Value, path: &str) -> Result<(), Refusal> {
    let good = |name: &str| {
        let allowed = |c: char| (c.is_alphanumeric() && !c.is_uppercase()) || "-_'".contains(c);
        (1..=MOST_NAME).contains(&name.chars().count()) && name.chars().all(allowed)
    };
    let invalid = |path: String| {
        let said = "Command name is invalid";
        Refusal::form(&path, "APPLICATION_COMMAND_INVALID_NAME", said)
    };
    let fits = |text: &str| (1..=MOST_DESCRIPTION).contains(&text.chars().count());
    let name = object["name"].as_str().ok_or_else(|| Refusal::required(&at(path, "name")))?;
    if !good(name) {
        return Err(invalid(at(path, "name")));
    }
    let description = object["description"].as_str().ok_or_else(|| Refusal::required(&at(path, "description")))?;
    if !fits(description) {
        return Err(Refusal::bad_length(&at(path, "description"), 1, MOST_DESCRIPTION));
    }
    for (field, is_name) in [("name_localizations", true), ("description_localizations", false)] {
        for (locale, text) in object[field].as_object().into_iter().flatten() {
            let path = at(path, &format!("{field}.{locale}"));
            if !LOCALES.contains(&locale.as_str()) {
                return Err(Refusal::form(&path, "BASE_TYPE_CHOICES", "Value must be one of the locales."));
            }
            let text = text.as_str().ok_or_else(|| Refusal::wrong_type(&path, "string"))?;
            match is_name {
                true if !good(text) => return Err(invalid(path)),
                false if !fits(text) => return Err(Refusal::bad_length(&path, 1, MOST_DESCRIPTION)),
                _ => {}
            }
        }
    }
    Ok(())
}

fn options(inner: &mut Inner, object: &Value, path: &str) -> Result<(), Refusal> {
    let list = object["options"].as_array().cloned().unwrap_or_default();
    if list.len() > MOST_OPTIONS {
        return Err(Refusal::too_long(&at(path, "options"), MOST_OPTIONS));
    }
    let mut optional = false;
    let mut names = HashSet::new();
    for (number, option) in list.iter().enumerate() {
        let path = at(path, &format!("options.{number}"));
        for name in option.as_object().into_iter().flatten().map(|(name, _)| name) {
            if !OPTION_FIELDS.contains(&name.as_str()) {
                inner.violation(format!("an option of a command has no `{name}`"));
            }
        }
        if !option["type"].as_u64().is_some_and(|kind| (1..=11).contains(&kind)) {
            return Err(Refusal::form(&at(&path, "type"), "BASE_TYPE_CHOICES", "Value must be one of {1..11}."));
        }
        texts(option, &path)?;
        let required = option["required"] == true;
        if required && optional {
            let said = "Required options must be placed before non-required options";
            return Err(Refusal::form(&path, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", said));
        }
        optional |= !required;
        if !names.insert(option["name"].as_str().unwrap().to_owned()) {
            let said = "Option names must be unique";
            return Err(Refusal::form(&path, "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", said));
        }
        if option["choices"].as_array().is_some_and(|choices| choices.len() > MOST_OPTIONS) {
            return Err(Refusal::too_long(&at(&path, "choices"), MOST_OPTIONS));
        }
        options(inner, option, &path)?;
    }
    Ok(())
}
