//! Server, worker, store and clock under one seed: people and workers take turns at every transaction and every call of the
//! store, processes die, the store fails, time passes; and what must always hold does.
//!
//! What fails names its seed, which plays the same again: see `docs/SIMULATION.md`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::unchecked_time_subtraction, reason = "times of the tests, which do not run below zero")]

mod dice;
mod ending;
mod keepers;
mod people;
mod promises;
mod rules;
mod schedule;
mod stage;
#[expect(dead_code, unused_imports, unused_macros, reason = "most of it is for the other tests")]
#[path = "../it/support/mod.rs"]
mod support;
mod view;
mod world;
mod writers;

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;

use self::schedule::play;
use crate::support::{Backend, TRASH};

/// How many seeds.
const SEEDS: &str = "COUNTERWEIGHT_SIMULATION_SEEDS";
/// The first of them.
const FIRST: &str = "COUNTERWEIGHT_SIMULATION_SEED";
/// Turns before everybody comes to an end.
const STEPS: usize = 250;

/// In microseconds, how far a process's clock may be from the true time.
const SKEW: i64 = 2_000_000;
/// How long the servers keep what is deleted, and the workers: one of each was started with another setting.
const RETENTIONS: [Duration; 2] = [TRASH, Duration::from_hours(84)];
/// The same of versions of artifacts.
const ARTIFACT_RETENTIONS: [Duration; 2] = [Duration::ZERO, Duration::from_hours(30)];

#[expect(clippy::disallowed_methods, reason = "tests have no config")]
fn setting(name: &str, ordinary: u64) -> u64 {
    std::env::var(name).map_or(ordinary, |value| value.parse().unwrap())
}

/// Plays a seed; all that happened, or why it failed.
fn run(backend: Backend, seed: u64, steps: usize) -> (Vec<String>, Result<(), String>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let played = runtime.block_on(Box::pin(play(backend, seed, steps)));
    runtime.shutdown_background();
    played
}

/// Plays so many seeds unless told otherwise, on all cores, until one fails.
fn check(backend: Backend, ordinary: u64) {
    let (seeds, first, next) = (setting(SEEDS, ordinary), setting(FIRST, 1), AtomicU64::new(0));
    let failed = Mutex::new(None);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while failed.lock().unwrap().is_none() {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= seeds {
                        return;
                    }
                    let (trace, done) = run(backend, first + number, STEPS);
                    if let Err(reason) = done {
                        failed.lock().unwrap().get_or_insert((first + number, trace, reason));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    if seeds == 1 && failed.is_none() {
        let trace = run(backend, first, STEPS).0.join("\n");
        std::io::stdout().write_all(trace.as_bytes()).unwrap();
    }
    if let Some((seed, trace, reason)) = failed {
        // What fails at the end may need fewer turns.
        let attempts = [STEPS / 8, STEPS / 4, STEPS / 2, STEPS].map(|steps| run(backend, seed, steps));
        let shortest = attempts.into_iter().find_map(|(trace, done)| Some((trace, done.err()?)));
        let (trace, reason) = shortest.unwrap_or_else(|| (trace, format!("{reason} (this time only)")));
        let backend = format!("{backend:?}").to_lowercase();
        panic!(
            "{}\n\n{reason}\nseed {seed}, after {} seeds; plays again by: scripts/simulate.sh 1 {backend} {seed}",
            trace.join("\n"),
            seed - first + 1
        );
    }
}

mod what_must_always_hold_does {
    use crate::check;
    use crate::support::Backend;

    #[test]
    fn sqlite() {
        check(Backend::Sqlite, 200);
    }

    #[test]
    fn postgres() {
        check(Backend::Postgres, 20);
    }
}

#[test]
fn a_seed_plays_the_same_again() {
    for seed in 1..=3 {
        let [(first, _), (second, _)] = [(); 2].map(|()| run(Backend::Sqlite, seed, STEPS));
        assert!(first.len() > STEPS, "{}", first.len());
        for (at, line) in first.iter().enumerate() {
            assert_eq!(Some(line), second.get(at), "seed {seed}, line {at}");
        }
    }
}
