//! Who writes: direct messages, rooms of a server in which one or two talk to the bot, threads.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

use crate::discord::platform::Platform;
use crate::discord::{ANN, GUILD, ROOM};

/// Something that has to be answered.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) chat: u64,
    pub(super) user: u64,
    pub(super) message: u64,
    pub(super) text: String,
    /// Whether its answer names it.
    pub(super) is_quoted: bool,
}

pub(super) fn by_chat(said: &[Said]) -> BTreeMap<u64, Vec<&Said>> {
    let mut chats: BTreeMap<u64, Vec<&Said>> = BTreeMap::new();
    for said in said {
        chats.entry(said.chat).or_default().push(said);
    }
    chats
}

pub(super) struct Chat {
    number: usize,
    id: u64,
    is_direct: bool,
    /// They write by turns.
    users: Vec<u64>,
    each: usize,
}

/// So many chats that write so many messages each.
pub(super) fn chats(platform: &Platform, count: usize, each: usize) -> Vec<Chat> {
    let chats = (0..).take(count).zip(0_u64..).map(|(number, n)| {
        let user = ANN + 1_000 + n;
        let is_direct = number % 3 == 0;
        let (id, users) = match number % 3 {
            0 => (platform.dm(user), vec![user]),
            1 => (platform.text_channel(GUILD, ROOM + 1_000 + n, "room"), vec![user, user + 500]),
            _ if number % 4 == 0 => (platform.thread(ROOM, user, "Thread", false), vec![user]),
            _ => (platform.text_channel(GUILD, ROOM + 1_000 + n, "room"), vec![user]),
        };
        for user in &users {
            platform.member(GUILD, *user, &[], None);
        }
        Chat { number, id, is_direct, users, each }
    });
    chats.collect()
}

impl Chat {
    /// Writes everything, spread over the kills.
    pub(super) async fn write(
        self,
        platform: &Platform,
        mut kills: watch::Receiver<usize>,
        in_all: usize,
        mut dice: fastrand::Rng,
    ) -> Vec<Said> {
        let mut after: Vec<usize> = (0..self.each).map(|_| dice.usize(0..in_all)).collect();
        after.sort_unstable();
        let mut said = Vec::new();
        for (n, after) in (1..).zip(after) {
            let _ = kills.wait_for(|kills| *kills >= after).await;
            // Much comes while nobody listens: a bridge has the most to do when it starts.
            let pause = if dice.bool() { 0 } else { dice.u64(0..400) };
            tokio::time::sleep(Duration::from_millis(pause)).await;
            said.push(self.says(platform, n));
        }
        said
    }

    pub(super) fn says(&self, platform: &Platform, n: usize) -> Said {
        let user = self.users[n % self.users.len()];
        let text = format!("chat {:02} says {n:02}", self.number);
        let message =
            if self.is_direct { platform.says(self.id, user, &text) } else { platform.asks(self.id, user, &text) };
        Said { chat: self.id, user, message, text, is_quoted: !self.is_direct }
    }
}
