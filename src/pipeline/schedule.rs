//! Which turn may start: one per conversation, in order of arrival, when it is due, if its bot's gate lets it. Pure.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};

use tokio::time::Instant;

use crate::model::turn::Turn;
use crate::model::{BotName, ChannelId, ContactId, Target};

/// A turn in memory.
#[derive(Debug)]
struct Waiting {
    turn: Box<Turn>,
    due: Instant,
}

#[derive(Debug)]
struct Conversation {
    bot: BotName,
    waiting: VecDeque<Waiting>,
    /// The `seq` of the turn being worked on.
    running: Option<i64>,
    /// Whether it stands in its bot's line.
    in_line: bool,
}

/// All conversations that have a turn in memory.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    conversations: HashMap<ContactId, Conversation>,
    /// Conversations whose first turn is due, per bot: a bot that must wait does not hold up another's.
    lines: HashMap<BotName, VecDeque<ContactId>>,
    /// When to look at a conversation again. May hold entries that are no longer true.
    due: BinaryHeap<Reverse<(Instant, ContactId)>>,
    waiting: usize,
    running: usize,
    /// The bot whose turn it is to be asked first.
    next_bot: usize,
}

impl Schedule {
    /// Turns that wait in memory.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// Takes a turn, in its place by `seq`. `false` if it is known already.
    pub(crate) fn add(&mut self, turn: Box<Turn>, bot: BotName, now: Instant) -> bool {
        let (contact, due) = (turn.contact, now + turn.due_in);
        let conversation = self.conversations.entry(contact).or_insert_with(|| Conversation {
            bot: bot.clone(),
            waiting: VecDeque::new(),
            running: None,
            in_line: false,
        });
        conversation.bot = bot;
        if conversation.running == Some(turn.seq) || conversation.waiting.iter().any(|known| known.turn.seq == turn.seq)
        {
            return false;
        }
        let place = conversation.waiting.partition_point(|earlier| earlier.turn.seq < turn.seq);
        conversation.waiting.insert(place, Waiting { turn, due });
        self.waiting += 1;
        self.settle(contact, now);
        true
    }

    /// A held turn has more events, or a later due time.
    pub(crate) fn postpone(&mut self, contact: ContactId, seq: i64, due: Instant) {
        let Some(conversation) = self.conversations.get_mut(&contact) else { return };
        if let Some(waiting) = conversation.waiting.iter_mut().find(|waiting| waiting.turn.seq == seq) {
            waiting.due = waiting.due.max(due);
        }
    }

    /// A chat goes on elsewhere: what waits for an answer there follows. Rare, so a look at all of them will do.
    pub(crate) fn retarget(&mut self, channel: &ChannelId, from: &str, to: &Target) {
        let waiting = self.conversations.values_mut().flat_map(|conversation| &mut conversation.waiting);
        for Waiting { turn, .. } in waiting {
            if turn.channel == *channel && *turn.target.key == *from {
                turn.target = to.clone();
            }
        }
    }

    /// Forgets what waits for a channel, and answers it. Rare, so a look at all of them will do.
    pub(crate) fn forget(&mut self, channel: &ChannelId) -> Vec<Turn> {
        let (mut forgotten, mut contacts) = (Vec::new(), HashSet::new());
        self.conversations.retain(|contact, conversation| {
            // A contact is of one channel.
            if conversation.waiting.front().is_none_or(|first| first.turn.channel != *channel) {
                return true;
            }
            forgotten.extend(conversation.waiting.drain(..).map(|waiting| *waiting.turn));
            contacts.insert(*contact);
            conversation.in_line = false;
            conversation.running.is_some()
        });
        // Its next turn may stand in another bot's line.
        self.lines.values_mut().for_each(|line| line.retain(|contact| !contacts.contains(contact)));
        self.waiting -= forgotten.len();
        forgotten
    }

    /// The turn of a conversation that was taken by [`Schedule::next`] has ended or is gone.
    pub(crate) fn ended(&mut self, contact: ContactId, now: Instant) {
        if let Some(conversation) = self.conversations.get_mut(&contact)
            && conversation.running.take().is_some()
        {
            self.running -= 1;
        }
        self.settle(contact, now);
    }

    /// A turn that was taken goes back to its place in its conversation: the head, unless it was started before an earlier one
    /// was known. `bot` is the bot that it waits for now.
    pub(crate) fn put_back(&mut self, turn: Box<Turn>, bot: BotName, due: Instant, now: Instant) {
        let contact = turn.contact;
        if let Some(conversation) = self.conversations.get_mut(&contact) {
            conversation.bot = bot;
            if conversation.running.take().is_some() {
                self.running -= 1;
            }
            let place = conversation.waiting.partition_point(|earlier| earlier.turn.seq < turn.seq);
            conversation.waiting.insert(place, Waiting { turn, due });
            self.waiting += 1;
        }
        self.settle(contact, now);
    }

    /// The next turn that may start, or `None`. `may` says whether a bot's gate is open; it is asked once per bot and call.
    pub(crate) fn next(&mut self, now: Instant, mut may: impl FnMut(&BotName) -> bool) -> Option<Box<Turn>> {
        self.wake(now);
        let mut bots: Vec<BotName> =
            self.lines.iter().filter(|(_, line)| !line.is_empty()).map(|(bot, _)| bot.clone()).collect();
        if bots.len() > 1 {
            bots.sort();
            let turn = self.next_bot % bots.len();
            bots.rotate_left(turn);
            self.next_bot = self.next_bot.wrapping_add(1);
        }
        for bot in bots {
            if !may(&bot) {
                continue;
            }
            while let Some(contact) = self.lines.get_mut(&bot).and_then(VecDeque::pop_front) {
                let Some(conversation) = self.conversations.get_mut(&contact) else { continue };
                conversation.in_line = false;
                if conversation.running.is_some() {
                    continue;
                }
                match conversation.waiting.front() {
                    Some(first) if first.due <= now => {}
                    // Postponed since it was put into the line.
                    _ => {
                        self.settle(contact, now);
                        continue;
                    }
                }
                let Some(first) = conversation.waiting.pop_front() else { continue };
                conversation.running = Some(first.turn.seq);
                self.waiting -= 1;
                self.running += 1;
                return Some(first.turn);
            }
        }
        None
    }

    /// When the next held or delayed turn is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    fn wake(&mut self, now: Instant) {
        while let Some(Reverse((at, contact))) = self.due.peek().copied() {
            if at > now {
                break;
            }
            self.due.pop();
            self.settle(contact, now);
        }
    }

    /// Puts a conversation where it belongs: in line, on the clock, or out of memory.
    fn settle(&mut self, contact: ContactId, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&contact) else { return };
        if conversation.running.is_some() || conversation.in_line {
            return;
        }
        match conversation.waiting.front() {
            None => {
                self.conversations.remove(&contact);
            }
            Some(first) if first.due <= now => {
                conversation.in_line = true;
                self.lines.entry(conversation.bot.clone()).or_default().push_back(contact);
            }
            Some(first) => self.due.push(Reverse((first.due, contact))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Schedule;
    use crate::model::turn::Turn;
    use crate::model::{ContactId, Target, Timestamp, TurnId};

    fn turn(seq: i64, contact: i64, due_in: u64) -> Box<Turn> {
        Box::new(Turn {
            seq,
            id: TurnId::generate(),
            channel: "web".into(),
            bot: "main".into(),
            contact: ContactId(contact),
            target: Target::default(),
            events: Vec::new(),
            version: 0,
            addressed: true,
            received_at: Timestamp(0),
            due_in: Duration::from_secs(due_in),
            attempts: 0,
            spent: Duration::ZERO,
            verdict: None,
            asks: Vec::new(),
        })
    }

    fn drain(schedule: &mut Schedule, now: Instant) -> Vec<i64> {
        std::iter::from_fn(|| schedule.next(now, |_| true).map(|turn| turn.seq)).collect()
    }

    #[test]
    fn one_turn_per_conversation_in_order_of_arrival() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        for (seq, contact) in [(3, 1), (1, 1), (2, 2), (4, 1)] {
            assert!(schedule.add(turn(seq, contact, 0), "main".into(), now));
        }
        assert!(!schedule.add(turn(3, 1, 0), "main".into(), now), "known");
        assert_eq!(drain(&mut schedule, now), [1, 2]);
        schedule.ended(ContactId(1), now);
        assert_eq!(drain(&mut schedule, now), [3]);
        assert!(!schedule.add(turn(3, 1, 0), "main".into(), now), "running");
        schedule.ended(ContactId(1), now);
        schedule.ended(ContactId(2), now);
        assert_eq!(drain(&mut schedule, now), [4]);
        schedule.ended(ContactId(1), now);
        assert_eq!((schedule.waiting(), schedule.running(), schedule.conversations.len()), (0, 0, 0));
    }

    #[test]
    fn a_held_head_holds_its_conversation_and_no_other() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.add(turn(1, 1, 5), "main".into(), now);
        schedule.add(turn(2, 1, 0), "main".into(), now);
        schedule.add(turn(3, 2, 0), "main".into(), now);
        assert_eq!(drain(&mut schedule, now), [3]);
        let later = now + Duration::from_secs(5);
        assert_eq!(schedule.next_due(), Some(later));
        assert_eq!(drain(&mut schedule, later), [1]);
    }

    #[test]
    fn a_turn_put_back_comes_first_and_waits() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.add(turn(1, 1, 0), "main".into(), now);
        schedule.add(turn(2, 1, 0), "main".into(), now);
        let first = schedule.next(now, |_| true).unwrap();
        let later = now + Duration::from_secs(9);
        schedule.put_back(first, "main".into(), later, now);
        assert_eq!(drain(&mut schedule, now), [] as [i64; 0]);
        assert_eq!(drain(&mut schedule, later), [1]);
    }

    #[test]
    fn a_turn_put_back_lets_an_earlier_one_go_first_whose_wake_was_overtaken() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.add(turn(2, 1, 0), "main".into(), now);
        let second = schedule.next(now, |_| true).unwrap();
        schedule.add(turn(1, 1, 0), "main".into(), now);
        let later = now + Duration::from_secs(1);
        schedule.put_back(second, "main".into(), later, now);
        assert_eq!(drain(&mut schedule, now), [1]);
        schedule.ended(ContactId(1), now);
        assert_eq!(drain(&mut schedule, later), [2]);
    }

    #[test]
    fn a_bot_that_must_wait_does_not_hold_up_another() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.add(turn(1, 1, 0), "closed".into(), now);
        schedule.add(turn(2, 2, 0), "open".into(), now);
        let next = schedule.next(now, |bot| bot.as_str() == "open").map(|turn| turn.seq);
        assert_eq!(next, Some(2));
        assert!(schedule.next(now, |bot| bot.as_str() == "open").is_none());
        assert_eq!(drain(&mut schedule, now), [1]);
    }

    #[test]
    fn what_waits_follows_its_chat() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        for (seq, chat) in [(1, "old"), (2, "other")] {
            let mut turn = turn(seq, seq, 0);
            turn.target = Target::of(chat);
            schedule.add(turn, "main".into(), now);
        }
        schedule.retarget(&"page".into(), "old", &Target::of("new"));
        schedule.retarget(&"web".into(), "old", &Target::of("new"));
        let targets: Vec<_> =
            std::iter::from_fn(|| schedule.next(now, |_| true).map(|turn| turn.target.key.to_string())).collect();
        assert_eq!(targets, ["new", "other"]);
    }

    #[test]
    fn a_postponed_turn_waits_even_if_it_stood_in_line() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.add(turn(1, 1, 0), "main".into(), now);
        let later = now + Duration::from_secs(2);
        schedule.postpone(ContactId(1), 1, later);
        assert_eq!(drain(&mut schedule, now), [] as [i64; 0]);
        assert_eq!(drain(&mut schedule, later), [1]);
    }

    #[test]
    fn what_is_forgotten_of_a_channel_waits_in_no_line_when_it_comes_again() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        let mut other = turn(4, 3, 0);
        other.channel = "other".into();
        for turn in [turn(1, 1, 0), turn(2, 1, 0), turn(3, 2, 60), other] {
            schedule.add(turn, "old".into(), now);
        }
        let running = schedule.next(now, |_| true).unwrap();
        let channel = running.channel.clone();
        let forgotten: Vec<i64> = schedule.forget(&channel).iter().map(|turn| turn.seq).collect();
        assert_eq!((forgotten.len(), schedule.waiting(), schedule.running()), (2, 1, 1), "{forgotten:?}");
        schedule.put_back(running, "new".into(), now, now);
        schedule.add(turn(2, 1, 0), "new".into(), now);
        let of =
            |schedule: &mut Schedule, bot: &str| schedule.next(now, |name| name.as_str() == bot).map(|turn| turn.seq);
        assert_eq!(of(&mut schedule, "old"), Some(4), "the other channel's");
        assert_eq!(of(&mut schedule, "old"), None);
        assert_eq!(of(&mut schedule, "new"), Some(1));
        schedule.ended(ContactId(1), now);
        assert_eq!((of(&mut schedule, "new"), schedule.waiting()), (Some(2), 0));
    }
}
