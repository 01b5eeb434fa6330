//! Who writes: private chats, groups in which two talk to the bot by turns, topics of a forum.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

use crate::support::picture;
use crate::telegram::platform::{BOT_NAME, Draft, Platform};

/// The service messages that the bot gets when topics are opened.
pub(super) const TOPICS_OPENED: usize = 2;

const FORUM: i64 = -1_009_000_000_001;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Text(String),
    /// Before and after; which of the two is asked depends on when the edit came.
    Edited(String, String),
    Picture(String),
    /// Two pictures, the first with the words.
    Album(String),
    Command(&'static str),
}

impl What {
    /// The words by which its answer is known.
    pub(super) fn words(&self) -> Vec<&str> {
        match self {
            Self::Text(text) | Self::Picture(text) | Self::Album(text) => vec![text],
            Self::Edited(before, after) => vec![before, after],
            Self::Command(_) => Vec::new(),
        }
    }
}

/// Something that has to be answered.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) chat: i64,
    pub(super) thread: Option<i64>,
    pub(super) user: i64,
    /// The number of the (first) message.
    pub(super) message: i64,
    pub(super) what: What,
}

pub(super) fn by_chat(said: &[Said]) -> BTreeMap<i64, Vec<&Said>> {
    let mut chats: BTreeMap<i64, Vec<&Said>> = BTreeMap::new();
    for said in said {
        chats.entry(said.chat).or_default().push(said);
    }
    chats
}

#[derive(Clone, Copy)]
enum Step {
    Text,
    /// Two updates.
    TextAndEdit,
    Picture,
    /// Two updates.
    Album,
    Command(&'static str),
}

pub(super) struct Chat {
    number: usize,
    id: i64,
    thread: Option<i64>,
    /// They write by turns.
    users: Vec<i64>,
    steps: Vec<Step>,
}

/// So many chats that cause so many updates each. The last two are topics of one forum.
pub(super) fn chats(platform: &Platform, count: usize, updates: usize) -> Vec<Chat> {
    platform.forum(FORUM, "Forum");
    let chats = (0..count).map(|number| {
        let user = 1_000 + i64::try_from(number).unwrap();
        let group = -1_001_000_000_000 - user;
        let (id, thread, users) = if number + TOPICS_OPENED >= count {
            (FORUM, Some(platform.topic(FORUM, user, &format!("Topic {number}"))), vec![user])
        } else if number.is_multiple_of(2) {
            (user, None, vec![user])
        } else if number % 4 == 1 {
            (platform.supergroup(group, &format!("Group {number}")), None, vec![user, user + 500])
        } else {
            (platform.group(-user, &format!("Group {number}")), None, vec![user, user + 500])
        };
        Chat { number, id, thread, users, steps: steps(number, updates) }
    });
    chats.collect()
}

fn steps(number: usize, updates: usize) -> Vec<Step> {
    let mixed: &[Step] = match number % 3 {
        0 => &[Step::Text, Step::TextAndEdit, Step::Album, Step::Picture, Step::Command("id")],
        1 => &[Step::Picture, Step::Text, Step::Command("help")],
        _ => &[],
    };
    let (mut steps, mut left) = (Vec::new(), updates);
    for step in mixed.iter().copied().chain(std::iter::repeat(Step::Text)) {
        let takes = if matches!(step, Step::TextAndEdit | Step::Album) { 2 } else { 1 };
        if left == 0 {
            break;
        }
        if takes <= left {
            steps.push(step);
            left -= takes;
        }
    }
    steps
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
        let mut steps = self.steps.clone();
        dice.shuffle(&mut steps);
        let mut after: Vec<usize> = steps.iter().map(|_| dice.usize(0..in_all)).collect();
        after.sort_unstable();
        let mut said = Vec::new();
        for (n, (step, after)) in steps.into_iter().zip(after).enumerate() {
            let _ = kills.wait_for(|kills| *kills >= after).await;
            // Much comes while nobody listens: a bridge has the most to do when it starts.
            let pause = if dice.bool() { 0 } else { dice.u64(0..400) };
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let user = self.users[n % self.users.len()];
            let (message, what) = self.say(platform, user, n, step, &mut dice).await;
            said.push(Said { chat: self.id, thread: self.thread, user, message, what });
        }
        said
    }

    async fn say(&self, platform: &Platform, user: i64, n: usize, step: Step, dice: &mut fastrand::Rng) -> (i64, What) {
        let words = |what: &str| format!("chat {:02} {what} {n:02}", self.number);
        match step {
            Step::Text => {
                let text = words("says");
                (platform.sends(self.draft(user).text(&self.addressed(&text))), What::Text(text))
            }
            Step::TextAndEdit => {
                let (before, after) = (words("writes"), words("corrects"));
                let message = platform.sends(self.draft(user).text(&self.addressed(&before)));
                tokio::time::sleep(Duration::from_millis(dice.u64(0..60))).await;
                platform.edits(self.id, message, &self.addressed(&after));
                (message, What::Edited(before, after))
            }
            Step::Picture => {
                let caption = words("shows");
                let draft = self.draft(user).photo(platform.photo(&jpeg())).caption(&self.addressed(&caption));
                (platform.sends(draft), What::Picture(caption))
            }
            Step::Album => {
                let (caption, group) = (words("collects"), format!("{}{n}", self.number));
                let draft = || self.draft(user).photo(platform.photo(&jpeg())).album(&group);
                let message = platform.sends(draft().caption(&self.addressed(&caption)));
                platform.sends(draft());
                (message, What::Album(caption))
            }
            Step::Command(name) => {
                let text = if self.id > 0 { format!("/{name}") } else { format!("/{name}@{BOT_NAME}") };
                (platform.sends(self.draft(user).text(&text)), What::Command(name))
            }
        }
    }

    fn draft(&self, user: i64) -> Draft {
        let draft = Draft::new(self.id, user);
        match self.thread {
            Some(thread) => draft.thread(thread),
            None => draft,
        }
    }

    fn addressed(&self, text: &str) -> String {
        if self.id > 0 { text.to_owned() } else { format!("@{BOT_NAME} {text}") }
    }
}

fn jpeg() -> Vec<u8> {
    picture(image::ImageFormat::Jpeg)
}
