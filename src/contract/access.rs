//! Who is let in. Pure.

use std::collections::HashSet;

use crate::config;
use crate::model::Sender;
use crate::model::commands::Command;

/// A channel's `access` section, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Access {
    allow_chats: HashSet<String>,
    deny_chats: HashSet<String>,
    allow_users: HashSet<String>,
    deny_users: HashSet<String>,
    admins: HashSet<String>,
    admin_commands: HashSet<Command>,
}

/// How somebody stands towards the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Let in, not bound by the per-user rate, and may use every command.
    Admin,
    In,
    Out,
}

impl Access {
    pub fn new(section: &config::Access) -> Self {
        let ids = |list: &[config::Id]| list.iter().map(|id| id.0.clone()).collect();
        Self {
            allow_chats: ids(&section.allow_chats),
            deny_chats: ids(&section.deny_chats),
            allow_users: ids(&section.allow_users),
            deny_users: ids(&section.deny_users),
            admins: ids(&section.admins),
            admin_commands: section.admin_commands.iter().copied().collect(),
        }
    }

    /// Admins first, then `deny`, then `allow`: an allowed chat or an allowed user, if there is any such list.
    pub fn judge(&self, sender: &Sender) -> Standing {
        let is = |list: &HashSet<String>, id: &Option<String>| id.as_ref().is_some_and(|id| list.contains(id));
        if is(&self.admins, &sender.user) {
            return Standing::Admin;
        }
        if is(&self.deny_chats, &sender.chat) || is(&self.deny_users, &sender.user) {
            return Standing::Out;
        }
        let anybody = self.allow_chats.is_empty() && self.allow_users.is_empty();
        if anybody || is(&self.allow_chats, &sender.chat) || is(&self.allow_users, &sender.user) {
            Standing::In
        } else {
            Standing::Out
        }
    }

    /// Whether a list names the chat.
    pub fn names_chat(&self, chat: &str) -> bool {
        self.allow_chats.contains(chat) || self.deny_chats.contains(chat)
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
        Access::new(&serde_json::from_value::<config::Access>(section).unwrap())
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
        let denies = Access { allow_chats: Default::default(), allow_users: Default::default(), ..access };
        assert_eq!(of(&denies, "5", Some("5")), Standing::In, "with nobody allowed by name, all but the denied are");
    }

    #[test]
    fn some_commands_are_the_admins() {
        let access = access(serde_json::json!({ "admins": [9], "admin_commands": ["reset"] }));
        assert!(!access.permits(Standing::In, Command::Reset) && access.permits(Standing::Admin, Command::Reset));
        assert!(access.permits(Standing::In, Command::Help));
    }
}
