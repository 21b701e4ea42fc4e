//! Answers of the database that are good for a moment.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use counterweight_domain::Timestamp;

/// Entries at most; a flood of new ones pushes the old ones out.
const CAPACITY: usize = 4096;

/// What was answered lately, each for the same span.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    span: Duration,
    entries: HashMap<K, (Timestamp, V)>,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// Empty; what is put in is good for `span`.
    pub(crate) fn new(span: Duration) -> Self {
        Self { span, entries: HashMap::new() }
    }

    /// The answer, if it is still good.
    pub(crate) fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        let (until, value) = self.entries.get(key)?;
        (now < *until).then(|| value.clone())
    }

    /// Remembers an answer.
    pub(crate) fn put(&mut self, key: K, value: V, now: Timestamp) {
        if self.entries.len() >= CAPACITY {
            self.entries.retain(|_, (until, _)| now < *until);
        }
        if self.entries.len() >= CAPACITY {
            self.entries.clear();
        }
        self.entries.insert(key, (now.after(self.span), value));
    }

    /// Forgets an answer.
    pub(crate) fn remove(&mut self, key: &K) {
        self.entries.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_good_until_it_expires() {
        let mut recent = Recent::new(Duration::from_micros(10));
        recent.put("a", 1, Timestamp(0));
        assert_eq!(recent.get(&"a", Timestamp(9)), Some(1));
        assert_eq!(recent.get(&"a", Timestamp(10)), None);
        assert_eq!(recent.get(&"b", Timestamp(0)), None);
    }

    #[test]
    fn answers_do_not_pile_up() {
        let mut recent = Recent::new(Duration::from_secs(1));
        for n in 0..3 * CAPACITY {
            recent.put(n, (), Timestamp(0));
            assert!(recent.entries.len() <= CAPACITY);
            assert!(recent.get(&n, Timestamp(0)).is_some());
        }
    }
}
