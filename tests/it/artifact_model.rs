//! Versions begun, sent, committed, linked and deleted, runs deleted and restored, passing time, collections, failures of
//! the store and crashes between any two transactions, in any order: what a user was promised of artifacts holds after
//! every step, and in the end nothing else is left.
//!
//! | what must always hold | where it is looked at |
//! |---|---|
//! | a referenced blob is never removed | every committed version is read after every step |
//! | an unreferenced one is, in time | [`World::settle`], and what is due goes in each pass |
//! | a crash converges | each [`Trouble`]; nothing is repaired by hand |
//! | what was executed is what was planned | a dry run names what the next pass takes, and that alone |
//! | a dry run writes nothing | the same step |
//! | deadlines hold | runs are restored before theirs and refused after it |
//! | a restored run is byte-identical | every restore |
//! | storage figures are the sum of the objects | after every step, and against the whole store in the end |
//! | nobody does what their role does not allow | [`Step::Guess`] |
//!
//! That a hold always wins cannot be played: there are no holds yet.

mod collector;
mod promises;
mod verbs;
mod world;

use std::cell::Cell;

use counterweight_storage::Fault;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use self::world::{RUNS, World};
use crate::support::{TestApp, backend_test};

/// How many sequences are played, and which: some that a collector without the grace does not survive.
const CASES: (&str, u64) = ("COUNTERWEIGHT_TEST_CASES", 4);
const SEED: (&str, u64) = ("COUNTERWEIGHT_TEST_SEED", 3);

/// What goes wrong while the server does something.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// The store, at this call; the process dies during a call that is met with silence.
    Store(u64, Fault),
    /// The process dies when it has looked at the clock so often, as it does in every transaction.
    Death(i64),
}

/// A version that is begun, with the contents of its files.
#[derive(Clone, Copy, Debug)]
struct New {
    collection: usize,
    contents: [usize; 2],
    run: Option<usize>,
}

#[derive(Clone, Debug)]
enum Step {
    /// Announces the files too. Contents are few, so much of it is stored already.
    Begin(New),
    Send {
        version: usize,
        trouble: Option<Trouble>,
    },
    Commit {
        version: usize,
        trouble: Option<Trouble>,
    },
    /// All three at once.
    Log(New),
    Link {
        version: usize,
    },
    Unlink {
        version: usize,
    },
    Delete {
        version: usize,
        with_aliases: bool,
        trouble: Option<Trouble>,
    },
    DeleteRun {
        run: usize,
        with_artifacts: bool,
        trouble: Option<Trouble>,
    },
    Restore {
        run: usize,
    },
    Tick {
        hours: u64,
    },
    /// Jobs that are due.
    Work {
        trouble: Option<Trouble>,
    },
    /// Of the collector.
    Pass {
        trouble: Option<Trouble>,
    },
    /// A dry run, and then the pass itself.
    Rehearse,
    /// Somebody else tries.
    Guess {
        version: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let version = || 0..12_usize;
    let new = || {
        (0..2_usize, [0..4_usize, 0..4_usize], prop::option::of(0..RUNS))
            .prop_map(|(collection, contents, run)| New { collection, contents, run })
    };
    let trouble = || {
        let fault = prop_oneof![Just(Fault::Unavailable), Just(Fault::OutOfSpace), Just(Fault::Silence)];
        let trouble = prop_oneof![
            1 => (1_u64..3, fault).prop_map(|(call, fault)| Trouble::Store(call, fault)),
            2 => (0_i64..12).prop_map(Trouble::Death),
        ];
        prop_oneof![3 => Just(None), 2 => trouble.prop_map(Some)]
    };
    // The first call of a pass that has something to remove removes it.
    let pass_trouble = prop_oneof![
        2 => Just(None),
        1 => Just(Some(Trouble::Store(1, Fault::Silence))),
        1 => (0_i64..8).prop_map(|looks| Some(Trouble::Death(looks))),
    ];
    let step = prop_oneof![
        5 => new().prop_map(Step::Begin),
        2 => (version(), trouble()).prop_map(|(version, trouble)| Step::Send { version, trouble }),
        5 => (version(), trouble()).prop_map(|(version, trouble)| Step::Commit { version, trouble }),
        3 => new().prop_map(Step::Log),
        2 => version().prop_map(|version| Step::Link { version }),
        1 => version().prop_map(|version| Step::Unlink { version }),
        6 => (version(), prop::bool::weighted(0.8), trouble())
            .prop_map(|(version, with_aliases, trouble)| Step::Delete { version, with_aliases, trouble }),
        2 => (0..RUNS, any::<bool>(), trouble())
            .prop_map(|(run, with_artifacts, trouble)| Step::DeleteRun { run, with_artifacts, trouble }),
        2 => (0..RUNS).prop_map(|run| Step::Restore { run }),
        9 => prop_oneof![5 => 2_u64..5, 1 => 10_u64..16, 2 => 24_u64..26, 1 => 160_u64..175]
            .prop_map(|hours| Step::Tick { hours }),
        6 => trouble().prop_map(|trouble| Step::Work { trouble }),
        6 => pass_trouble.prop_map(|trouble| Step::Pass { trouble }),
        2 => Just(Step::Rehearse),
        1 => version().prop_map(|version| Step::Guess { version }),
    ];
    prop::collection::vec(step, 20..40)
}

async fn check_one(app: &TestApp, case: u64, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = World::new(app, case).await;
    for step in steps {
        world.take(step).await;
        world.check().await?;
    }
    world.settle().await?;
    world.clear().await;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "tests have no config")]
fn setting((name, ordinary): (&str, u64)) -> u64 {
    std::env::var(name).map_or(ordinary, |value| value.parse().unwrap())
}

backend_test!(what_was_promised_of_artifacts_holds_whatever_happens, |app| {
    let config = Config {
        cases: u32::try_from(setting(CASES)).unwrap(),
        max_shrink_iters: 20,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(setting(SEED)),
        ..Config::default()
    };
    let cases = Cell::new(0);
    let checked = TestRunner::new(config).run(&steps(), |steps| {
        cases.set(cases.get() + 1);
        block_in_place(|| Handle::current().block_on(check_one(app, cases.get(), &steps)))
    });
    match checked {
        Ok(()) => {}
        Err(TestError::Fail(reason, steps)) => {
            panic!("{reason}\nseed {}, found in {} sequences: {steps:?}", setting(SEED), cases.get())
        }
        Err(abort) => panic!("{abort}"),
    }
});
