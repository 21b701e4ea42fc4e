use std::time::Duration;

use bytes::Bytes;
use counterweight_domain::blob;
use counterweight_domain::id::BlobId;
use counterweight_domain::switch::{self, Switch};
use counterweight_storage::{BlobStore, Fault, Faults, Md5Digest, ObjectKey, PutLimit, StorageError};
use futures_util::{TryStreamExt as _, stream};

use super::*;
use crate::test_support::{TestDb, backend_test};

const HOUR: Duration = Duration::from_hours(1);
const SETTINGS: Settings = Settings {
    interval: HOUR,
    grace: Duration::from_hours(24),
    min_age: HOUR,
    upload_window: Duration::from_hours(6),
    throttle: Throttle { objects_per_second: None, bytes_per_second: None },
};

async fn put(blobs: &BlobStore, key: &ObjectKey) {
    let body = stream::iter([Ok(Bytes::from_static(b"hello"))]);
    let limit = PutLimit { max_bytes: 5, expected_bytes: None };
    blobs.put_stream(key, body, limit).await.unwrap();
}

async fn announce(test: &TestDb, blobs: &BlobStore) -> (BlobId, ObjectKey) {
    let tx = test.db.begin_write().await.unwrap();
    let (id, key) = blob::begin(&tx).await.unwrap();
    tx.commit().await.unwrap();
    put(blobs, &key).await;
    (id, key)
}

async fn upload(test: &TestDb, blobs: &BlobStore) -> (BlobId, ObjectKey) {
    let (id, key) = announce(test, blobs).await;
    let tx = test.db.begin_write().await.unwrap();
    blob::complete(&tx, id, 5, Md5Digest::of(b"hello")).await.unwrap();
    tx.commit().await.unwrap();
    (id, key)
}

async fn objects(blobs: &BlobStore) -> Vec<ObjectKey> {
    let listed: Result<Vec<_>, StorageError> =
        blobs.list("blobs").map_ok(|object| object.key).try_collect().await;
    let mut keys = listed.unwrap();
    keys.sort_unstable();
    keys
}

async fn collect(test: &TestDb, blobs: &BlobStore) -> GcReport {
    pass(&test.db, blobs, &SETTINGS, false).await.unwrap()
}

async fn rows(test: &TestDb) -> i64 {
    test.number("SELECT COUNT(*) FROM blob").await
}

backend_test!(what_nothing_refers_to_is_gone_after_the_grace_and_the_rest_stays, |test| {
    let blobs = BlobStore::open("memory://").unwrap();
    test.insert_deleted_run(1).await;
    let (kept, kept_key) = upload(&test, &blobs).await;
    test.insert_file(1, "a", kept.0).await;
    upload(&test, &blobs).await;
    assert_eq!(collect(&test, &blobs).await, GcReport::default(), "too young");
    test.advance(HOUR * 2);
    let marked = collect(&test, &blobs).await;
    assert_eq!(marked, GcReport { scanned: 2, doomed: 1, ..GcReport::default() });
    assert_eq!(objects(&blobs).await.len(), 2, "in its grace");
    test.advance(SETTINGS.grace);
    let swept = collect(&test, &blobs).await;
    assert_eq!(swept, GcReport { scanned: 1, swept: 1, bytes: 5, ..GcReport::default() });
    assert_eq!((objects(&blobs).await, rows(&test).await), (vec![kept_key], 1));
});

backend_test!(uploads_that_were_never_completed_go_after_their_window, |test| {
    let blobs = BlobStore::open("memory://").unwrap();
    announce(&test, &blobs).await;
    test.advance(SETTINGS.upload_window);
    assert_eq!(collect(&test, &blobs).await.doomed, 0);
    test.advance(HOUR);
    assert_eq!(collect(&test, &blobs).await.doomed, 1);
    test.advance(SETTINGS.grace);
    assert_eq!(collect(&test, &blobs).await.swept, 1);
    assert_eq!((objects(&blobs).await, rows(&test).await), (vec![], 0));
});

backend_test!(a_dry_run_names_every_object_and_writes_nothing, |test| {
    let blobs = BlobStore::open("memory://").unwrap();
    let (_, due) = upload(&test, &blobs).await;
    test.advance(HOUR * 2);
    collect(&test, &blobs).await;
    test.advance(SETTINGS.grace);
    let (_, unwanted) = upload(&test, &blobs).await;
    let (_, never_came) = announce(&test, &blobs).await;
    test.advance(SETTINGS.upload_window + HOUR);
    let before = (test.texts(ROWS).await, objects(&blobs).await);
    let report = pass(&test.db, &blobs, &SETTINGS, true).await.unwrap();
    assert_eq!(report.objects, [never_came, unwanted, due]);
    assert_eq!((report.doomed, report.swept, report.bytes), (2, 1, 5));
    assert_eq!((test.texts(ROWS).await, objects(&blobs).await), before);
});

const ROWS: &str =
    "SELECT id || state || last_used_at || COALESCE(sweep_after, 0) || sweep_failures FROM blob ORDER BY id";

backend_test!(a_failing_store_is_asked_again_until_it_works, |test| {
    let faults = Faults::default();
    let blobs = BlobStore::open("memory://").unwrap().with_faults(&faults);
    upload(&test, &blobs).await;
    test.advance(HOUR * 2);
    collect(&test, &blobs).await;
    test.advance(SETTINGS.grace);
    faults.fail_all(Fault::Unavailable);
    for _ in 0..20 {
        assert_eq!(collect(&test, &blobs).await, GcReport { failed: 1, ..GcReport::default() });
        assert_eq!(collect(&test, &blobs).await, GcReport::default(), "not before its time");
        test.advance(HOUR * 2);
    }
    faults.clear();
    assert_eq!(collect(&test, &blobs).await.swept, 1);
    assert_eq!(rows(&test).await, 0);
});

backend_test!(an_object_that_cannot_be_removed_holds_up_no_other, |test| {
    let folder = tempfile::tempdir().unwrap();
    let blobs = BlobStore::open(&format!("file://{}", folder.path().display())).unwrap();
    let tx = test.db.begin_write().await.unwrap();
    let (stuck, key) = blob::begin(&tx).await.unwrap();
    tx.commit().await.unwrap();
    std::fs::create_dir_all(folder.path().join(key.as_str()).join("inside")).unwrap();
    for _ in 0..3 {
        announce(&test, &blobs).await;
    }
    test.advance(SETTINGS.upload_window + HOUR);
    assert_eq!(collect(&test, &blobs).await.doomed, 4);
    test.advance(SETTINGS.grace);
    let report = collect(&test, &blobs).await;
    assert_eq!((report.swept, report.failed), (3, 1));
    assert_eq!(test.number("SELECT id FROM blob").await, stuck.0);
});

backend_test!(a_crash_between_bytes_and_row_is_made_good_by_the_next_pass, |test| {
    let blobs = BlobStore::open("memory://").unwrap();
    let (_, key) = upload(&test, &blobs).await;
    test.advance(HOUR * 2);
    collect(&test, &blobs).await;
    test.advance(SETTINGS.grace);
    for (_, outcome) in blobs.delete_many(std::slice::from_ref(&key)).await {
        outcome.unwrap();
    }
    assert_eq!(rows(&test).await, 1);
    assert_eq!(collect(&test, &blobs).await.swept, 1);
    assert_eq!(rows(&test).await, 0);
});

backend_test!(a_cancelled_pass_ends, |test| {
    let blobs = BlobStore::open("memory://").unwrap();
    upload(&test, &blobs).await;
    test.advance(HOUR * 2);
    let stop = CancellationToken::new();
    stop.cancel();
    assert_eq!(pass_until(&test.db, &blobs, &SETTINGS, &stop).await.unwrap(), GcReport::default());
});

backend_test!(a_pass_that_is_paused_ends_after_its_batch_and_the_next_goes_on, |test| {
    let faults = Faults::default();
    let blobs = BlobStore::open("memory://").unwrap().with_faults(&faults);
    test.execute(
        "INSERT INTO blob (object_key, state, size_bytes, created_at, last_used_at, sweep_after, sweep_failures) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) \
         SELECT 'blobs/00/' || i, 'doomed', 1, 0, 0, 0, 0 FROM n",
    )
    .await;
    faults.fail_call(1, Fault::Silence);
    let pause = async {
        while !faults.is_silent() {
            tokio::task::yield_now().await;
        }
        switch::turn_on(&test.db, Switch::CollectorPaused, None).await.unwrap();
        faults.clear();
    };
    let (report, ()) = tokio::join!(collect(&test, &blobs), pause);
    assert_eq!((report.swept, rows(&test).await), (1000, 500));
    assert_eq!(collect(&test, &blobs).await, GcReport::default());
    switch::turn_off(&test.db, Switch::CollectorPaused).await.unwrap();
    assert_eq!((collect(&test, &blobs).await.swept, rows(&test).await), (500, 0));
    assert_eq!(test.texts("SELECT CAST(swept AS TEXT) FROM gc_pass ORDER BY id").await, ["1000", "500"]);
});
