//! What was decided about the first of several events that belong together, for a short while.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::model::ContactKey;

/// So many groups at least are remembered, twice as many at most.
const MANY: usize = 2_048;

/// So long at least a group is remembered, unless there are many; twice as long at most.
const WHILE: Duration = Duration::from_secs(60);

type Generation<T> = HashMap<(ContactKey, String), T>;

/// In two generations: the older one is forgotten as a whole when the younger one is full or old.
pub(crate) struct Groups<T> {
    young: Generation<T>,
    old: Generation<T>,
    since: Instant,
}

impl<T: Copy> Groups<T> {
    pub(crate) fn new(now: Instant) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), since: now }
    }

    /// What was decided for the group, or what is decided now.
    pub(crate) fn decided(&mut self, contact: &ContactKey, group: &str, now: Instant, decide: impl FnOnce() -> T) -> T {
        if self.young.len() >= MANY || now.duration_since(self.since) >= WHILE {
            self.old = std::mem::take(&mut self.young);
            self.since = now;
        }
        let known = self.known(contact, group);
        known.unwrap_or_else(|| *self.young.entry((contact.clone(), group.to_owned())).or_insert_with(decide))
    }

    /// What was decided for the group, if that is remembered.
    pub(crate) fn known(&self, contact: &ContactKey, group: &str) -> Option<T> {
        let key = (contact.clone(), group.to_owned());
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Groups, MANY, WHILE};
    use crate::model::ContactKey;

    #[test]
    fn the_first_member_decides_for_a_while() {
        let (ann, bob) = (ContactKey::from_stored("u:ann"), ContactKey::from_stored("u:bob"));
        let start = Instant::now();
        let mut groups = Groups::new(start);
        assert_eq!(groups.decided(&ann, "a", start, || 1), 1);
        assert_eq!(groups.decided(&ann, "a", start, || 2), 1);
        assert_eq!(groups.decided(&bob, "a", start, || 3), 3, "another's group");
        assert_eq!(groups.decided(&ann, "b", start, || 4), 4);
        assert_eq!(groups.decided(&ann, "a", start + WHILE, || 5), 1, "at least so long");
        let later = start + WHILE + WHILE + Duration::from_secs(1);
        assert_eq!(groups.decided(&ann, "a", later, || 6), 6);
    }

    #[test]
    fn memory_is_bounded() {
        let (ann, now) = (ContactKey::from_stored("u:ann"), Instant::now());
        let mut groups = Groups::new(now);
        for n in 0..10 * MANY {
            groups.decided(&ann, &n.to_string(), now, || 0);
        }
        assert!(groups.young.len() + groups.old.len() <= 2 * MANY);
    }
}
