//! The names that runs get when their owner gives none: `adjective-noun-N`.

use crate::clock::Env;

const ADJECTIVES: &[&str] = &[
    "amber", "autumn", "bold", "brisk", "calm", "clear", "cosmic", "crimson", "crisp", "dainty", "deep",
    "eager", "early", "fair", "fresh", "gentle", "golden", "grateful", "hardy", "jolly", "keen", "light",
    "lively", "lunar", "mellow", "misty", "noble", "polar", "proud", "quiet", "rare", "royal", "sage",
    "silver", "snowy", "solar", "spring", "still", "summer", "sunny", "swift", "upbeat", "vivid", "warm",
    "wild", "winter", "wise",
];

const NOUNS: &[&str] = &[
    "anchor", "aurora", "beacon", "bird", "breeze", "brook", "canyon", "cloud", "comet", "creek", "dawn",
    "delta", "dune", "eagle", "ember", "falcon", "field", "firefly", "flower", "forest", "fox", "garden",
    "glade", "grove", "harbor", "haze", "hill", "lake", "leaf", "meadow", "moon", "mountain", "night",
    "oasis", "ocean", "pine", "plain", "pond", "rain", "river", "sea", "shadow", "sky", "star", "stream",
    "sun", "tree", "valley", "water", "wave", "wind", "wood",
];

/// A name for the `number`th run of a project.
pub(super) fn invent(env: &Env, number: i64) -> String {
    let adjective = ADJECTIVES[env.below(ADJECTIVES.len())];
    let noun = NOUNS[env.below(NOUNS.len())];
    format!("{adjective}-{noun}-{number}")
}

/// A run id of 8 base-36 characters, as the client makes them.
pub(crate) fn run_id(env: &Env) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    (0..8).map(|_| char::from(DIGITS[env.below(DIGITS.len())])).collect()
}
