//! From a slash command to an event.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::channels::discord::config::SlashCommand;
use crate::channels::discord::ids::{self, Snowflake};
use crate::channels::discord::normalize::text::{self, Names};
use crate::channels::discord::normalize::{Rules, Scene, content, sender};
use crate::channels::discord::places::{Place, Places};
use crate::channels::discord::wire::{Attachment, CommandData, Interaction};
use crate::model::commands::Command;
use crate::model::{InboundEvent, Incoming, Lang, Message};

/// A command that somebody used.
#[derive(Debug)]
pub struct Asked {
    pub incoming: Incoming,
    /// Whether only the person sees the answer, and so the deferral too.
    pub private: bool,
    pub id: Snowflake,
    /// What the answer goes through.
    pub token: String,
}

/// Options' kinds (<https://docs.discord.com/developers/interactions/application-commands#application-command-object-application-command-option-type>).
const TEXT: u8 = 3;
const FILE: u8 = 11;

/// What becomes of a command; else a reason that is counted. What was used wants an answer all the same.
pub fn interaction(used: &Interaction, places: &Places, rules: &Rules) -> Result<Asked, &'static str> {
    let data = used.data.as_ref().filter(|_| used.kind == 2).ok_or("other_interaction")?;
    if !rules.commands {
        return Err("commands_off");
    }
    let slash = slash(&data.name).ok_or("unknown_command")?;
    let channel = used.channel_id.or(used.channel.as_ref().map(|channel| channel.id)).ok_or("unreadable")?;
    let user = used.person().filter(|_| !used.token.is_empty()).ok_or("unreadable")?;
    let told = || used.channel.as_ref().map(|told| Arc::new(Place::of(told, used.guild_id, None)));
    let scene = Scene::new(channel, used.guild_id, places.place(channel).or_else(told), places);
    // In the bot's own direct messages nobody else listens.
    let alone = used.guild_id.is_none() && used.context.is_none_or(|context| context == 1);
    let private = rules.private.contains(&slash) && !alone;
    let target = if private {
        ids::private_answer(used.id, used.token.clone(), user.id, channel)
    } else {
        ids::public_answer(used.id, used.token.clone(), channel)
    };
    let lang = used.locale.as_deref().and_then(Lang::from_tag);
    let incoming = Incoming {
        key: ids::interaction(used.id),
        group: None,
        not_before: Duration::ZERO,
        sender: sender(&scene, user, used.member.as_ref(), lang),
        target,
        addressed: true,
        event: event(slash, data, used.guild_id, places),
        note: None,
    };
    Ok(Asked { incoming, private, id: used.id, token: used.token.clone() })
}

fn slash(name: &str) -> Option<SlashCommand> {
    Some(match name {
        "ask" => SlashCommand::Ask,
        "help" => SlashCommand::Help,
        "reset" => SlashCommand::Reset,
        "history" => SlashCommand::History,
        "lang" => SlashCommand::Lang,
        "id" => SlashCommand::Id,
        _ => return None,
    })
}

fn event(slash: SlashCommand, data: &CommandData, guild: Option<Snowflake>, places: &Places) -> InboundEvent {
    let command = match slash {
        SlashCommand::Ask => {
            let asked = asked(data, guild, places);
            if !asked.text.is_empty() || !asked.media.is_empty() {
                return InboundEvent::Message(asked);
            }
            Command::Help
        }
        SlashCommand::Help => Command::Help,
        SlashCommand::Reset => Command::Reset,
        SlashCommand::History => Command::History,
        SlashCommand::Lang => Command::Lang,
        SlashCommand::Id => Command::Id,
    };
    let args = if slash == SlashCommand::Ask { String::new() } else { args(data) };
    InboundEvent::Command { command, args, reply_to: None }
}

fn asked(data: &CommandData, guild: Option<Snowflake>, places: &Places) -> Message {
    let users: Vec<_> = data.resolved.users.values().cloned().collect();
    // Whom a command is for is clear: the bot's name in it means the bot.
    let names = Names { taken_out: None, own_role: None, users: &users, guild, places };
    let of_kind = |kind: u8| {
        data.options.iter().filter(move |option| option.kind == kind).filter_map(|option| option.value.as_str())
    };
    let text = of_kind(TEXT).map(|text| text::said(text, &names)).collect::<Vec<_>>().join("\n");
    let attached = of_kind(FILE).filter_map(|id| data.resolved.attachments.get(id));
    let attached: Vec<&Attachment> = attached.collect();
    // There is no message that could be read again for a new link.
    Message { text, media: content::files(attached, 0, None), ..Message::default() }
}

/// What is given with a command, as it would be typed.
fn args(data: &CommandData) -> String {
    let values = data.options.iter().filter_map(|option| match &option.value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    values.collect::<Vec<_>>().join(" ")
}
