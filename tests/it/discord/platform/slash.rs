//! Slash commands of people (<https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-object>).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::people::kind;
use super::sessions::Event;
use super::state::{Inner, Response, id, id_of};
use super::{APPLICATION, Platform};

/// One interaction, and what came of it.
pub(super) struct Interaction {
    pub(super) token: String,
    pub(super) channel: u64,
    pub(super) user: u64,
    pub(super) command: String,
    pub(super) at: Instant,
    /// How much older its number says it is.
    pub(super) ago: Duration,
    /// What it was answered with first: 4 or 5.
    pub(super) acknowledged: Option<u64>,
    /// Whether the answer to that was lost on its way, so that its client may well try again.
    pub(super) unheard: bool,
    pub(super) ephemeral: bool,
    /// The number of the first answer's message, deferred or not.
    pub(super) original: Option<u64>,
    /// Whether the first answer is still a deferred one.
    pub(super) loading: bool,
    /// What only the person sees, by number; the rest is in the channel.
    pub(super) private: BTreeMap<u64, Value>,
    pub(super) responses: Vec<Response>,
}

/// A command to be.
#[derive(Clone)]
pub(crate) struct Slash {
    channel: u64,
    user: u64,
    name: String,
    options: Vec<Value>,
    attachments: Vec<Value>,
    locale: String,
    ago: Duration,
}

impl Slash {
    pub(crate) fn new(channel: u64, user: u64, name: &str) -> Self {
        Self {
            channel,
            user,
            name: name.to_owned(),
            options: Vec::new(),
            attachments: Vec::new(),
            locale: "en-US".to_owned(),
            ago: Duration::ZERO,
        }
    }

    /// A text.
    pub(crate) fn option(mut self, name: &str, value: &str) -> Self {
        self.options.push(json!({ "name": name, "type": 3, "value": value }));
        self
    }

    /// A whole number.
    pub(crate) fn number(mut self, name: &str, value: i64) -> Self {
        self.options.push(json!({ "name": name, "type": 4, "value": value }));
        self
    }

    /// A file; what [`Platform::keeps`] answers.
    pub(crate) fn file(mut self, name: &str, mut attachment: Value) -> Self {
        self.options.push(json!({ "name": name, "type": 11, "value": attachment["id"] }));
        attachment["ephemeral"] = true.into();
        self.attachments.push(attachment);
        self
    }

    /// A language of <https://discord.com/developers/docs/reference#locales>.
    pub(crate) fn locale(mut self, locale: &str) -> Self {
        self.locale = locale.to_owned();
        self
    }

    /// Used some time ago, as its number tells, and its token has lived so long; how soon it must be acknowledged counts from
    /// now.
    pub(crate) fn ago(mut self, ago: Duration) -> Self {
        self.ago = ago;
        self
    }
}

impl Inner {
    fn interaction(&mut self, slash: &Slash, token: &str, number: u64) -> Value {
        let channel = &self.channels[&slash.channel];
        let guild = channel.guild;
        let registered = self.commands.get(&guild).into_iter().chain(self.commands.get(&None)).flatten();
        let command = registered.into_iter().find(|command| command["name"] == slash.name.as_str());
        let command = command.map_or_else(|| json!("1"), |command| command["id"].clone());
        let mut data = json!({ "id": command, "name": slash.name, "type": 1 });
        if !slash.options.is_empty() {
            data["options"] = slash.options.clone().into();
        }
        if !slash.attachments.is_empty() {
            let mut resolved = json!({ "attachments": slash.attachments });
            self.files.sign_all(&mut resolved, &self.url);
            let list = resolved["attachments"].take();
            let by_id = list.as_array().unwrap().iter();
            let by_id: serde_json::Map<String, Value> =
                by_id.map(|file| (file["id"].as_str().unwrap().to_owned(), file.clone())).collect();
            data["resolved"] = json!({ "attachments": by_id });
        }
        let mut shown = self.channel_json(channel);
        if channel.kind() != kind::DM {
            shown["permissions"] = "2248473465835073".into();
        }
        let mut json = json!({
            "id": number.to_string(), "application_id": APPLICATION.to_string(), "type": 2, "data": data,
            "channel_id": slash.channel.to_string(), "channel": shown, "token": token, "version": 1,
            "app_permissions": "2248473465835073", "locale": slash.locale, "entitlements": [],
            "entitlement_sku_ids": [], "attachment_size_limit": 10_485_760,
            "context": u8::from(guild.is_none()),
            "authorizing_integration_owners": { "0": guild.unwrap_or(0).to_string() },
        });
        match guild {
            Some(guild) => {
                json["guild_id"] = guild.to_string().into();
                json["guild"] = json!({ "id": guild.to_string(), "locale": "en-US", "features": [] });
                json["guild_locale"] = "en-US".into();
                let mut member = self.member(guild, slash.user);
                member["permissions"] = "2248473465835073".into();
                json["member"] = member;
            }
            None => json["user"] = self.users[&slash.user].clone(),
        }
        json
    }

    /// The answer to a call was lost on its way.
    pub(super) fn unheard(&mut self, call: &super::routes::Call) {
        if let super::routes::Call::Callback(id, _) = call
            && let Some(found) = self.interactions.get_mut(id)
        {
            found.unheard = true;
        }
    }

    /// The channel that a token answers into.
    pub(super) fn channel_of_token(&self, call: &super::routes::Call) -> Option<u64> {
        use super::routes::Call;
        match call {
            Call::Callback(id, _) => self.interactions.get(id).map(|found| found.channel),
            Call::Original(token)
            | Call::EditOriginal(token)
            | Call::DeleteOriginal(token)
            | Call::FollowUp(token)
            | Call::EditFollowUp(token, _) => {
                self.interactions.values().find(|found| found.token == *token).map(|found| found.channel)
            }
            _ => None,
        }
    }
}

impl Platform {
    /// A person uses a command. Answers the interaction's number; nobody hears of it later who is not connected now.
    pub(crate) fn uses(&self, slash: Slash) -> u64 {
        let mut inner = self.lock();
        inner.meet(slash.user);
        let number = if slash.ago.is_zero() {
            inner.next_id()
        } else {
            (id_of(slash.ago)..).find(|number| !inner.interactions.contains_key(number)).unwrap()
        };
        let token = format!("aW50ZXJhY3Rpb246{number}{:x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let json = inner.interaction(&slash, &token, number);
        let interaction = Interaction {
            token,
            channel: slash.channel,
            user: slash.user,
            command: slash.name,
            at: Instant::now(),
            ago: slash.ago,
            acknowledged: None,
            unheard: false,
            ephemeral: false,
            original: None,
            loading: false,
            private: BTreeMap::new(),
            responses: Vec::new(),
        };
        inner.interactions.insert(number, interaction);
        let guild = inner.guild_of(slash.channel);
        // It comes even from channels that the bot does not see.
        inner.dispatch(Event { kind: "INTERACTION_CREATE", guild, intents: 0, data: json }, None);
        number
    }

    /// The token by which an interaction is answered.
    pub(crate) fn token(&self, interaction: u64) -> String {
        self.lock().interactions[&interaction].token.clone()
    }

    /// What the person who used a command sees as answers now, public or not, first first; a deferred one is `…`.
    pub(crate) fn answers(&self, interaction: u64) -> Vec<String> {
        let inner = self.lock();
        let found = &inner.interactions[&interaction];
        let public = inner.messages.get(&found.channel).into_iter().flatten();
        let own = public.filter(|(_, message)| id(&message["interaction_metadata"]["id"]) == Some(interaction));
        let mut seen: Vec<(u64, &Value)> =
            found.private.iter().chain(own).map(|(id, message)| (*id, message)).collect();
        seen.sort_by_key(|(id, _)| *id);
        let text = |message: &Value| match message["flags"].as_u64().unwrap() & super::responses::LOADING {
            0 => message["content"].as_str().unwrap().to_owned(),
            _ => "…".to_owned(),
        };
        seen.into_iter().map(|(_, message)| text(message)).collect()
    }

    /// Whether a command was deferred or answered, and so that only the person sees it.
    pub(crate) fn acknowledged(&self, interaction: u64) -> Option<(u64, bool)> {
        let inner = self.lock();
        let found = &inner.interactions[&interaction];
        found.acknowledged.map(|kind| (kind, found.ephemeral))
    }

    /// How long an interaction's token works: 15 minutes at first.
    pub(crate) fn tokens_live(&self, time: Duration) {
        self.lock().tokens_live = time;
    }

    /// How soon an interaction must be answered: three seconds at first.
    pub(crate) fn wants_callbacks_within(&self, time: Duration) {
        self.lock().callback_within = time;
    }
}
