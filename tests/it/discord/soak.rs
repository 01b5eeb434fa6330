//! Many messages through the real binary: all answered, in order, and its memory stays what it was.
//!
//! `SOAK_MESSAGES=<number>` makes it longer (`just soak`).

use std::path::Path;
use std::time::{Duration, Instant};

use caigunn_bridge::sandbox::SandboxOptions;

use super::platform::Draft;
use super::setting::Outside;
use super::{ANN, GUILD, ROOM, at_bot};
use crate::support::process::Daemon;
use crate::support::{picture, until};

const MESSAGES: usize = 1_500;

/// So many channels for so many messages, but not more than [`CHANNELS`].
const MESSAGES_A_CHANNEL: usize = 15;
const CHANNELS: usize = 500;

/// So many messages may wait for their answers.
const OPEN: usize = 200;

/// By how much memory may grow after the first third: caches fill up, and an allocator keeps what it had at the busiest moment.
const SLACK: u64 = 8 << 20;

/// A run in which nothing is answered for so long has lost something.
const STANDSTILL: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_flat_and_nothing_is_lost() {
    let messages = std::env::var("SOAK_MESSAGES").map_or(MESSAGES, |count| count.parse().unwrap());
    let soak = Soak::new(messages).await;
    let daemon = soak.outside.start().await;
    until("it is connected", async || soak.outside.platform.connected() == 1).await;
    let begun = Instant::now();
    let third = messages / 3;
    soak.write(0..third).await;
    let early = soak.figures(&daemon, third, begun);
    soak.write(third..2 * third).await;
    soak.figures(&daemon, 2 * third, begun);
    soak.write(2 * third..messages).await;
    let late = soak.figures(&daemon, messages, begun);

    soak.everything_is_answered_in_order(messages);
    let later = (messages - third) as u64;
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
    /// Each with who writes there, and whether it is a direct one.
    channels: Vec<(u64, u64, bool)>,
    picture: Vec<u8>,
}

#[derive(Debug)]
struct Figures {
    memory: u64,
    store: u64,
}

/// What the `n`th message is.
enum What {
    Text,
    Picture,
    /// Said in a room, to others.
    Chatter,
}

impl Soak {
    async fn new(messages: usize) -> Self {
        let outside = Outside::new(SandboxOptions::default()).await;
        let count = u64::try_from(CHANNELS.min(messages / MESSAGES_A_CHANNEL)).unwrap();
        // Every third is a room.
        let channels = (0..count).map(|n| {
            let user = ANN + 1_000 + n;
            outside.platform.member(GUILD, user, &[], None);
            match n % 3 {
                0 => (outside.platform.text_channel(GUILD, ROOM + 1_000 + n, "room"), user, false),
                _ => (outside.platform.dm(user), user, true),
            }
        });
        let channels = channels.collect();
        Self { outside, channels, picture: picture(image::ImageFormat::Jpeg) }
    }

    /// Every channel by turns. Of ten messages in a room one is not for the bot; of twenty anywhere one is a picture.
    fn what(&self, n: usize) -> What {
        let (place, round) = (n % self.channels.len(), n / self.channels.len());
        match (place + round) % 20 {
            3 | 13 if !self.channels[place].2 => What::Chatter,
            6 => What::Picture,
            _ => What::Text,
        }
    }

    async fn write(&self, numbers: std::ops::Range<usize>) {
        let platform = &self.outside.platform;
        let mut expected = platform.sent_in_all();
        for n in numbers {
            let (channel, user, is_direct) = self.channels[n % self.channels.len()];
            let draft = Draft::new(channel, user);
            let words = if is_direct { format!("words {n}") } else { at_bot(&format!("words {n}")) };
            let what = self.what(n);
            expected += usize::from(!matches!(what, What::Chatter));
            platform.sends(match what {
                What::Text => draft.text(&words),
                What::Picture => {
                    let file = platform.keeps(channel, "picture.jpg", "image/jpeg", self.picture.clone());
                    draft.text(&words).attachment(file)
                }
                What::Chatter => draft.text("not for the bot"),
            });
            if n.is_multiple_of(20) {
                self.has_answered(expected.saturating_sub(OPEN)).await;
            }
        }
        self.has_answered(expected).await;
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

    fn figures(&self, daemon: &Daemon, messages: usize, begun: Instant) -> Figures {
        let figures = Figures { memory: daemon.memory(), store: size(self.outside.place.folder(), "bridge.db") };
        super::say(&format!(
            "{messages} messages of {} channels, {:.0}/s: {:.1} MiB of memory, {:.1} MiB of store",
            self.channels.len(),
            messages as f64 / begun.elapsed().as_secs_f64(),
            figures.memory as f64 / f64::from(1 << 20),
            figures.store as f64 / f64::from(1 << 20),
        ));
        figures
    }

    fn everything_is_answered_in_order(&self, messages: usize) {
        let mut wanted = vec![Vec::new(); self.channels.len()];
        for n in (0..messages).filter(|n| !matches!(self.what(*n), What::Chatter)) {
            wanted[n % self.channels.len()].push(n);
        }
        for ((channel, ..), wanted) in self.channels.iter().zip(wanted) {
            let texts = self.outside.platform.texts(*channel);
            assert_eq!(texts.len(), wanted.len(), "{texts:#?}");
            for ((turn, n), text) in (1..).zip(wanted).zip(&texts) {
                let own = text.starts_with(&format!("Turn {turn}: ")) && text.contains(&format!("\"words {n}\""));
                assert!(own, "turn {turn}, words {n}: {texts:#?}");
            }
        }
    }
}

/// The bytes of all files of the store, its log among them.
fn size(folder: &Path, name: &str) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let own = files.filter(|file| file.file_name().to_string_lossy().starts_with(name));
    own.map(|file| if file.path().is_dir() { size(&file.path(), "") } else { file.metadata().unwrap().len() }).sum()
}
