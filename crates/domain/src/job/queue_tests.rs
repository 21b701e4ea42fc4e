use std::time::Duration;

use super::*;
use crate::clock::Timestamp;
use crate::db::Db;
use crate::test_support::{START, TestDb, backend_test};

const LEASE: Duration = Duration::from_mins(1);

fn archived(run: i64) -> JobKind {
    JobKind::DeleteArchivedRun { run_id: RunId(run) }
}

async fn add(db: &Db, kind: &JobKind, run_at: Timestamp) -> bool {
    let tx = db.begin_write().await.unwrap();
    let queued = enqueue(&tx, kind, run_at).await.unwrap();
    tx.commit().await.unwrap();
    queued
}

async fn claim_one(db: &Db, owner: &str) -> Job {
    claim(db, owner, 1, LEASE).await.unwrap().pop().unwrap()
}

fn assert_fenced(result: &Result<()>) {
    assert!(matches!(result, Err(Error::Conflict { .. })), "{result:?}");
}

backend_test!(a_job_is_claimed_when_its_time_has_come_the_earliest_first, |test| {
    add(&test.db, &archived(2), START.after(Duration::from_secs(2))).await;
    add(&test.db, &archived(1), START.after(Duration::from_secs(1))).await;
    assert_eq!(claim(&test.db, "a", 9, LEASE).await.unwrap(), []);
    test.advance(Duration::from_secs(2));
    let claimed = claim(&test.db, "a", 9, LEASE).await.unwrap();
    let kinds: Vec<_> = claimed.iter().map(|job| job.parse().unwrap()).collect();
    assert_eq!(kinds, [archived(1), archived(2)]);
    assert_eq!(claimed[0].attempt, 1);
    assert_eq!(claim(&test.db, "b", 9, LEASE).await.unwrap(), []);
});

backend_test!(two_claimers_never_get_the_same_job, |test| {
    const JOBS: i64 = 40;
    for run in 0..JOBS {
        add(&test.db, &archived(run), START).await;
    }
    let other = test.second_process().await;
    let take = async |db: &Db, owner: &str| {
        let mut taken = Vec::new();
        loop {
            let jobs = claim(db, owner, 3, LEASE).await.unwrap();
            if jobs.is_empty() {
                return taken;
            }
            taken.extend(jobs.into_iter().map(|job| job.id));
        }
    };
    let (mut all, second) = tokio::join!(take(&test.db, "a"), take(&other, "b"));
    all.extend(second);
    all.sort_unstable();
    let taken = all.len();
    all.dedup();
    assert_eq!((taken, all.len()), (40, 40));
});

backend_test!(a_lease_that_ran_out_is_taken_over_and_its_owner_fenced_off, |test| {
    add(&test.db, &archived(1), START).await;
    let zombie = claim_one(&test.db, "zombie").await;
    test.advance(LEASE / 2);
    heartbeat(&test.db, &zombie, LEASE).await.unwrap();
    test.advance(LEASE / 2);
    assert_eq!(claim(&test.db, "heir", 1, LEASE).await.unwrap(), []);
    test.advance(LEASE / 2);
    let heir = claim_one(&test.db, "heir").await;
    assert_eq!((heir.id, heir.attempt), (zombie.id, 2));
    let now = test.db.now();
    assert_fenced(&heartbeat(&test.db, &zombie, LEASE).await);
    assert_fenced(&finish(&test.db, &zombie).await);
    assert_fenced(&retry(&test.db, &zombie, now, "late").await);
    assert_fenced(&postpone(&test.db, &zombie, now).await);
    assert_fenced(&fail(&test.db, &zombie, "late").await);
    finish(&test.db, &heir).await.unwrap();
    assert_fenced(&finish(&test.db, &heir).await);
    assert_eq!(list_unsettled(&test.db, now).await.unwrap(), []);
});

backend_test!(the_same_work_is_queued_once_and_the_transaction_goes_on, |test| {
    let tx = test.db.begin_write().await.unwrap();
    assert!(enqueue(&tx, &archived(1), START).await.unwrap());
    assert!(!enqueue(&tx, &archived(1), START).await.unwrap());
    assert!(enqueue(&tx, &archived(2), START).await.unwrap());
    tx.commit().await.unwrap();
    let first = claim_one(&test.db, "a").await;
    assert!(!add(&test.db, &archived(1), START).await, "it runs");
    finish(&test.db, &first).await.unwrap();
    assert!(add(&test.db, &archived(1), START).await, "it is over");
});

backend_test!(what_is_not_committed_is_not_queued, |test| {
    let tx = test.db.begin_write().await.unwrap();
    enqueue(&tx, &archived(1), START).await.unwrap();
    drop(tx);
    assert_eq!(claim(&test.db, "a", 1, LEASE).await.unwrap(), []);
});

backend_test!(a_failed_job_waits_and_counts_a_postponed_one_does_not, |test| {
    add(&test.db, &archived(1), START).await;
    let later = START.after(Duration::from_secs(5));
    postpone(&test.db, &claim_one(&test.db, "a").await, START).await.unwrap();
    let job = claim_one(&test.db, "a").await;
    assert_eq!(job.attempt, 1);
    retry(&test.db, &job, later, "no luck").await.unwrap();
    assert_eq!(claim(&test.db, "a", 1, LEASE).await.unwrap(), []);
    test.advance(Duration::from_secs(5));
    let job = claim_one(&test.db, "a").await;
    assert_eq!((job.attempt, job.last_error.as_deref()), (2, Some("no luck")));
    fail(&test.db, &job, "given up").await.unwrap();
    let dead = list_unsettled(&test.db, later).await.unwrap().pop().unwrap();
    assert_eq!((dead.state, dead.last_error.as_deref()), (JobState::Dead, Some("given up")));
});

backend_test!(a_cancelled_job_leaves_the_queue_even_while_it_runs, |test| {
    let cancel_it = async || {
        let tx = test.db.begin_write().await.unwrap();
        let found = cancel(&tx, &archived(1)).await.unwrap();
        tx.commit().await.unwrap();
        found
    };
    assert!(!cancel_it().await);
    add(&test.db, &archived(1), START).await;
    assert!(cancel_it().await);
    assert_eq!(claim(&test.db, "a", 1, LEASE).await.unwrap(), []);
    add(&test.db, &archived(1), START).await;
    let running = claim_one(&test.db, "a").await;
    assert!(cancel_it().await);
    assert!(add(&test.db, &archived(1), START).await, "the next one is not held up");
    assert_fenced(&heartbeat(&test.db, &running, LEASE).await);
    assert_fenced(&finish(&test.db, &running).await);
});

backend_test!(jobs_are_forgotten_long_after_they_ended, |test| {
    for run in 1..=2 {
        add(&test.db, &archived(run), START).await;
        finish(&test.db, &claim_one(&test.db, "a").await).await.unwrap();
        test.advance(Duration::from_mins(1));
    }
    add(&test.db, &archived(3), START).await;
    let cutoff = START.after(Duration::from_mins(1));
    assert_eq!(prune(&test.db, JobState::Dead, cutoff).await.unwrap(), 0);
    assert_eq!(prune(&test.db, JobState::Done, cutoff).await.unwrap(), 1);
    assert_eq!(test.number("SELECT COUNT(*) FROM job").await, 2);
});

backend_test!(a_schedule_fires_once_for_two_servers, |test| {
    const PERIOD: Duration = Duration::from_mins(10);
    let other = test.second_process().await;
    let tick = async || {
        let (first, second) = tokio::join!(
            advance(&test.db, &JobKind::Collect, PERIOD),
            advance(&other, &JobKind::Collect, PERIOD)
        );
        usize::from(first.unwrap()) + usize::from(second.unwrap())
    };
    assert_eq!(tick().await, 1, "the first time");
    assert_eq!(tick().await, 0);
    finish(&test.db, &claim_one(&test.db, "a").await).await.unwrap();
    test.advance(Duration::from_mins(9));
    assert_eq!(tick().await, 0);
    test.advance(Duration::from_mins(1));
    assert_eq!(tick().await, 1);
    test.advance(PERIOD * 5);
    assert_eq!(tick().await, 1, "what was missed is not made up for");
    assert_eq!(claim(&test.db, "a", 9, LEASE).await.unwrap().len(), 1, "one waits at most");
    let shorter = advance(&test.db, &JobKind::Collect, PERIOD / 10).await.unwrap();
    assert!(shorter, "a shorter period counts at once");
});
