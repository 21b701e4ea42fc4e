use std::time::Duration;

use counterweight_storage::{Md5Digest, ObjectKey};

use sea_orm::ConnectionTrait as _;

use super::references::REFERENCES;
use super::*;
use crate::clock::Timestamp;
use crate::db::{Db, Source as _};
use crate::error::{Error, Result};
use crate::id::BlobId;
use crate::test_support::{TestDb, backend_test};

const HOUR: Duration = Duration::from_hours(1);

async fn upload(db: &Db) -> (BlobId, ObjectKey) {
    let tx = db.begin_write().await.unwrap();
    let (id, key) = begin(&tx).await.unwrap();
    complete(&tx, id, 5, Md5Digest::of(b"hello")).await.unwrap();
    tx.commit().await.unwrap();
    (id, key)
}

fn unused(state: BlobState, since: Timestamp) -> Doom {
    Doom { state, unused_since: since }
}

/// Dooms what was not used for an hour; it may go an hour later.
async fn doom_unused(db: &Db, state: BlobState, ids: &[BlobId]) -> Vec<BlobId> {
    let tx = db.begin_write().await.unwrap();
    let which = unused(state, tx.now().before(HOUR));
    let doomed = doom(&tx, which, ids, tx.now().after(HOUR)).await.unwrap();
    tx.commit().await.unwrap();
    doomed
}

async fn touch_it(db: &Db, id: BlobId) -> Result<()> {
    let tx = db.begin_write().await?;
    touch(&tx, &[id, id]).await?;
    tx.commit().await
}

async fn state_of(test: &TestDb, id: BlobId) -> String {
    test.texts(&format!("SELECT state FROM blob WHERE id = {id}")).await.pop().unwrap()
}

fn is_conflict(result: &Result<()>) -> bool {
    matches!(result, Err(Error::Conflict { .. }))
}

backend_test!(an_upload_is_completed_once, |test| {
    let tx = test.db.begin_write().await.unwrap();
    let (id, key) = begin(&tx).await.unwrap();
    assert!(key.as_str().starts_with("blobs/"));
    assert!(is_conflict(&touch(&tx, &[id]).await), "nothing can refer to it yet");
    complete(&tx, id, 5, Md5Digest::of(b"hello")).await.unwrap();
    assert!(is_conflict(&complete(&tx, id, 6, Md5Digest::of(b"hello!")).await));
    touch(&tx, &[id]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(test.number("SELECT size_bytes FROM blob").await, 5);
    assert_eq!(test.texts("SELECT md5 FROM blob").await, ["XUFAKrxLKna5cZ2REBfFkg=="]);
});

backend_test!(only_what_is_unused_and_unreferenced_is_doomed, |test| {
    test.insert_deleted_run(1).await;
    let (referenced, _) = upload(&test.db).await;
    let (unreferenced, _) = upload(&test.db).await;
    test.insert_file(1, "a", referenced.0).await;
    test.advance(HOUR * 2);
    let (fresh, _) = upload(&test.db).await;
    let all = [referenced, unreferenced, fresh];
    assert_eq!(doom_unused(&test.db, BlobState::Pending, &all).await, []);
    assert_eq!(doom_unused(&test.db, BlobState::Live, &all).await, [unreferenced]);
    assert_eq!(doom_unused(&test.db, BlobState::Live, &all).await, []);
});

backend_test!(the_walk_meets_every_candidate_once, |test| {
    let mut uploaded = Vec::new();
    for _ in 0..7 {
        uploaded.push(upload(&test.db).await.0);
    }
    test.advance(HOUR);
    let which = unused(BlobState::Live, test.db.now());
    let (mut seen, mut after) = (Vec::new(), Cursor::START);
    loop {
        let batch = candidates(&test.db, which, after, 3).await.unwrap();
        let Some(last) = batch.last() else { break };
        after = last.into();
        seen.extend(batch.iter().map(|blob| blob.id));
    }
    assert_eq!(seen, uploaded);
});

backend_test!(an_upload_that_never_came_is_doomed_and_cannot_be_completed, |test| {
    let tx = test.db.begin_write().await.unwrap();
    let (id, _) = begin(&tx).await.unwrap();
    tx.commit().await.unwrap();
    test.advance(HOUR * 2);
    assert_eq!(doom_unused(&test.db, BlobState::Pending, &[id]).await, [id]);
    let tx = test.db.begin_write().await.unwrap();
    assert!(is_conflict(&complete(&tx, id, 5, Md5Digest::of(b"hello")).await));
});

backend_test!(a_touch_after_the_mark_is_refused, |test| {
    let (id, _) = upload(&test.db).await;
    test.advance(HOUR * 2);
    doom_unused(&test.db, BlobState::Live, &[id]).await;
    assert!(is_conflict(&touch_it(&test.db, id).await));
});

backend_test!(a_touch_before_the_mark_keeps_the_blob, |test| {
    let (id, _) = upload(&test.db).await;
    test.advance(HOUR * 2);
    touch_it(&test.db, id).await.unwrap();
    assert_eq!(doom_unused(&test.db, BlobState::Live, &[id]).await, []);
    assert_eq!(state_of(&test, id).await, "live");
});

/// Only `PostgreSQL` lets a mark begin while a reference is being made.
mod a_mark_that_meets_a_touch_under_way_waits_and_keeps_the_blob {
    use super::*;

    #[tokio::test]
    async fn postgres() {
        let test = TestDb::postgres().await;
        test.insert_deleted_run(1).await;
        let (id, _) = upload(&test.db).await;
        test.advance(HOUR * 2);
        let reference = test.db.begin_write().await.unwrap();
        touch(&reference, &[id]).await.unwrap();
        let insert = format!(
            "INSERT INTO run_file (run_id, name, blob_id, created_at, updated_at) VALUES (1, 'a', {id}, 0, 0)"
        );
        reference.connection().execute_unprepared(&insert).await.unwrap();
        let finish = async {
            until_someone_waits(&test).await;
            reference.commit().await.unwrap();
        };
        let mark = doom_unused(&test.db, BlobState::Live, std::slice::from_ref(&id));
        let (doomed, ()) = tokio::join!(mark, finish);
        assert_eq!(doomed, []);
        assert_eq!(state_of(&test, id).await, "live");
    }
}

mod a_touch_that_meets_a_mark_under_way_waits_and_is_refused {
    use super::*;

    #[tokio::test]
    async fn postgres() {
        let test = TestDb::postgres().await;
        let (id, _) = upload(&test.db).await;
        test.advance(HOUR * 2);
        let mark = test.db.begin_write().await.unwrap();
        let which = unused(BlobState::Live, mark.now().before(HOUR));
        assert_eq!(doom(&mark, which, &[id], mark.now()).await.unwrap(), [id]);
        let finish = async {
            until_someone_waits(&test).await;
            mark.commit().await.unwrap();
        };
        let (touched, ()) = tokio::join!(touch_it(&test.db, id), finish);
        assert!(is_conflict(&touched), "{touched:?}");
    }
}

async fn until_someone_waits(test: &TestDb) {
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while test.number(waiting).await == 0 {
        tokio::task::yield_now().await;
    }
}

backend_test!(what_the_store_refuses_goes_behind_the_rest_and_waits_longer_each_time, |test| {
    let (stuck, _) = upload(&test.db).await;
    let (other, _) = upload(&test.db).await;
    test.advance(HOUR * 2);
    doom_unused(&test.db, BlobState::Live, &[stuck, other]).await;
    assert_eq!(
        due_for_sweep(&test.db, test.db.now(), SweepCursor::START, 9).await.unwrap(),
        [],
        "not before the grace is over"
    );
    test.advance(HOUR);
    let mut waits = Vec::new();
    for _ in 0..3 {
        let due = due_for_sweep(&test.db, test.db.now(), SweepCursor::START, 9).await.unwrap();
        let refused = due.iter().find(|blob| blob.id == stuck).unwrap();
        let tx = test.db.begin_write().await.unwrap();
        sweep_failed(&tx, std::slice::from_ref(refused)).await.unwrap();
        tx.commit().await.unwrap();
        let due = due_for_sweep(&test.db, test.db.now(), SweepCursor::START, 9).await.unwrap();
        assert_eq!(due.iter().map(|blob| blob.id).collect::<Vec<_>>(), [other]);
        let until = test.number(&format!("SELECT sweep_after FROM blob WHERE id = {stuck}")).await;
        waits.push(until - test.db.now().0);
        test.advance(Duration::from_micros(waits.last().unwrap().unsigned_abs()));
        let due = due_for_sweep(&test.db, test.db.now(), SweepCursor::START, 9).await.unwrap();
        assert_eq!(due.iter().map(|blob| blob.id).collect::<Vec<_>>(), [other, stuck]);
    }
    assert!(waits.is_sorted_by(|shorter, longer| shorter < longer), "{waits:?}");
    let due = due_for_sweep(&test.db, test.db.now(), SweepCursor::START, 9).await.unwrap();
    let tx = test.db.begin_write().await.unwrap();
    assert_eq!(forget(&tx, &due).await.unwrap().len(), 2);
    tx.commit().await.unwrap();
    assert_eq!(test.number("SELECT COUNT(*) FROM blob").await, 0);
});

backend_test!(a_doomed_blob_that_is_referred_to_is_taken_back, |test| {
    test.insert_deleted_run(1).await;
    let (wanted, _) = upload(&test.db).await;
    let (unwanted, _) = upload(&test.db).await;
    test.advance(HOUR * 2);
    doom_unused(&test.db, BlobState::Live, &[wanted, unwanted]).await;
    test.insert_file(1, "a", wanted.0).await;
    test.advance(HOUR);
    let due = due_for_sweep(&test.db, test.db.now(), SweepCursor::START, 9).await.unwrap();
    assert_eq!(due.iter().map(|blob| blob.referenced).collect::<Vec<_>>(), [true, false]);
    let tx = test.db.begin_write().await.unwrap();
    assert_eq!(revive(&tx, &[wanted, unwanted]).await.unwrap(), [wanted]);
    tx.commit().await.unwrap();
    assert_eq!(state_of(&test, wanted).await, "live");
    touch_it(&test.db, wanted).await.unwrap();
});

#[tokio::test]
async fn every_foreign_key_to_a_blob_counts_as_a_reference() {
    let test = TestDb::sqlite().await;
    let mut declared = test
        .texts(
            "SELECT tables.name || '.' || keys.\"from\" FROM sqlite_master tables \
             JOIN pragma_foreign_key_list(tables.name) keys \
             WHERE tables.type = 'table' AND keys.\"table\" = 'blob'",
        )
        .await;
    declared.sort_unstable();
    let mut known: Vec<_> =
        REFERENCES.iter().map(|found| format!("{}.{}", found.table, found.column)).collect();
    known.sort_unstable();
    assert_eq!(known, declared);
}
