//! What happens to chats: the bot comes and goes, groups move, things are pinned.

use serde_json::{Value, json};

use super::people::Standing;
use super::state::{Inner, now};
use super::{BOT_ID, Platform};

/// The bot as a member (<https://core.telegram.org/bots/api#chatmember>).
fn member(inner: &Inner, status: &str) -> Value {
    let mut member = json!({ "user": inner.users[&BOT_ID], "status": status });
    let more = match status {
        "kicked" => json!({ "until_date": 0 }),
        "restricted" => {
            let mut rights = json!({ "is_member": true, "until_date": 0 });
            for right in [
                "can_send_messages",
                "can_send_audios",
                "can_send_documents",
                "can_send_photos",
                "can_send_videos",
                "can_send_video_notes",
                "can_send_voice_notes",
                "can_send_polls",
                "can_send_other_messages",
                "can_add_web_page_previews",
                "can_change_info",
                "can_invite_users",
                "can_pin_messages",
                "can_manage_topics",
            ] {
                rights[right] = (right == "can_send_messages").into();
            }
            rights
        }
        "administrator" => {
            let mut rights = json!({ "can_be_edited": false, "is_anonymous": false });
            for right in [
                "can_manage_chat",
                "can_delete_messages",
                "can_manage_video_chats",
                "can_restrict_members",
                "can_promote_members",
                "can_change_info",
                "can_invite_users",
                "can_post_stories",
                "can_edit_stories",
                "can_delete_stories",
                "can_pin_messages",
                "can_manage_topics",
            ] {
                rights[right] = true.into();
            }
            rights
        }
        _ => json!({}),
    };
    member.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    member
}

impl Platform {
    /// The bot's standing changes, by statuses of `ChatMember`. What it may do then follows from the new one.
    pub(crate) fn changes_membership(&self, chat: i64, by: i64, from: &str, to: &str) {
        let mut inner = self.lock();
        inner.meet(by);
        let private = chat > 0;
        let standing = match to {
            "kicked" if private => Standing::Blocked,
            "kicked" => Standing::Kicked,
            "left" => Standing::Left,
            _ => Standing::Member,
        };
        inner.chats.get_mut(&chat).unwrap().standing = standing;
        let change = json!({
            "chat": inner.chats[&chat].json,
            "from": inner.users[&by],
            "date": now(),
            "old_chat_member": member(&inner, from),
            "new_chat_member": member(&inner, to),
        });
        self.push(inner, "my_chat_member", change);
    }

    /// The bot is added to a group: a change of its standing, and a message in the group.
    pub(crate) fn joins(&self, chat: i64, by: i64) {
        self.changes_membership(chat, by, "left", "member");
        let bot = self.lock().users[&BOT_ID].clone();
        self.service(chat, by, json!({ "new_chat_members": [bot] }));
    }

    /// The bot is removed from a group for good.
    pub(crate) fn is_kicked(&self, chat: i64, by: i64) {
        self.changes_membership(chat, by, "member", "kicked");
    }

    pub(crate) fn is_blocked(&self, user: i64) {
        self.lock().meet(user);
        self.changes_membership(user, user, "member", "kicked");
    }

    pub(crate) fn is_unblocked(&self, user: i64) {
        self.changes_membership(user, user, "kicked", "member");
    }

    /// The bot is blocked (removed) and not told: the next call finds out.
    pub(crate) fn shuts_out(&self, chat: i64) {
        self.stands(chat, if chat > 0 { Standing::Blocked } else { Standing::Kicked });
    }

    /// The bot is let in again and not told.
    pub(crate) fn lets_in(&self, chat: i64) {
        self.stands(chat, Standing::Member);
    }

    /// A group becomes a supergroup: both chats tell.
    pub(crate) fn migrates(&self, old: i64, new: i64) {
        self.migrates_unseen(old, new);
        self.service(old, BOT_ID + 1, json!({ "migrate_to_chat_id": new }));
        self.service(new, BOT_ID + 1, json!({ "migrate_from_chat_id": old }));
    }

    /// The same, of which no update tells: the next call finds out.
    pub(crate) fn migrates_unseen(&self, old: i64, new: i64) {
        let title = self.lock().chats[&old].json["title"].as_str().unwrap().to_owned();
        self.supergroup(new, &title);
        self.stands(old, Standing::Migrated(new));
    }

    pub(crate) fn pins(&self, chat: i64, by: i64, message: i64) {
        let pinned = self.lock().quoted(chat, message).expect("a message of this chat");
        self.service(chat, by, json!({ "pinned_message": pinned }));
    }

    /// A service message: its own fields beside those that every message has.
    pub(crate) fn service(&self, chat: i64, by: i64, mut fields: Value) -> i64 {
        let mut inner = self.lock();
        inner.meet(by);
        fields["from"] = inner.users[&by].clone();
        let (id, message) = inner.write(chat, fields);
        self.push(inner, "message", message);
        id
    }

    /// Something of every kind that is no message and nothing about the bot's standing; their number.
    pub(crate) fn does_everything_else(&self, user: i64) -> usize {
        self.lock().meet(user);
        let (user, chat) = {
            let inner = self.lock();
            (inner.users[&user].clone(), inner.chats[&user].json.clone())
        };
        let others = super::samples::updates(&user, &chat);
        for (kind, value) in &others {
            self.happens(kind, value.clone());
        }
        others.len()
    }
}
