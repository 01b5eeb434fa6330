//! Whether the bot is addressed, and what must be known to tell.

use crate::channels::discord::config::Servers;
use crate::channels::discord::normalize::{Rules, Scene, Way, person, text};
use crate::channels::discord::places::{Places, Wanted};
use crate::channels::discord::wire::Message;

/// `None`: it is not.
pub(super) fn judge(message: &Message, scene: &Scene, places: &Places, rules: &Rules) -> Option<Way> {
    if scene.guild.is_none() {
        return Some(Way::Itself);
    }
    if rules.servers == Servers::Never {
        return None;
    }
    if by_itself(message, scene, places, rules) {
        return Some(Way::Itself);
    }
    by_place(scene, rules).then_some(Way::Place)
}

/// `@everyone` and `@here` call people.
fn by_itself(message: &Message, scene: &Scene, places: &Places, rules: &Rules) -> bool {
    let own_role = || scene.guild.and_then(|guild| places.own_role(guild));
    let replied = message.referenced_message.as_ref().and_then(|original| original.author.as_ref());
    message.mentions.iter().any(|user| user.id == rules.bot)
        || replied.is_some_and(|author| author.id == rules.bot)
        || !message.mention_roles.is_empty() && own_role().is_some_and(|role| message.mention_roles.contains(&role))
        || text::mentions(&message.content, rules.bot)
        || rules.patterns.is_match(&message.content)
}

fn by_place(scene: &Scene, rules: &Rules) -> bool {
    let joined = scene.thread().is_some_and(|thread| thread.joined == Some(true));
    let parents = [&scene.place, &scene.parent].map(|place| place.as_ref().and_then(|place| place.parent));
    rules.servers == Servers::Always
        || rules.follow_threads && joined
        || [Some(scene.channel)].iter().chain(&parents).flatten().any(|id| rules.always_in.contains(id))
}

/// So many names are looked up at most that a message only mentions.
const MENTIONED: usize = 5;

/// What has to be looked up before a message can be judged and written readably, as far as that can be said by now.
pub(in crate::channels::discord) fn wanted(message: &Message, places: &Places, rules: &Rules) -> Vec<Wanted> {
    let scene = Scene::of_message(message, places);
    let Some(guild) = scene.guild.filter(|_| rules.servers != Servers::Never && person(message, rules).is_ok()) else {
        return Vec::new();
    };
    let mut wanted = Vec::new();
    if !message.mention_roles.is_empty() && !places.knows_roles(guild) {
        wanted.push(Wanted::Roles(guild));
    }
    let way = judge(message, &scene, places, rules);
    let channel = Wanted::Channel(scene.channel);
    match &scene.place {
        // Whose thread it is goes with every message that is taken.
        None if way.is_some() || !rules.always_in.is_empty() || rules.follow_threads => wanted.push(channel),
        Some(thread) if thread.is_thread() => {
            if way.is_none() && rules.follow_threads && thread.joined.is_none() {
                wanted.push(channel);
            }
            let parent = thread.parent.filter(|_| scene.parent.is_none());
            wanted.extend(parent.filter(|_| way.is_some() || !rules.always_in.is_empty()).map(Wanted::Channel));
        }
        _ => {}
    }
    if way.is_some() {
        let mentioned = text::channels(&message.content).into_iter().filter(|id| places.place(*id).is_none());
        wanted.extend(mentioned.map(Wanted::Channel).filter(|other| *other != channel).take(MENTIONED));
    }
    wanted
}
