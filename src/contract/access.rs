//! Who is let in. Pure.

use std::collections::HashSet;

use crate::config;
use crate::model::Sender;
use crate::model::commands::Command;

/// A channel's `access` section, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Access {
    allow: Lists,
    deny: Lists,
    admins: HashSet<String>,
    admin_commands: HashSet<Command>,
    threads_are_chats: bool,
}

#[derive(Clone, Debug, Default)]
struct Lists {
    chats: HashSet<String>,
    users: HashSet<String>,
    guilds: HashSet<String>,
    roles: HashSet<String>,
}

/// How somebody stands towards the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Let in, not bound by the per-user rate, and may use every command.
    Admin,
    In,
    Out,
}

impl Lists {
    fn new(chats: &[config::Id], users: &[config::Id], guilds: &[config::Id], roles: &[config::Id]) -> Self {
        Self { chats: ids(chats), users: ids(users), guilds: ids(guilds), roles: ids(roles) }
    }

    fn is_empty(&self) -> bool {
        [&self.chats, &self.users, &self.guilds, &self.roles].iter().all(|list| list.is_empty())
    }

    /// Whether one of the lists names somebody, or where they are.
    fn name(&self, sender: &Sender, threads_are_chats: bool) -> bool {
        let thread = sender.thread.as_ref().filter(|_| threads_are_chats);
        is_in(&self.chats, sender.chat.as_ref())
            || is_in(&self.chats, thread)
            || is_in(&self.users, sender.user.as_ref())
            || is_in(&self.guilds, sender.guild.as_ref())
            || sender.roles.iter().any(|role| self.roles.contains(role))
    }
}

fn ids(list: &[config::Id]) -> HashSet<String> {
    list.iter().map(|id| id.0.clone()).collect()
}

fn is_in(list: &HashSet<String>, id: Option<&String>) -> bool {
    id.is_some_and(|id| list.contains(id))
}

impl Access {
    /// With `threads_are_chats` the lists of chats name threads, too: where a thread's id is one of a chat
    /// ([`Kind::with_servers`](config::Kind::with_servers)). Elsewhere each chat counts its threads anew (Telegram's topics), and one
    /// may bear the number of somebody's private chat.
    pub fn new(section: &config::Access, threads_are_chats: bool) -> Self {
        let config::Access { allow_chats, allow_users, allow_guilds, allow_roles, .. } = section;
        let config::Access { deny_chats, deny_users, deny_guilds, deny_roles, .. } = section;
        Self {
            allow: Lists::new(allow_chats, allow_users, allow_guilds, allow_roles),
            deny: Lists::new(deny_chats, deny_users, deny_guilds, deny_roles),
            admins: ids(&section.admins),
            admin_commands: section.admin_commands.iter().copied().collect(),
            threads_are_chats,
        }
    }

    /// Admins first, then whom a `deny` list names, then whom an `allow` list names, if there is any.
    pub fn judge(&self, sender: &Sender) -> Standing {
        if is_in(&self.admins, sender.user.as_ref()) {
            return Standing::Admin;
        }
        if self.deny.name(sender, self.threads_are_chats) {
            return Standing::Out;
        }
        let is_let_in = self.allow.is_empty() || self.allow.name(sender, self.threads_are_chats);
        if is_let_in { Standing::In } else { Standing::Out }
    }

    /// Whether a list names the chat.
    pub fn names_chat(&self, chat: &str) -> bool {
        self.allow.chats.contains(chat) || self.deny.chats.contains(chat)
    }

    /// Whether somebody of this standing may use a command.
    pub fn permits(&self, standing: Standing, command: Command) -> bool {
        standing == Standing::Admin || !self.admin_commands.contains(&command)
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Standing};
    use crate::config;
    use crate::model::Sender;
    use crate::model::commands::Command;

    fn access(section: serde_json::Value) -> Access {
        Access::new(&serde_json::from_value::<config::Access>(section).unwrap(), true)
    }

    fn of(access: &Access, chat: &str, user: Option<&str>) -> Standing {
        let sender = Sender { chat: Some(chat.into()), user: user.map(str::to_owned), ..Sender::default() };
        access.judge(&sender)
    }

    #[test]
    fn without_lists_everybody_is_let_in() {
        let open = access(serde_json::json!({}));
        assert_eq!(of(&open, "-1", Some("1")), Standing::In);
        assert_eq!(open.judge(&Sender::default()), Standing::In);
    }

    #[test]
    fn an_allowed_user_everywhere_and_everybody_in_an_allowed_chat() {
        let access = access(serde_json::json!({ "allow_users": [1], "allow_chats": [-100_123, "-7"] }));
        for (chat, user, want) in [
            ("1", Some("1"), Standing::In),
            ("-100123", Some("2"), Standing::In),
            ("-7", None, Standing::In),
            ("2", Some("2"), Standing::Out),
            ("-8", None, Standing::Out),
        ] {
            assert_eq!(of(&access, chat, user), want, "{chat} {user:?}");
        }
    }

    #[test]
    fn deny_wins_over_allow_and_binds_no_admin() {
        let access = access(serde_json::json!({
            "allow_chats": ["-7"], "allow_users": ["1", "2"], "deny_users": ["2"], "deny_chats": ["-8"], "admins": ["9"],
        }));
        assert_eq!(of(&access, "-7", Some("2")), Standing::Out);
        assert_eq!(of(&access, "-8", Some("1")), Standing::Out);
        assert_eq!(of(&access, "-8", Some("9")), Standing::Admin);
        let denies = Access { allow: Default::default(), ..access };
        assert_eq!(of(&denies, "5", Some("5")), Standing::In, "with nobody allowed by name, all but the denied are");
    }

    #[test]
    fn servers_and_roles_are_allowed_and_denied_like_chats_and_people() {
        let of = |access: &Access, guild: Option<&str>, roles: &[&str]| {
            let roles = roles.iter().map(|role| (*role).to_owned()).collect();
            let (chat, user) = (Some("70".into()), Some("1".into()));
            access.judge(&Sender { chat, user, guild: guild.map(str::to_owned), roles, ..Sender::default() })
        };
        let allow = access(serde_json::json!({ "allow_guilds": [50], "allow_roles": ["60"] }));
        let deny = access(serde_json::json!({ "deny_guilds": ["50"], "deny_roles": [60] }));
        let both = access(serde_json::json!({ "allow_users": [1], "allow_guilds": [50], "deny_roles": [60] }));
        for (guild, roles, [allowed, denied, of_both]) in [
            (None, &[][..], [Standing::Out, Standing::In, Standing::In]),
            (Some("50"), &[], [Standing::In, Standing::Out, Standing::In]),
            (Some("51"), &["61"], [Standing::Out, Standing::In, Standing::In]),
            (Some("51"), &["61", "60"], [Standing::In, Standing::Out, Standing::Out]),
        ] {
            assert_eq!(of(&allow, guild, roles), allowed, "{guild:?} {roles:?}");
            assert_eq!(of(&deny, guild, roles), denied, "{guild:?} {roles:?}");
            assert_eq!(of(&both, guild, roles), of_both, "{guild:?} {roles:?}");
        }
        // An id means what its list is of.
        for section in
            [serde_json::json!({ "allow_roles": [50, 70, 1] }), serde_json::json!({ "allow_guilds": [60, 70, 1] })]
        {
            assert_eq!(of(&access(section), Some("50"), &["60"]), Standing::Out);
        }
    }

    #[test]
    fn a_thread_is_named_as_a_chat_where_it_is_one() {
        let section = serde_json::json!({ "allow_chats": ["7", "70"], "deny_chats": ["8"] });
        let section: config::Access = serde_json::from_value(section).unwrap();
        let of = |are: bool, chat: &str, thread: &str| {
            let sender = Sender { chat: Some(chat.into()), thread: Some(thread.into()), ..Sender::default() };
            Access::new(&section, are).judge(&sender)
        };
        assert_eq!(
            [of(true, "9", "7"), of(true, "70", "8"), of(true, "9", "9")],
            [Standing::In, Standing::Out, Standing::Out]
        );
        assert_eq!([of(false, "9", "7"), of(false, "70", "8")], [Standing::Out, Standing::In], "a topic's number");
    }

    #[test]
    fn some_commands_are_the_admins() {
        let access = access(serde_json::json!({ "admins": [9], "admin_commands": ["reset"] }));
        assert!(!access.permits(Standing::In, Command::Reset) && access.permits(Standing::Admin, Command::Reset));
        assert!(access.permits(Standing::In, Command::Help));
    }
}
