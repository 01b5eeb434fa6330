//! `[channels.<id>.access]`: who may talk to the bot there.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::model::commands::{CATALOGUE, Command};

/// Who may talk to the bot on a channel; how the lists work together is said at [`Channel`](super::Channel).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Chats in which everybody may talk to the bot, such as [-1001234567890].
    pub allow_chats: Vec<Id>,
    /// Chats in which nobody but admins may.
    pub deny_chats: Vec<Id>,
    /// People who may talk to the bot everywhere.
    pub allow_users: Vec<Id>,
    /// People who may not, anywhere.
    pub deny_users: Vec<Id>,
    /// Servers (Discord's guilds) in which everybody may talk to the bot.
    pub allow_guilds: Vec<Id>,
    /// Servers in which nobody but admins may.
    pub deny_guilds: Vec<Id>,
    /// Roles whose bearers may talk to the bot in their server. In a direct message nobody has a role.
    pub allow_roles: Vec<Id>,
    /// Roles whose bearers may not, in their server.
    pub deny_roles: Vec<Id>,
    /// People who are always let in, and whom `pipeline.user_rate` does not bind.
    pub admins: Vec<Id>,
    /// Commands that only admins may use, by name.
    #[schemars(schema_with = "commands")]
    pub admin_commands: Vec<Command>,
}

/// The keys that only a kind with servers has ([`Kind::with_servers`](super::Kind::with_servers)).
pub(super) const OF_SERVERS: [&str; 4] = ["allow_guilds", "deny_guilds", "allow_roles", "deny_roles"];

/// A platform's id of a chat, a person, a server or a role. Written as text or as a whole number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Id(pub String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id: text or a whole number")
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<Id, E> {
                Ok(Id(id.trim().to_owned()))
            }

            fn visit_i64<E: de::Error>(self, id: i64) -> Result<Id, E> {
                Ok(Id(id.to_string()))
            }

            fn visit_u64<E: de::Error>(self, id: u64) -> Result<Id, E> {
                Ok(Id(id.to_string()))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Id {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "integer" }, { "type": "string", "minLength": 1 }] })
    }
}

/// A list of names of the catalogue, so that a slip is recognised.
fn commands(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = CATALOGUE.iter().map(|info| info.name).collect();
    json_schema!({ "type": "array", "items": { "type": "string", "enum": names } })
}
