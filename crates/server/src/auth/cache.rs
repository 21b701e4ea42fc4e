use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use counterweight_domain::account::Caller;
use counterweight_domain::{Env, Timestamp};
use sha2::{Digest as _, Sha256};

/// A revoked key works at most this long.
const KNOWN_FOR: Duration = Duration::from_secs(30);

/// A new key is refused at most this long, if it was tried before it was made.
const UNKNOWN_FOR: Duration = Duration::from_secs(5);

/// Answers of each kind; a flood of wrong keys pushes out no right one.
const CAPACITY: usize = 4096;

type KeyHash = [u8; 32];

/// Whose key it is.
#[derive(Clone, Debug)]
pub enum Answer {
    /// This user's.
    Known(Caller),
    /// Nobody's.
    Unknown,
}

impl Answer {
    /// The user, if there is one.
    pub fn caller(self) -> Option<Caller> {
        match self {
            Self::Known(caller) => Some(caller),
            Self::Unknown => None,
        }
    }
}

impl From<Option<Caller>> for Answer {
    fn from(caller: Option<Caller>) -> Self {
        caller.map_or(Self::Unknown, Self::Known)
    }
}

/// Recent answers to "whose key is this". Keyed by SHA-256, so that no key stays in memory and how long a lookup
/// takes says nothing about one.
#[derive(Debug)]
pub struct SignInCache {
    env: Env,
    answers: Mutex<Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    known: HashMap<KeyHash, (Timestamp, Caller)>,
    unknown: HashMap<KeyHash, (Timestamp, ())>,
}

impl SignInCache {
    /// Empty.
    pub fn new(env: Env) -> Self {
        Self { env, answers: Mutex::default() }
    }

    /// The last answer for this key, if it is fresh.
    pub fn get(&self, key: &str) -> Option<Answer> {
        let (hash, now) = (hash(key), self.env.now());
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((until, caller)) = answers.known.get(&hash) {
            return (now < *until).then(|| Answer::Known(caller.clone()));
        }
        let (until, ()) = answers.unknown.get(&hash)?;
        (now < *until).then_some(Answer::Unknown)
    }

    /// Remembers the database's answer.
    pub fn put(&self, key: &str, answer: Answer) {
        let (hash, now) = (hash(key), self.env.now());
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.known.remove(&hash);
        answers.unknown.remove(&hash);
        match answer {
            Answer::Known(caller) => remember(&mut answers.known, hash, caller, now, KNOWN_FOR),
            Answer::Unknown => remember(&mut answers.unknown, hash, (), now, UNKNOWN_FOR),
        }
    }
}

fn remember<T>(
    answers: &mut HashMap<KeyHash, (Timestamp, T)>,
    hash: KeyHash,
    answer: T,
    now: Timestamp,
    span: Duration,
) {
    if answers.len() >= CAPACITY {
        answers.retain(|_, (until, _)| now < *until);
    }
    if answers.len() >= CAPACITY {
        answers.clear();
    }
    answers.insert(hash, (now.after(span), answer));
}

fn hash(key: &str) -> KeyHash {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use counterweight_domain::clock::{ManualClock, SeededRandom};
    use counterweight_domain::id::{EntityId, UserId};

    use super::*;

    fn cache() -> (SignInCache, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        (SignInCache::new(Env::new(clock.clone(), Arc::new(SeededRandom::new(1)))), clock)
    }

    fn ada() -> Answer {
        let username = "ada".to_owned();
        Answer::Known(Caller { user_id: UserId(1), entity_id: EntityId(2), username, admin: false })
    }

    #[test]
    fn an_answer_is_good_until_it_expires() {
        let (cache, clock) = cache();
        cache.put("key", ada());
        clock.advance(KNOWN_FOR.saturating_sub(Duration::from_micros(1)));
        assert_eq!(cache.get("key").and_then(Answer::caller).unwrap().username, "ada");
        clock.advance(Duration::from_micros(1));
        assert!(cache.get("key").is_none());
    }

    #[test]
    fn an_unknown_key_is_remembered_for_a_shorter_time() {
        let (cache, clock) = cache();
        cache.put("key", Answer::Unknown);
        assert!(matches!(cache.get("key"), Some(Answer::Unknown)));
        assert!(cache.get("another").is_none());
        clock.advance(UNKNOWN_FOR);
        assert!(cache.get("key").is_none());
    }

    #[test]
    fn the_newest_answer_counts() {
        let (cache, _) = cache();
        cache.put("key", ada());
        cache.put("key", Answer::Unknown);
        assert!(matches!(cache.get("key"), Some(Answer::Unknown)));
        cache.put("key", ada());
        assert!(matches!(cache.get("key"), Some(Answer::Known(_))));
    }

    #[test]
    fn wrong_keys_push_out_no_right_one_and_do_not_pile_up() {
        let (cache, _) = cache();
        cache.put("right", ada());
        for n in 0..3 * CAPACITY {
            cache.put(&n.to_string(), Answer::Unknown);
        }
        assert!(cache.get("right").is_some());
        assert!(cache.answers.lock().unwrap().unknown.len() <= CAPACITY);
    }
}
