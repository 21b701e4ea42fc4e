use std::time::Duration;

use counterweight_domain::id::RunId;
use counterweight_domain::job::{self, Job, JobKind, JobState};
use counterweight_domain::retention::Retention;
use counterweight_domain::{Db, Timestamp};
use counterweight_storage::BlobStore;
use tokio_util::sync::CancellationToken;

use crate::test_support::{START, TestDb, backend_test};
use crate::{Settings, Worker, gc};

const HOUR: Duration = Duration::from_hours(1);
const LEASE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

fn worker(test: &TestDb) -> Worker {
    worker_on(test.db.clone(), LEASE)
}

pub(crate) fn worker_on(db: Db, lease: Duration) -> Worker {
    let gc = gc::Settings {
        interval: HOUR,
        grace: DAY,
        min_age: HOUR,
        upload_window: DAY,
        throttle: gc::Throttle::default(),
    };
    let settings = Settings {
        poll: Duration::from_millis(5),
        lease,
        concurrency: 2,
        gc,
        crash_after: Duration::from_mins(5),
        preempt_grace: HOUR,
        settle_after: HOUR,
        retention: Retention { trash: DAY, archive: None, artifacts: DAY },
        retention_interval: HOUR,
    };
    Worker::new(db, BlobStore::open("memory://").unwrap(), settings)
}

async fn add(test: &TestDb, kind: &JobKind, run_at: Timestamp) {
    let tx = test.db.begin_write().await.unwrap();
    job::enqueue(&tx, kind, run_at).await.unwrap();
    tx.commit().await.unwrap();
}

async fn unsettled(test: &TestDb) -> Vec<Job> {
    job::list_unsettled(&test.db, test.db.now()).await.unwrap()
}

fn purge(run: i64) -> JobKind {
    JobKind::PurgeDeletion { deletion_id: format!("deletion-{run}") }
}

backend_test!(a_deleted_run_is_purged_at_its_deadline, |test| {
    test.insert_deleted_run(1).await;
    add(&test, &purge(1), START.after(HOUR)).await;
    let worker = worker(&test);
    worker.drain().await.unwrap();
    assert_eq!(test.texts("SELECT lifecycle FROM run").await, ["deleted"]);
    test.advance(HOUR);
    worker.drain().await.unwrap();
    assert_eq!(test.texts("SELECT lifecycle FROM run").await, ["purged"]);
    assert_eq!(unsettled(&test).await, []);
});

backend_test!(a_deadline_that_was_moved_is_kept, |test| {
    test.insert_deleted_run(1).await;
    add(&test, &purge(1), START).await;
    let worker = worker(&test);
    worker.drain().await.unwrap();
    assert_eq!(test.texts("SELECT lifecycle FROM run").await, ["deleted"]);
    let waiting = "SELECT run_at FROM job WHERE kind = 'purge_deletion' AND state = 'ready' AND attempt = 0";
    assert_eq!(test.number(waiting).await, START.after(HOUR).0);
    test.advance(HOUR);
    worker.drain().await.unwrap();
    assert_eq!(test.texts("SELECT lifecycle FROM run").await, ["purged"]);
});

backend_test!(periodic_work_comes_again_by_itself, |test| {
    let worker = worker(&test);
    assert_eq!(worker.drain().await.unwrap(), 6, "the first time: all of it");
    assert_eq!(worker.drain().await.unwrap(), 0);
    test.advance(HOUR);
    assert_eq!(worker.drain().await.unwrap(), 6);
});

backend_test!(a_job_of_an_unknown_kind_is_given_up_with_its_name, |test| {
    test.execute(
        "INSERT INTO job (kind, payload, state, run_at, attempt, max_attempts, created_at) \
         VALUES ('make_coffee', 'null', 'ready', 0, 0, 5, 0)",
    )
    .await;
    worker(&test).drain().await.unwrap();
    let dead = unsettled(&test).await.pop().unwrap();
    assert_eq!(dead.state, JobState::Dead);
    assert!(dead.last_error.as_deref().unwrap().contains("make_coffee"), "{:?}", dead.last_error);
});

backend_test!(a_job_whose_runners_all_died_is_given_up, |test| {
    test.execute(
        "INSERT INTO job (kind, payload, state, run_at, attempt, max_attempts, lease_owner, lease_until, \
         created_at) VALUES ('collect', 'null', 'running', 0, 5, 5, 'gone', 0, 0)",
    )
    .await;
    worker(&test).drain().await.unwrap();
    assert_eq!(unsettled(&test).await.pop().unwrap().state, JobState::Dead);
});

backend_test!(running_workers_find_new_jobs_and_stop_when_told, |test| {
    let (worker, another) = (worker(&test), worker_on(test.second_process().await, LEASE));
    let shutdown = CancellationToken::new();
    let told = async {
        for run in 1..=5 {
            test.insert_deleted_run(run).await;
            add(&test, &purge(run), START).await;
        }
        test.advance(HOUR);
        while test.number("SELECT COUNT(*) FROM run WHERE lifecycle = 'purged'").await < 5 {
            tokio::task::yield_now().await;
        }
        shutdown.cancel();
    };
    tokio::join!(worker.run(shutdown.clone()), another.run(shutdown.clone()), told);
    let running = unsettled(&test).await.into_iter().filter(|job| job.state == JobState::Running).count();
    assert_eq!(running, 0, "nothing is left behind under a lease");
});

backend_test!(an_archive_period_that_is_not_over_is_waited_for, |test| {
    test.insert_deleted_run(1).await;
    let until = START.after(HOUR).0;
    test.execute(&format!(
        "UPDATE run SET lifecycle = 'archived', archived_until = {until}, deleted_at = NULL, purge_after = NULL"
    ))
    .await;
    // As if the clock had stepped back after it was claimed.
    add(&test, &JobKind::DeleteArchivedRun { run_id: RunId(1) }, START).await;
    let worker = worker(&test);
    worker.drain().await.unwrap();
    assert_eq!(test.texts("SELECT lifecycle FROM run").await, ["archived"]);
    test.advance(HOUR);
    worker.drain().await.unwrap();
    assert_eq!(test.texts("SELECT lifecycle FROM run").await, ["deleted"]);
});
