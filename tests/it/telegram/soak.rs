//! Many updates through the real binary: all answered, in order, and its memory stays what it was.
//!
//! `SOAK_UPDATES=<number>` makes it longer (`just soak`).

use std::path::Path;
use std::time::{Duration, Instant};

use caigunn_bridge::sandbox::SandboxOptions;
use serde_json::Value;

use super::platform::{BOT_NAME, Draft};
use super::setting::Outside;
use crate::support::picture;
use crate::support::process::Daemon;

const UPDATES: usize = 1_500;

/// So many chats for so many updates, but not more than [`CHATS`].
const UPDATES_A_CHAT: usize = 15;
const CHATS: usize = 500;

/// So many messages may wait for their answers.
const OPEN: usize = 200;

/// By how much memory may grow after the first third: caches fill up, and an allocator keeps what it had at the busiest moment.
const SLACK: u64 = 8 << 20;

/// A run in which nothing is answered for so long has lost something.
const STANDSTILL: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_flat_and_nothing_is_lost() {
    let updates = std::env::var("SOAK_UPDATES").map_or(UPDATES, |count| count.parse().unwrap());
    let soak = Soak::new(updates).await;
    let daemon = soak.outside.start().await;
    let begun = Instant::now();
    let third = updates / 3;
    soak.write(0..third).await;
    let early = soak.figures(&daemon, third, begun);
    soak.write(third..2 * third).await;
    soak.figures(&daemon, 2 * third, begun);
    soak.write(2 * third..updates).await;
    let late = soak.figures(&daemon, updates, begun);

    soak.everything_is_answered_in_order();
    let later = (updates - third) as u64;
    super::say(&format!(
        "after the first third: memory {:+} KiB, store {:+} B a message",
        (late.memory.cast_signed() - early.memory.cast_signed()) / 1024,
        (late.store.cast_signed() - early.store.cast_signed()) / later.cast_signed(),
    ));
    assert!(late.memory <= early.memory + SLACK, "memory grows: {early:?}, {late:?}");
    let listed = soak.outside.place.run(&["messages", "list", "--json"]).await;
    assert_eq!((listed.code, listed.out.as_str()), (0, ""));
    assert_eq!(soak.outside.platform.violations(), Vec::<String>::new());
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code().await, 0);
}

struct Soak {
    outside: Outside,
    chats: usize,
    /// The sizes of the one photo that all send.
    photo: Value,
}

#[derive(Debug)]
struct Figures {
    memory: u64,
    store: u64,
}

/// What the `n`th update is.
enum What {
    Text,
    Picture,
    /// Said in a group, to others.
    Chatter,
}

impl Soak {
    async fn new(updates: usize) -> Self {
        let outside = Outside::new(SandboxOptions::default()).await;
        let photo = outside.platform.photo(&picture(image::ImageFormat::Jpeg));
        let chats = CHATS.min(updates / UPDATES_A_CHAT);
        for chat in (0..chats).map(id).filter(|chat| *chat < 0) {
            outside.platform.supergroup(chat, "Group");
        }
        Self { outside, chats, photo }
    }

    /// Every chat by turns. Of ten updates in a group one is not for the bot; of ten anywhere one is a picture.
    fn what(&self, n: usize) -> (i64, What) {
        let (chat, round) = (id(n % self.chats), n / self.chats);
        match (n % self.chats + round) % 10 {
            3 if chat < 0 => (chat, What::Chatter),
            6 => (chat, What::Picture),
            _ => (chat, What::Text),
        }
    }

    async fn write(&self, numbers: std::ops::Range<usize>) {
        let platform = &self.outside.platform;
        let mut expected = platform.sent_in_all();
        for n in numbers {
            let (chat, what) = self.what(n);
            let draft = Draft::new(chat, chat.abs());
            let words = if chat < 0 { format!("@{BOT_NAME} words {n}") } else { format!("words {n}") };
            expected += usize::from(!matches!(what, What::Chatter));
            platform.sends(match what {
                What::Text => draft.text(&words),
                What::Picture => draft.photo(self.photo.clone()).caption(&words),
                What::Chatter => draft.text("not for the bot"),
            });
            if n.is_multiple_of(20) {
                self.has_answered(expected.saturating_sub(OPEN)).await;
            }
        }
        self.has_answered(expected).await;
        // What is acknowledged last is so by the next poll.
        while platform.pending() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn has_answered(&self, count: usize) {
        let (mut sent, mut since) = (0, Instant::now());
        while sent < count {
            let now = self.outside.platform.sent_in_all();
            if now > sent {
                (sent, since) = (now, Instant::now());
            }
            assert!(since.elapsed() < STANDSTILL, "{sent} of {count} answers: the rest does not come");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn figures(&self, daemon: &Daemon, updates: usize, begun: Instant) -> Figures {
        let figures = Figures { memory: daemon.memory(), store: size(self.outside.place.folder(), "bridge.db") };
        super::say(&format!(
            "{updates} updates of {} chats, {:.0}/s: {:.1} MiB of memory, {:.1} MiB of store",
            self.chats,
            updates as f64 / begun.elapsed().as_secs_f64(),
            figures.memory as f64 / f64::from(1 << 20),
            figures.store as f64 / f64::from(1 << 20),
        ));
        figures
    }

    fn everything_is_answered_in_order(&self) {
        let (happened, _) = self.outside.platform.happened();
        let mut wanted = vec![Vec::new(); self.chats];
        for n in 0..usize::try_from(happened).unwrap() {
            if !matches!(self.what(n).1, What::Chatter) {
                wanted[n % self.chats].push(n);
            }
        }
        for (chat, wanted) in wanted.into_iter().enumerate() {
            let texts = self.outside.platform.texts(id(chat));
            assert_eq!(texts.len(), wanted.len(), "{texts:#?}");
            for ((turn, n), text) in (1..).zip(wanted).zip(&texts) {
                let own = text.starts_with(&format!("Turn {turn}: ")) && text.contains(&format!("\"words {n}\""));
                assert!(own, "turn {turn}, words {n}: {texts:#?}");
            }
        }
    }
}

/// Every third chat is a group.
fn id(chat: usize) -> i64 {
    let id = i64::try_from(chat).unwrap() + 10_000;
    if chat.is_multiple_of(3) { -1_000_000_000_000 - id } else { id }
}

/// The bytes of all files of the store, its log among them.
fn size(folder: &Path, name: &str) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let own = files.filter(|file| file.file_name().to_string_lossy().starts_with(name));
    own.map(|file| if file.path().is_dir() { size(&file.path(), "") } else { file.metadata().unwrap().len() }).sum()
}
