use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Asked, Heard, Rules, edited, interaction, message, missing, text};
use crate::channels::discord::config::DiscordConfig;
use crate::channels::discord::ids::{self, Address, FileRef, Snowflake};
use crate::channels::discord::places::{Places, REFUSED, Wanted};
use crate::channels::discord::wire;
use crate::model::commands::Command;
use crate::model::inbound::{LateEdit, MediaPlace, Message};
use crate::model::{InboundEvent, Incoming, Lang, MediaKind, Target};

mod judged;
mod understood;
mod used;

const BOT: Snowflake = Snowflake(1_100_000_000_000_000_042);
const GUILD: &str = "1100000000000000001";
const TEA: &str = "1100000000000000010";
const FORUM: &str = "1100000000000000011";
const CATEGORY: &str = "1100000000000000009";
/// A thread of the channel `tea` that the bot is in.
const JOINED: &str = "1100000000000000020";
/// One that it is not in.
const OTHER: &str = "1100000000000000021";
/// A post of the forum.
const POST: &str = "1100000000000000022";
const ROLE: &str = "1100000000000000005";
const GUESTS: &str = "1100000000000000006";
const MESSAGE: &str = "1150000000000000000";
const DM: &str = "1100000000000000077";

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_str(&value.to_string()).unwrap()
}

fn rules(more: Value) -> Rules {
    let mut config = json!({ "token": "s.e.cret" });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let config: DiscordConfig = serde_json::from_value(config).unwrap();
    Rules::new(&config, BOT)
}

/// The server as it was told of.
static PLACES: LazyLock<Places> = LazyLock::new(|| {
    let places = Places::new(BOT);
    places.learn_guild(&read(&json!({
        "id": GUILD, "name": "Tea house",
        "channels": [
            { "id": CATEGORY, "type": 4, "name": "Public" },
            { "id": TEA, "type": 0, "name": "tea", "parent_id": CATEGORY },
            { "id": FORUM, "type": 15, "name": "questions", "parent_id": null },
        ],
        "threads": [
            { "id": JOINED, "type": 11, "name": "Green tea", "parent_id": TEA, "member": { "flags": 0, "join_timestamp": "2024-01-01T00:00:00+00:00" } },
            { "id": OTHER, "type": 11, "name": "Black tea", "parent_id": TEA },
            { "id": POST, "type": 11, "name": "How long?", "parent_id": FORUM },
        ],
        "roles": [
            { "id": GUILD, "name": "@everyone" },
            { "id": ROLE, "name": "Cai", "managed": true, "tags": { "bot_id": BOT.to_string() } },
            { "id": GUESTS, "name": "Guests", "tags": {} },
        ],
    })));
    places
});

fn bot() -> Value {
    json!({ "id": BOT.to_string(), "username": "CaiBot", "discriminator": "1234", "avatar": null, "bot": true })
}

fn ann() -> Value {
    json!({ "id": "80351110224678912", "username": "ann", "global_name": "Ann", "discriminator": "0", "avatar": "8342729096ea3675442027381ff50dfe" })
}

/// A direct message of Ann's.
fn direct(fields: Value) -> Value {
    let mut message = json!({
        "id": MESSAGE, "channel_id": DM, "author": ann(), "content": "", "timestamp": "2023-09-09T06:04:29.000000+00:00",
        "edited_timestamp": null, "tts": false, "mention_everyone": false, "mentions": [], "mention_roles": [],
        "attachments": [], "embeds": [], "pinned": false, "type": 0, "flags": 0, "components": [],
    });
    message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    message
}

/// One in a channel of the server.
fn within(channel: &str, fields: Value) -> Value {
    let mut message = direct(json!({
        "channel_id": channel, "guild_id": GUILD,
        "member": { "nick": "Ann Lee", "roles": [GUESTS], "joined_at": "2020-01-01T00:00:00+00:00", "deaf": false, "mute": false, "flags": 0 },
    }));
    message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    message
}

fn in_server(fields: Value) -> Value {
    within(TEA, fields)
}

/// A text in the server that mentions the bot as `@@`.
fn calling(words: &str) -> Value {
    in_server(json!({ "content": words.replace("@@", &format!("<@{BOT}>")), "mentions": [bot()] }))
}

fn heard_with(update: &Value, more: Value) -> Heard {
    message(&read(update), &PLACES, &rules(more))
}

fn incoming_with(update: &Value, more: Value) -> Incoming {
    match heard_with(update, more) {
        Heard::Event(incoming) => *incoming,
        Heard::Nothing(reason) => panic!("nothing heard: {reason}"),
    }
}

fn incoming(update: &Value) -> Incoming {
    incoming_with(update, json!({}))
}

fn nothing_with(update: &Value, more: Value) -> &'static str {
    match heard_with(update, more) {
        Heard::Event(incoming) => panic!("{incoming:?}"),
        Heard::Nothing(reason) => reason,
    }
}

fn nothing(update: &Value) -> &'static str {
    nothing_with(update, json!({}))
}

fn said(incoming: &Incoming) -> &Message {
    match &incoming.event {
        InboundEvent::Message(message) | InboundEvent::Edit { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

/// What a text is in a direct message.
fn text_of(words: &str) -> String {
    said(&incoming(&direct(json!({ "content": words })))).text.clone()
}
