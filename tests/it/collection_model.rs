//! Uploads, deletions, restores, passing time, collections and crashes in any order: no byte that is referred to is ever
//! missing, and in the end no other is left.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::Method;
use counterweight_domain::blob::{self, SweepCursor};
use counterweight_storage::{Fault, PutLimit};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::support::{GC, TRASH, TestApp, TestRun, backend_test};

const RUNS: usize = 3;
const NAMES: [&str; 2] = ["a", "b"];

#[derive(Clone, Debug)]
enum Step {
    /// Also replaces; `fault` is the call to the store that fails.
    Upload {
        run: usize,
        name: usize,
        fault: Option<u64>,
    },
    DeleteFile {
        run: usize,
        name: usize,
    },
    DeleteRun {
        run: usize,
    },
    Restore {
        run: usize,
    },
    Tick {
        hours: u64,
    },
    /// `fault` is the call to the store that fails.
    Work {
        fault: Option<u64>,
    },
    /// The server dies between the bytes and their row.
    DieWhileUploading,
    /// The worker dies between the removal of bytes and of their rows.
    DieWhileSweeping,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let run = || 0..RUNS;
    let name = || 0..NAMES.len();
    let fault = || prop_oneof![3 => Just(None), 1 => (1_u64..3).prop_map(Some)];
    let step = prop_oneof![
        6 => (run(), name(), fault()).prop_map(|(run, name, fault)| Step::Upload { run, name, fault }),
        2 => (run(), name()).prop_map(|(run, name)| Step::DeleteFile { run, name }),
        3 => run().prop_map(|run| Step::DeleteRun { run }),
        3 => run().prop_map(|run| Step::Restore { run }),
        6 => prop_oneof![1_u64..3, 24_u64..26, 160_u64..175].prop_map(|hours| Step::Tick { hours }),
        5 => fault().prop_map(|fault| Step::Work { fault }),
        1 => Just(Step::DieWhileUploading),
        1 => Just(Step::DieWhileSweeping),
    ];
    prop::collection::vec(step, 1..30)
}

/// What a user would expect of one run.
struct Expected {
    run: TestRun,
    files: BTreeMap<&'static str, String>,
    /// Hours until which a deleted run can be restored.
    deadline: Option<u64>,
}

impl Expected {
    fn is_lost(&self, now: u64) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

struct World<'a> {
    app: &'a TestApp,
    runs: Vec<Expected>,
    hours: u64,
    uploads: u64,
}

impl<'a> World<'a> {
    async fn new(app: &'a TestApp, case: usize) -> Self {
        let mut runs = Vec::new();
        for n in 0..RUNS {
            let run = app.ada.run(&format!("p{case}"), &format!("r{n}")).await;
            runs.push(Expected { run, files: BTreeMap::new(), deadline: None });
        }
        Self { app, runs, hours: 0, uploads: 0 }
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Upload { run, name, fault } => self.upload(run, NAMES[name], fault).await,
            Step::DeleteFile { run, name } => {
                let expected = &mut self.runs[run];
                if expected.deadline.is_none() && expected.files.remove(NAMES[name]).is_some() {
                    expected.run.delete_file(NAMES[name]).await;
                }
            }
            Step::DeleteRun { run } => {
                let expected = &mut self.runs[run];
                if expected.deadline.is_none() {
                    expected.deadline = Some(self.hours + TRASH.as_secs() / 3600);
                    expected.run.delete().await;
                }
            }
            Step::Restore { run } => self.restore(run).await,
            Step::Tick { hours } => {
                self.hours += hours;
                self.app.advance(Duration::from_hours(hours));
            }
            Step::Work { fault } => {
                if let Some(call) = fault {
                    self.app.faults.fail_call(call, Fault::Unavailable);
                }
                self.app.run_jobs().await;
                self.app.faults.clear();
            }
            Step::DieWhileUploading => {
                let tx = self.app.db.begin_write().await.unwrap();
                let (_, key) = blob::begin(&tx).await.unwrap();
                tx.commit().await.unwrap();
                let body = futures_util::stream::iter([Ok("lost".into())]);
                let limit = PutLimit { max_bytes: 10, expected_bytes: None };
                self.app.blobs.put_stream(&key, body, limit).await.unwrap();
            }
            Step::DieWhileSweeping => {
                let due = blob::due_for_sweep(&self.app.db, self.app.db.now(), SweepCursor::START, 1)
                    .await
                    .unwrap();
                let keys: Vec<_> = due.into_iter().map(|blob| blob.key).collect();
                self.app.blobs.delete_many(&keys).await;
            }
        }
    }

    async fn upload(&mut self, run: usize, name: &'static str, fault: Option<u64>) {
        let expected = &mut self.runs[run];
        if expected.deadline.is_some() {
            return;
        }
        self.uploads += 1;
        let content = format!("{name} {}", self.uploads);
        let url = expected.run.upload_url(name).await;
        if let Some(call) = fault {
            self.app.faults.fail_call(call, Fault::OutOfSpace);
        }
        let answer = self.app.ada.fetch(Method::PUT, &url, content.clone()).await;
        self.app.faults.clear();
        match answer.status {
            200 => drop(expected.files.insert(name, content)),
            status => assert_eq!(status, 507),
        }
    }

    async fn restore(&mut self, run: usize) {
        let expected = &mut self.runs[run];
        if expected.is_lost(self.hours) {
            let refused = expected.run.change_refused("restoreRun").await;
            assert!(["NOT_FOUND", "DEADLINE_PASSED"].contains(&refused.code.as_str()), "{refused:?}");
        } else {
            expected.run.change("restoreRun").await;
            expected.deadline = None;
        }
    }

    /// Every file of every run that is not deleted has its bytes; those in the trash have theirs in the store.
    async fn check(&self) -> Result<(), TestCaseError> {
        for expected in &self.runs {
            if expected.deadline.is_some() {
                prop_assert!(expected.run.show("id").await.is_null());
                continue;
            }
            let names = expected.run.file_names("").await;
            prop_assert_eq!(
                &names,
                &expected.files.keys().map(|name| (*name).to_owned()).collect::<Vec<_>>()
            );
            for (name, content) in &expected.files {
                let read = expected.run.download(name).await;
                prop_assert_eq!((read.status, read.body.as_ref()), (200, content.as_bytes()));
            }
        }
        self.app.check_consistency().await;
        Ok(())
    }

    /// Once everything has had its time, only what can be read or restored is left.
    async fn settle(&self) -> Result<(), TestCaseError> {
        let trash = self.runs.iter().filter(|expected| expected.deadline.is_some());
        for expected in trash.filter(|expected| !expected.is_lost(self.hours)) {
            expected.run.change("restoreRun").await;
        }
        for _ in 0..3 {
            self.app.collect().await;
        }
        let readable = self.runs.iter().filter(|expected| !expected.is_lost(self.hours));
        let wanted: usize = readable.map(|expected| expected.files.len()).sum();
        prop_assert_eq!(self.app.objects().await.len(), wanted);
        prop_assert_eq!(self.app.rows("blob").await, i64::try_from(wanted).unwrap());
        Ok(())
    }

    /// Leaves nothing to the next case.
    async fn clear(&self) {
        for expected in self.runs.iter().filter(|expected| !expected.is_lost(self.hours)) {
            self.app.ada.mutate("deleteRun", json!({"id": expected.run.id}), "clientMutationId").await;
        }
        self.app.wait(TRASH).await;
        self.app.collect().await;
        assert_eq!((self.app.objects().await.len(), self.app.rows("blob").await), (0, 0));
    }
}

async fn check_one(app: &TestApp, case: usize, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = World::new(app, case).await;
    for step in steps {
        world.take(step).await;
        world.check().await?;
    }
    world.settle().await?;
    world.clear().await;
    Ok(())
}

backend_test!(the_collector_takes_all_that_is_unwanted_and_nothing_else, |app| {
    assert!(GC.grace < TRASH, "the steps cross all deadlines");
    let config = Config { cases: 16, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    let cases = Cell::new(0);
    let checked = TestRunner::new(config).run(&steps(), |steps| {
        cases.set(cases.get() + 1);
        block_in_place(|| Handle::current().block_on(check_one(app, cases.get(), &steps)))
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
});
