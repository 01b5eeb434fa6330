//! What the gateway tells of channels, threads and roles. An event of another kind tells nothing here.

use serde::de::DeserializeOwned;

use crate::channels::discord::places::Places;
use crate::channels::discord::wire::{
    Channel, Guild, GuildRole, GuildRoleDelete, ThreadListSync, ThreadMember, ThreadMembersUpdate,
};

/// What cannot be read is asked for when it is needed.
pub(super) fn learn(places: &Places, event: &str, raw: &str) {
    match event {
        "CHANNEL_CREATE" | "CHANNEL_UPDATE" | "THREAD_CREATE" | "THREAD_UPDATE" => {
            if let Some(channel) = read::<Channel>(raw) {
                places.learn_channel(&channel);
            }
        }
        "CHANNEL_DELETE" | "THREAD_DELETE" => {
            if let Some(channel) = read::<Channel>(raw) {
                places.forget_channel(channel.id);
            }
        }
        "THREAD_LIST_SYNC" => {
            if let Some(sync) = read::<ThreadListSync>(raw) {
                places.learn_threads(&sync);
            }
        }
        // Of the bot's own membership only.
        "THREAD_MEMBER_UPDATE" => {
            if let Some(thread) = read::<ThreadMember>(raw).and_then(|member| member.id) {
                places.joined(thread);
            }
        }
        "THREAD_MEMBERS_UPDATE" => {
            if let Some(update) = read::<ThreadMembersUpdate>(raw) {
                places.learn_members(&update);
            }
        }
        "GUILD_ROLE_CREATE" | "GUILD_ROLE_UPDATE" => {
            if let Some(role) = read::<GuildRole>(raw) {
                places.learn_role(&role);
            }
        }
        "GUILD_ROLE_DELETE" => {
            if let Some(role) = read::<GuildRoleDelete>(raw) {
                places.forget_role(&role);
            }
        }
        "GUILD_DELETE" => {
            // One in an outage is still there.
            if let Some(guild) = read::<Guild>(raw).filter(|guild| !guild.unavailable) {
                places.forget_guild(guild.id);
            }
        }
        _ => {}
    }
}

fn read<T: DeserializeOwned>(raw: &str) -> Option<T> {
    serde_json::from_str(raw).ok()
}
