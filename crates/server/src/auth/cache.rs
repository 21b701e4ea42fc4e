use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::recent::Recent;
use counterweight_domain::Env;
use counterweight_domain::account::Caller;
use sha2::{Digest as _, Sha256};

/// A revoked key works at most this long. What its user belongs to is not remembered with it.
const KNOWN_FOR: Duration = Duration::from_secs(30);

/// A new key is refused at most this long, if it was tried before it was made.
const UNKNOWN_FOR: Duration = Duration::from_secs(5);

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

/// Apart, so that a flood of wrong keys pushes out no right one.
#[derive(Debug)]
struct Answers {
    known: Recent<KeyHash, Caller>,
    unknown: Recent<KeyHash, ()>,
}

impl SignInCache {
    /// Empty.
    pub fn new(env: Env) -> Self {
        let answers = Answers { known: Recent::new(KNOWN_FOR), unknown: Recent::new(UNKNOWN_FOR) };
        Self { env, answers: Mutex::new(answers) }
    }

    /// The last answer for this key, if it is fresh.
    pub fn get(&self, key: &str) -> Option<Answer> {
        let (hash, now) = (hash(key), self.env.now());
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = answers.known.get(&hash, now).map(Answer::Known);
        known.or_else(|| answers.unknown.get(&hash, now).map(|()| Answer::Unknown))
    }

    /// Remembers the database's answer.
    pub fn put(&self, key: &str, answer: Answer) {
        let (hash, now) = (hash(key), self.env.now());
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.known.remove(&hash);
        answers.unknown.remove(&hash);
        match answer {
            Answer::Known(caller) => answers.known.put(hash, caller, now),
            Answer::Unknown => answers.unknown.put(hash, (), now),
        }
    }
}

fn hash(key: &str) -> KeyHash {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use counterweight_domain::Timestamp;
    use counterweight_domain::account::User;
    use counterweight_domain::clock::{ManualClock, SeededRandom};
    use counterweight_domain::id::{EntityId, UserId};

    use super::*;

    fn cache() -> (SignInCache, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        (SignInCache::new(Env::new(clock.clone(), Arc::new(SeededRandom::new(1)))), clock)
    }

    fn ada() -> Answer {
        let (username, full_name) = ("ada".to_owned(), "Ada".to_owned());
        let user = User {
            id: UserId(1),
            entity_id: EntityId(2),
            username,
            full_name,
            email: None,
            admin: false,
            team_id: None,
            team_name: None,
        };
        Answer::Known(Caller::from(user))
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
    fn wrong_keys_push_out_no_right_one() {
        let (cache, _) = cache();
        cache.put("right", ada());
        for n in 0..20_000 {
            cache.put(&n.to_string(), Answer::Unknown);
        }
        assert!(cache.get("right").is_some());
    }
}
