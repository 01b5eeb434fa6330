//! A guild, as the gateway and REST tell of it.

use serde_json::{Value, json};

use super::BOT;
use super::people::{Channel, deny, kind};
use super::state::{Inner, id_of, merge, time_of};

impl Inner {
    /// What both tell (<https://discord.com/developers/docs/resources/guild#guild-object>).
    fn guild_fields(&self, id: u64) -> Value {
        let guild = &self.guilds[&id];
        let mut json = json!({
            "id": id.to_string(), "name": guild.name, "icon": null, "splash": null, "discovery_splash": null,
            "owner_id": guild.owner.to_string(), "region": "deprecated", "afk_channel_id": null, "afk_timeout": 300,
            "widget_enabled": false, "widget_channel_id": null, "verification_level": 1,
            "default_message_notifications": 0, "explicit_content_filter": 0, "roles": guild.roles,
            "emojis": guild.emojis, "features": [], "mfa_level": 0, "application_id": null,
            "system_channel_id": null, "system_channel_flags": 0, "rules_channel_id": null, "max_presences": null,
        });
        let more = json!({
            "max_members": 500_000, "vanity_url_code": null, "description": null, "banner": null,
            "premium_tier": 0, "premium_subscription_count": 0, "preferred_locale": "en-US",
            "public_updates_channel_id": null, "max_video_channel_users": 25,
            "max_stage_video_channel_users": 50, "nsfw_level": 0, "stickers": [],
            "premium_progress_bar_enabled": false, "safety_alerts_channel_id": null, "incidents_data": null,
            "hub_type": null, "nsfw": false, "latest_onboarding_question_id": null, "home_header": null,
            "inventory_settings": null, "soundboard_sounds": [],
        });
        merge(&mut json, more);
        json
    }

    /// Without the privileged intents only the bot itself is among the members.
    pub(super) fn guild_create(&self, id: u64) -> Value {
        let guild = &self.guilds[&id];
        if guild.unavailable {
            return json!({ "id": id.to_string(), "unavailable": true });
        }
        let of_guild = || self.channels.values().filter(|channel| channel.guild == Some(id));
        let channels: Vec<Value> = of_guild().filter(|channel| !channel.is_thread()).map(listed).collect();
        let threads: Vec<Value> =
            of_guild().filter(|channel| self.is_open_thread(channel)).map(|thread| self.thread(thread)).collect();
        let more = json!({
            "joined_at": time_of(id_of(std::time::Duration::from_secs(86_400))), "large": false,
            "unavailable": false, "member_count": guild.members.len() + 1, "voice_states": [],
            "members": [self.member(id, BOT)], "channels": channels, "threads": threads, "presences": [],
            "stage_instances": [], "guild_scheduled_events": [],
        });
        let mut json = self.guild_fields(id);
        merge(&mut json, more);
        json
    }

    pub(super) fn guild_json(&self, id: u64) -> Value {
        self.guild_fields(id)
    }

    fn is_open_thread(&self, channel: &Channel) -> bool {
        channel.is_thread() && channel.json["thread_metadata"]["archived"] == false && self.sees(channel)
    }

    /// A thread with the bot's own membership, if it is in it.
    pub(super) fn thread(&self, channel: &Channel) -> Value {
        let mut json = channel.json.clone();
        json["member_count"] = channel.members.len().min(50).into();
        if channel.members.contains(&BOT) {
            json["member"] =
                json!({ "join_timestamp": channel.json["thread_metadata"]["create_timestamp"], "flags": 1 });
        }
        json
    }

    /// A channel as REST shows it.
    pub(super) fn channel_json(&self, channel: &Channel) -> Value {
        if channel.is_thread() { self.thread(channel) } else { channel.json.clone() }
    }

    /// What the bot may not do in a channel; a thread has it from the channel that it hangs on.
    pub(super) fn denied(&self, channel: &Channel) -> u64 {
        let parent = channel.parent.and_then(|parent| self.channels.get(&parent));
        channel.denied | parent.map_or(0, |parent| parent.denied)
    }

    /// Whether the bot gets to know of what happens in a channel. A public thread it sees without being in it, a private
    /// one not (<https://discord.com/developers/docs/topics/threads#private-threads>).
    pub(super) fn sees(&self, channel: &Channel) -> bool {
        let joined = channel.guild.is_none_or(|guild| self.guilds[&guild].joined);
        let member = channel.kind() != kind::PRIVATE_THREAD || channel.members.contains(&BOT);
        joined && member && self.denied(channel) & deny::VIEW_CHANNEL == 0
    }
}

/// Channels of GUILD_CREATE do not repeat their guild.
fn listed(channel: &Channel) -> Value {
    let mut json = channel.json.clone();
    json.as_object_mut().unwrap().remove("guild_id");
    json
}
