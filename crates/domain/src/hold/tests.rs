//! Holds and deletions that meet. Only `PostgreSQL` lets both begin.

use std::time::Duration;

use super::{Subject, hold, release};
use crate::account::{self, Caller};
use crate::db::{Db, WriteTx};
use crate::deletion::{self, Purge, Wish};
use crate::error::Result;
use crate::id::{HoldId, ProjectId, RunId, UserId};
use crate::retention::Retention;
use crate::test_support::TestDb;

const RUN: RunId = RunId(1);
const RETENTION: Retention =
    Retention { trash: Duration::from_hours(1), archive: None, artifacts: Duration::from_hours(1) };

/// A database with a live run, and ada, who administers the instance.
async fn with_run() -> (TestDb, Caller) {
    let test = TestDb::postgres().await;
    test.insert_deleted_run(1).await;
    test.execute("DELETE FROM deletion_item").await;
    test.execute("DELETE FROM deletion").await;
    test.execute("UPDATE run SET lifecycle = 'live', deleted_at = NULL, purge_after = NULL").await;
    let ada = account::get_user(&test.db, UserId(1)).await.unwrap();
    (test, ada.into())
}

async fn delete(db: &Db, caller: &Caller) -> Result<()> {
    let tx = db.begin_write().await?;
    deletion::delete(&tx, caller, RUN, Wish::default(), RETENTION).await?;
    tx.commit().await
}

async fn commit_when_awaited(test: &TestDb, tx: WriteTx) {
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while test.number(waiting).await == 0 {
        tokio::task::yield_now().await;
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_deletion_waits_for_a_hold_under_way_and_is_refused() {
    for subject in [Subject::Run(RUN), Subject::Project(ProjectId(1))] {
        let (test, ada) = with_run().await;
        let holding = test.db.begin_write().await.unwrap();
        hold(&holding, &ada, subject, "evidence").await.unwrap();
        let (deleted, ()) = tokio::join!(delete(&test.db, &ada), commit_when_awaited(&test, holding));
        assert_eq!(deleted.unwrap_err().code(), "HELD");
        assert_eq!(test.texts("SELECT lifecycle FROM run").await, ["live"]);
    }
}

#[tokio::test]
async fn a_hold_waits_for_a_deletion_under_way_and_keeps_the_trash() {
    let (test, ada) = with_run().await;
    let deleting = test.db.begin_write().await.unwrap();
    deletion::delete(&deleting, &ada, RUN, Wish::default(), RETENTION).await.unwrap();
    let place = async {
        let tx = test.db.begin_write().await?;
        let held = hold(&tx, &ada, Subject::Run(RUN), "evidence").await?;
        tx.commit().await?;
        Ok::<HoldId, crate::Error>(held.id)
    };
    let (held, ()) = tokio::join!(place, commit_when_awaited(&test, deleting));
    test.advance(RETENTION.trash);
    let id = test.texts("SELECT id FROM deletion").await.remove(0);
    assert_eq!(deletion::purge(&test.db, &id).await.unwrap(), Purge::Held);
    assert_eq!(test.number("SELECT COUNT(*) FROM job WHERE state <> 'done'").await, 0);
    let tx = test.db.begin_write().await.unwrap();
    release(&tx, &ada, held.unwrap()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(test.texts("SELECT kind FROM job WHERE state <> 'done'").await, ["purge_deletion"]);
    assert_eq!(deletion::purge(&test.db, &id).await.unwrap(), Purge::Complete);
}

#[tokio::test]
async fn what_a_purge_has_begun_to_remove_is_not_held() {
    let (test, ada) = with_run().await;
    delete(&test.db, &ada).await.unwrap();
    test.advance(RETENTION.trash);
    let id = test.texts("SELECT id FROM deletion").await.remove(0);
    assert_eq!(deletion::purge(&test.db, &id).await.unwrap(), Purge::Complete);
    let tx = test.db.begin_write().await.unwrap();
    assert_eq!(hold(&tx, &ada, Subject::Run(RUN), "late").await.unwrap_err().code(), "NOT_FOUND");
}
