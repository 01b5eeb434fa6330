//! How many calls one receiver may have under way: all receivers of a channel share its places for calls, and one that hangs
//! must not take them from the others.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Of the 64 that a channel has.
const MOST: usize = 32;

/// While the last call that ended had no answer.
const MOST_AILING: usize = 4;

#[derive(Default)]
pub(super) struct Room {
    taken: AtomicUsize,
    ailing: AtomicBool,
}

/// The place of one call. Given back when dropped.
pub(super) struct Place<'a>(&'a Room);

impl Room {
    /// `None`: as many as may be are under way.
    pub(super) fn take(&self) -> Option<Place<'_>> {
        let most = if self.ailing.load(Ordering::Relaxed) { MOST_AILING } else { MOST };
        let more = |taken: usize| (taken < most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok().map(|_| Place(self))
    }
}

impl Place<'_> {
    /// The call has ended, with an answer or without one.
    pub(super) fn ended(&self, answered: bool) {
        self.0.ailing.store(!answered, Ordering::Relaxed);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, MOST_AILING, Room};

    #[test]
    fn a_receiver_that_does_not_answer_has_less_room_until_it_does() {
        let room = Room::default();
        let mut places: Vec<_> = std::iter::from_fn(|| room.take()).collect();
        assert_eq!(places.len(), MOST);
        places[0].ended(false);
        places.truncate(MOST_AILING);
        assert!(room.take().is_none());
        places.pop();
        let last = room.take().unwrap();
        assert!(room.take().is_none());
        last.ended(true);
        assert!(room.take().is_some());
    }
}
