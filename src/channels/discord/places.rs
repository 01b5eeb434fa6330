//! What is known of channels, threads and roles: from the gateway's events, and from what is looked up over REST where no event
//! has told it (after a session was resumed there is no list of anything).
//!
//! Bounded: what was not needed for longest is forgotten, and looked up again when it is needed.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::channels::discord::ids::Snowflake;
use crate::channels::discord::wire;

/// So many channels and threads are remembered.
const CHANNELS: u64 = 100_000;

/// So many roles are, of all servers together.
const ROLES: u64 = 200_000;

/// For how long nothing is asked for again that Discord refuses to tell.
pub(super) const REFUSED: Duration = Duration::from_secs(10 * 60);

/// The same of what was not answered: messages wait for each other while something is asked for, and cannot be judged well
/// without it.
pub(super) const UNANSWERED: Duration = Duration::from_secs(10);

/// Something to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// `GET /channels/{id}`, for [`Places::learn_looked_up`].
    Channel(Snowflake),
    /// `GET /guilds/{id}/roles`, for [`Places::learn_roles`].
    Roles(Snowflake),
}

/// A channel or a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub kind: u8,
    pub name: Option<Box<str>>,
    /// Of a channel its category, of a thread its channel.
    pub parent: Option<Snowflake>,
    /// `None`: direct messages.
    pub guild: Option<Snowflake>,
    /// Whether the bot takes part in a thread; `None` where nothing has told it yet.
    pub joined: Option<bool>,
}

impl Place {
    pub(super) fn of(channel: &wire::Channel, guild: Option<Snowflake>, joined: Option<bool>) -> Self {
        Self {
            kind: channel.kind,
            name: channel.name.as_deref().map(Into::into),
            parent: channel.parent_id,
            guild: guild.or(channel.guild_id),
            joined,
        }
    }

    pub fn is_thread(&self) -> bool {
        wire::is_thread(self.kind)
    }
}

/// The roles of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    names: HashMap<Snowflake, Box<str>>,
    /// The role that Discord made for the bot itself.
    own: Option<Snowflake>,
}

/// Made when it is first needed.
type Lazy<K, V> = LazyLock<Cache<K, V>, Box<dyn FnOnce() -> Cache<K, V> + Send>>;

fn lazy<K, V>(make: impl FnOnce() -> Cache<K, V> + Send + 'static) -> Lazy<K, V> {
    LazyLock::new(Box::new(make))
}

/// All that is known. What concerns a server comes through one connection and is written by its task alone, so that reading and
/// writing back needs no lock.
pub struct Places {
    bot: Snowflake,
    channels: Lazy<Snowflake, Arc<Place>>,
    guilds: Lazy<Snowflake, Arc<Roles>>,
    /// With how long that holds.
    given_up: Lazy<Wanted, Duration>,
}

/// What was given up is wanted again after its time.
struct InTime;

impl Expiry<Wanted, Duration> for InTime {
    fn expire_after_create(&self, _: &Wanted, time: &Duration, _: Instant) -> Option<Duration> {
        Some(*time)
    }

    fn expire_after_update(&self, _: &Wanted, time: &Duration, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(*time)
    }
}

impl Places {
    pub fn new(bot: Snowflake) -> Self {
        Self::with_room(bot, CHANNELS, ROLES)
    }

    fn with_room(bot: Snowflake, channels: u64, roles: u64) -> Self {
        let weight = |_: &Snowflake, roles: &Arc<Roles>| u32::try_from(roles.names.len() + 1).unwrap_or(u32::MAX);
        let given_up = move || Cache::builder().max_capacity(channels).expire_after(InTime).build();
        // With the default policy, what is new may be refused for what was needed often.
        let places = move || Cache::builder().max_capacity(channels).eviction_policy(EvictionPolicy::lru()).build();
        let guilds =
            move || Cache::builder().max_capacity(roles).weigher(weight).eviction_policy(EvictionPolicy::lru()).build();
        Self { bot, channels: lazy(places), guilds: lazy(guilds), given_up: lazy(given_up) }
    }

    pub fn place(&self, channel: Snowflake) -> Option<Arc<Place>> {
        self.channels.get(&channel)
    }

    /// The name of a role of a server.
    pub(super) fn role(&self, guild: Snowflake, role: Snowflake) -> Option<Box<str>> {
        self.guilds.get(&guild)?.names.get(&role).cloned()
    }

    /// The bot's own role in a server, which can be mentioned in its place.
    pub(super) fn own_role(&self, guild: Snowflake) -> Option<Snowflake> {
        self.guilds.get(&guild)?.own
    }

    pub(super) fn knows_roles(&self, guild: Snowflake) -> bool {
        self.guilds.contains_key(&guild)
    }

    /// Whether something is not to be looked up for now.
    pub(super) fn is_given_up(&self, wanted: Wanted) -> bool {
        self.given_up.contains_key(&wanted)
    }

    /// It cannot be looked up (no access, gone, no answer): it is not wanted again for a while.
    pub fn give_up(&self, wanted: Wanted, time: Duration) {
        self.given_up.insert(wanted, time);
    }

    /// `GUILD_CREATE`
    pub fn learn_guild(&self, guild: &wire::Guild) {
        if guild.unavailable {
            return;
        }
        self.learn_roles(guild.id, &guild.roles);
        for channel in &guild.channels {
            self.learn(channel, Some(guild.id), None);
        }
        // Those the bot is in come with its membership.
        for thread in &guild.threads {
            self.learn(thread, Some(guild.id), Some(thread.member.is_some()));
        }
    }

    /// `CHANNEL_CREATE`, `CHANNEL_UPDATE`, `THREAD_CREATE`, `THREAD_UPDATE`.
    pub fn learn_channel(&self, channel: &wire::Channel) {
        let joined = if channel.member.is_some() || channel.newly_created && channel.owner_id == Some(self.bot) {
            Some(true)
        } else {
            // An update says nothing of it.
            channel.newly_created.then_some(false)
        };
        self.learn(channel, channel.guild_id, joined);
    }

    /// What `GET /channels/{id}` answered: a thread comes with the bot's membership
    /// (<https://docs.discord.com/developers/resources/channel#get-channel>).
    pub fn learn_looked_up(&self, channel: &wire::Channel) {
        self.learn(channel, channel.guild_id, Some(channel.member.is_some()));
    }

    /// `THREAD_LIST_SYNC`
    pub fn learn_threads(&self, sync: &wire::ThreadListSync) {
        for thread in &sync.threads {
            let joined = thread.member.is_some() || sync.members.iter().any(|member| member.id == Some(thread.id));
            self.learn(thread, Some(sync.guild_id), Some(joined));
        }
    }

    /// `THREAD_MEMBERS_UPDATE`, which comes for the bot itself whatever it asked to be told.
    pub fn learn_members(&self, update: &wire::ThreadMembersUpdate) {
        if update.removed_member_ids.contains(&self.bot) {
            self.left(update.id);
        }
        if update.added_members.iter().any(|member| member.user_id == Some(self.bot)) {
            self.joined(update.id);
        }
    }

    /// The bot takes part in a thread. Of one that is not known this is looked up with the rest.
    pub fn joined(&self, thread: Snowflake) {
        self.take_part(thread, true);
    }

    pub fn left(&self, thread: Snowflake) {
        self.take_part(thread, false);
    }

    fn take_part(&self, thread: Snowflake, joined: bool) {
        if let Some(place) = self.channels.get(&thread).filter(|place| place.joined != Some(joined)) {
            self.channels.insert(thread, Arc::new(Place { joined: Some(joined), ..(*place).clone() }));
        }
    }

    /// `CHANNEL_DELETE`, `THREAD_DELETE`.
    pub fn forget_channel(&self, channel: Snowflake) {
        self.channels.invalidate(&channel);
    }

    /// `GUILD_DELETE`: nothing comes from its channels any more, so that they are forgotten by and by.
    pub fn forget_guild(&self, guild: Snowflake) {
        self.guilds.invalidate(&guild);
    }

    /// All roles of a server.
    pub fn learn_roles(&self, guild: Snowflake, roles: &[wire::Role]) {
        let own = roles.iter().find(|role| role.tags.bot_id == Some(self.bot)).map(|role| role.id);
        let names = roles.iter().map(|role| (role.id, role.name.as_str().into())).collect();
        self.guilds.insert(guild, Arc::new(Roles { names, own }));
    }

    /// `GUILD_ROLE_CREATE`, `GUILD_ROLE_UPDATE`. Where the others are not known, this one is looked up with them.
    pub fn learn_role(&self, told: &wire::GuildRole) {
        if let Some(known) = self.guilds.get(&told.guild_id) {
            let mut roles = (*known).clone();
            roles.names.insert(told.role.id, told.role.name.as_str().into());
            if told.role.tags.bot_id == Some(self.bot) {
                roles.own = Some(told.role.id);
            }
            self.guilds.insert(told.guild_id, Arc::new(roles));
        }
    }

    /// `GUILD_ROLE_DELETE`
    pub fn forget_role(&self, gone: &wire::GuildRoleDelete) {
        if let Some(known) = self.guilds.get(&gone.guild_id) {
            let mut roles = (*known).clone();
            roles.names.remove(&gone.role_id);
            roles.own = roles.own.filter(|own| *own != gone.role_id);
            self.guilds.insert(gone.guild_id, Arc::new(roles));
        }
    }

    fn learn(&self, channel: &wire::Channel, guild: Option<Snowflake>, joined: Option<bool>) {
        let known = self.channels.get(&channel.id);
        let joined =
            if channel.is_thread() { joined.or_else(|| known.as_ref().and_then(|known| known.joined)) } else { None };
        let place = Place::of(channel, guild, joined);
        if known.is_none_or(|known| *known != place) {
            self.channels.insert(channel.id, Arc::new(place));
        }
        self.given_up.invalidate(&Wanted::Channel(channel.id));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const BOT: Snowflake = Snowflake(42);

    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_str(&value.to_string()).unwrap()
    }

    fn known() -> Places {
        let places = Places::new(BOT);
        places.learn_guild(&read(json!({
            "id": "1", "name": "Tea house", "channels": [
                { "id": "9", "type": 4, "name": "Public" }, { "id": "10", "type": 0, "name": "tea", "parent_id": "9" },
            ],
            "threads": [
                { "id": "20", "type": 11, "name": "In", "parent_id": "10", "member": { "flags": 0 } },
                { "id": "21", "type": 11, "name": "Out", "parent_id": "10" },
            ],
            "roles": [{ "id": "1", "name": "@everyone" }, { "id": "5", "name": "Cai", "tags": { "bot_id": "42" } }],
        })));
        places
    }

    fn joined(places: &Places, thread: u64) -> Option<bool> {
        places.place(Snowflake(thread)).unwrap().joined
    }

    #[test]
    fn a_server_tells_of_its_channels_threads_and_roles() {
        let places = known();
        let tea = places.place(Snowflake(10)).unwrap();
        assert_eq!((tea.name.as_deref(), tea.parent, tea.guild), (Some("tea"), Some(Snowflake(9)), Some(Snowflake(1))));
        assert_eq!((joined(&places, 20), joined(&places, 21), tea.joined), (Some(true), Some(false), None));
        assert_eq!(places.own_role(Snowflake(1)), Some(Snowflake(5)));
        assert_eq!(places.role(Snowflake(1), Snowflake(1)).as_deref(), Some("@everyone"));
        places.learn_guild(&read(json!({ "id": "1", "unavailable": true })));
        assert!(places.knows_roles(Snowflake(1)), "an outage takes nothing away");
    }

    #[test]
    fn threads_are_joined_and_left() {
        let places = known();
        let members = |value: Value| places.learn_members(&read(value));
        members(json!({ "id": "21", "added_members": [{ "user_id": "7" }, { "user_id": "42" }] }));
        members(json!({ "id": "20", "removed_member_ids": ["42"] }));
        assert_eq!((joined(&places, 20), joined(&places, 21)), (Some(false), Some(true)));
        places.learn_channel(&read(json!({ "id": "21", "type": 11, "name": "New name", "parent_id": "10" })));
        assert_eq!(joined(&places, 21), Some(true), "a change of its name is no leaving");
        let sync = json!({ "guild_id": "1", "threads": [{ "id": "20", "type": 11 }, { "id": "21", "type": 11 }], "members": [{ "id": "20" }] });
        places.learn_threads(&read(sync));
        assert_eq!((joined(&places, 20), joined(&places, 21)), (Some(true), Some(false)));
        let opened = |id: &str, owner: &str| json!({ "id": id, "type": 11, "owner_id": owner, "newly_created": true });
        places.learn_channel(&read(opened("22", "42")));
        places.learn_channel(&read(opened("23", "7")));
        places.learn_channel(&read(json!({ "id": "24", "type": 11 })));
        assert_eq!((joined(&places, 22), joined(&places, 23), joined(&places, 24)), (Some(true), Some(false), None));
        places.learn_looked_up(&read(json!({ "id": "24", "type": 11, "guild_id": "1", "member": {} })));
        assert_eq!(joined(&places, 24), Some(true));
        places.forget_channel(Snowflake(24));
        assert_eq!(places.place(Snowflake(24)), None);
    }

    #[test]
    fn roles_come_and_go() {
        let places = known();
        places.learn_role(&read(json!({ "guild_id": "1", "role": { "id": "6", "name": "Guests" } })));
        places.learn_role(&read(json!({ "guild_id": "2", "role": { "id": "7", "name": "Elsewhere" } })));
        assert_eq!(places.role(Snowflake(1), Snowflake(6)).as_deref(), Some("Guests"));
        assert!(!places.knows_roles(Snowflake(2)), "one role of many says nothing of the others");
        places.forget_role(&read(json!({ "guild_id": "1", "role_id": "5" })));
        assert_eq!(places.own_role(Snowflake(1)), None);
        places.forget_guild(Snowflake(1));
        assert!(!places.knows_roles(Snowflake(1)));
    }

    #[tokio::test]
    async fn what_was_given_up_is_wanted_again_in_time() {
        let places = Places::new(BOT);
        let thread = Wanted::Channel(Snowflake(99));
        assert!(!places.is_given_up(thread));
        places.give_up(thread, REFUSED);
        assert!(places.is_given_up(thread));
        places.give_up(thread, Duration::from_millis(20));
        let deadline = Instant::now() + Duration::from_secs(30);
        while places.is_given_up(thread) {
            assert!(Instant::now() < deadline, "it is wanted no more");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[test]
    fn memory_is_bounded_and_keeps_what_is_new() {
        let places = Places::with_room(BOT, 500, 300);
        for id in 0..2_000 {
            places.learn_channel(&wire::Channel { id: Snowflake(id), ..wire::Channel::default() });
            let roles = (0..9).map(|role| wire::Role { id: Snowflake(role), ..wire::Role::default() });
            places.learn_roles(Snowflake(id), &roles.collect::<Vec<_>>());
            places.give_up(Wanted::Channel(Snowflake(id)), REFUSED);
            // What is needed all the time is not forgotten for what is needed once.
            assert!(places.place(Snowflake(0)).is_some(), "{id}");
            places.channels.run_pending_tasks();
        }
        places.channels.run_pending_tasks();
        places.given_up.run_pending_tasks();
        places.guilds.run_pending_tasks();
        assert!(places.channels.entry_count() <= 500 && places.given_up.entry_count() <= 500);
        assert!(places.guilds.weighted_size() <= 300 && places.knows_roles(Snowflake(1_999)));
        assert!(places.place(Snowflake(1_999)).is_some());
    }
}
