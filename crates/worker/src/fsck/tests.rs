use bytes::Bytes;
use counterweight_domain::clock::Env;
use counterweight_domain::id::BlobId;
use counterweight_storage::{Fault, Faults, Md5Digest, PutLimit};
use futures_util::stream;

use super::*;
use crate::gc;
use crate::test_support::{TestDb, backend_test};

const HOUR: Duration = Duration::from_hours(1);
const SETTINGS: Settings = Settings {
    upload_window: Duration::from_hours(6),
    grace: Duration::from_hours(24),
    digests: false,
    quarantine: false,
    adopt: false,
    window: WINDOW,
};
const GC: gc::Settings = gc::Settings {
    interval: HOUR,
    grace: SETTINGS.grace,
    min_age: HOUR,
    upload_window: SETTINGS.upload_window,
    throttle: gc::Throttle { objects_per_second: None, bytes_per_second: None },
};

async fn put(blobs: &BlobStore, key: &ObjectKey, bytes: &'static [u8]) {
    let body = stream::iter([Ok(Bytes::from_static(bytes))]);
    blobs.put_stream(key, body, PutLimit { max_bytes: 99, expected_bytes: None }).await.unwrap();
}

fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}

/// A row that is live, without its bytes.
async fn promise(test: &TestDb, bytes: &'static [u8]) -> (BlobId, ObjectKey) {
    let tx = test.db.begin_write().await.unwrap();
    let (id, key) = blob::begin(&tx).await.unwrap();
    blob::complete(&tx, id, bytes.len() as u64, Md5Digest::of(bytes)).await.unwrap();
    tx.commit().await.unwrap();
    (id, key)
}

async fn upload(test: &TestDb, blobs: &BlobStore) -> (BlobId, ObjectKey) {
    let (id, key) = promise(test, b"hello").await;
    put(blobs, &key, b"hello").await;
    (id, key)
}

/// The store's clock is the machine's: makes all that is there old.
fn age(test: &TestDb) {
    let machine = Env::system().now();
    let behind = Duration::from_micros(machine.0.saturating_sub(test.db.now().0).unsigned_abs());
    test.advance(behind + SETTINGS.upload_window + HOUR);
}

async fn run(test: &TestDb, blobs: &BlobStore, settings: Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let tell = |finding: &Finding| {
        findings.push(finding.clone());
        Ok(())
    };
    let summary = check(&test.db, blobs, &settings, tell).await.unwrap();
    assert_eq!(summary.differences(), findings.len() as u64);
    findings
}

fn orphan(key: &ObjectKey, quarantined: bool) -> Finding {
    Finding::Orphan { key: key.clone(), size_bytes: 5, quarantined }
}

backend_test!(what_agrees_is_clean_whatever_the_state_of_its_row, |test| {
    let blobs = BlobStore::open("memory://").unwrap();
    upload(&test, &blobs).await;
    let tx = test.db.begin_write().await.unwrap();
    blob::begin(&tx).await.unwrap();
    tx.commit().await.unwrap();
    age(&test);
    assert_eq!(run(&test, &blobs, Settings { digests: true, ..SETTINGS }).await, []);
    gc::pass(&test.db, &blobs, &GC, false).await.unwrap();
    assert_eq!(test.number("SELECT COUNT(*) FROM blob WHERE state = 'doomed'").await, 2);
    assert_eq!(run(&test, &blobs, SETTINGS).await, [], "a sweep removes the bytes before the row");
});

/// Every difference on one store.
async fn finds_each_difference(test: &TestDb, blobs: &BlobStore) {
    test.insert_deleted_run(1).await;
    upload(test, blobs).await;
    let (missing, missing_key) = promise(test, b"hello").await;
    test.insert_file(1, "weights.bin", missing.0).await;
    let (_, short) = promise(test, b"hello").await;
    put(blobs, &short, b"hell").await;
    let (_, changed) = promise(test, b"hello").await;
    put(blobs, &changed, b"HELLO").await;
    let unknown = key("blobs/07/nobody");
    put(blobs, &unknown, b"hello").await;
    let young = run(test, blobs, SETTINGS).await;
    assert!(!young.contains(&orphan(&unknown, false)), "it may be on its way");
    age(test);
    let referrers = vec![Referrer {
        kind: "run_file".to_owned(),
        place: "ada/demo/run1".to_owned(),
        name: "weights.bin".to_owned(),
    }];
    let mut expected = vec![
        orphan(&unknown, false),
        Finding::Missing { key: missing_key, size_bytes: 5, referrers },
        Finding::WrongSize { key: short, size_bytes: 5, found_bytes: 4, referrers: vec![] },
        Finding::WrongDigest { key: changed, referrers: vec![] },
    ];
    for window in [WINDOW, 1] {
        let found = run(test, blobs, Settings { digests: true, window, ..SETTINGS }).await;
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for finding in &expected {
            assert!(found.contains(finding), "{finding:?} in {found:?}");
        }
    }
    expected.pop();
    assert_eq!(run(test, blobs, SETTINGS).await.len(), expected.len(), "without reading the objects");
}

backend_test!(each_difference_is_found_in_memory, |test| {
    finds_each_difference(&test, &BlobStore::open("memory://").unwrap()).await;
});

backend_test!(each_difference_is_found_in_a_folder, |test| {
    let folder = tempfile::tempdir().unwrap();
    let blobs = BlobStore::open(&format!("file://{}", folder.path().display())).unwrap();
    finds_each_difference(&test, &blobs).await;
});

backend_test!(an_object_in_quarantine_is_removed_by_the_collector_after_its_grace, |test| {
    let blobs = BlobStore::open("memory://").unwrap();
    let unknown = key("blobs/ff/nobody");
    put(&blobs, &unknown, b"hello").await;
    age(&test);
    let quarantine = Settings { quarantine: true, ..SETTINGS };
    assert_eq!(run(&test, &blobs, quarantine).await, [orphan(&unknown, true)]);
    assert_eq!(run(&test, &blobs, quarantine).await, []);
    assert_eq!(gc::pass(&test.db, &blobs, &GC, false).await.unwrap().swept, 0, "in its grace");
    test.advance(SETTINGS.grace);
    assert_eq!(gc::pass(&test.db, &blobs, &GC, false).await.unwrap().swept, 1);
    assert_eq!(run(&test, &blobs, SETTINGS).await, []);
});

backend_test!(missing_bytes_are_taken_from_an_object_that_has_them, |test| {
    let blobs = BlobStore::open("memory://").unwrap();
    let (_, missing) = promise(&test, b"hello").await;
    let (_, lost) = promise(&test, b"lost!").await;
    let (other, same) = (key("blobs/00/other"), key("blobs/01/same"));
    put(&blobs, &other, b"HELLO").await;
    put(&blobs, &same, b"hello").await;
    age(&test);
    let found = run(&test, &blobs, Settings { adopt: true, ..SETTINGS }).await;
    assert_eq!(found[0], Finding::Adopted { key: same, instead_of: missing });
    assert!(found.contains(&orphan(&other, false)));
    assert!(found.contains(&Finding::Missing { key: lost, size_bytes: 5, referrers: vec![] }));
    assert_eq!(run(&test, &blobs, Settings { digests: true, ..SETTINGS }).await.len(), 2);
});

backend_test!(a_store_that_fails_ends_it_and_is_not_taken_for_an_empty_one, |test| {
    let faults = Faults::default();
    let inner = BlobStore::open("memory://").unwrap();
    let blobs = inner.with_faults(&faults);
    upload(&test, &inner).await;
    promise(&test, b"hello").await;
    age(&test);
    for call in [1, 100, 256] {
        faults.fail_call(call, Fault::Unavailable);
        let told = super::check(&test.db, &blobs, &SETTINGS, |_| Ok(())).await;
        assert!(told.is_err(), "call {call}");
    }
    faults.clear();
    assert_eq!(run(&test, &blobs, SETTINGS).await.len(), 1);
});

/// One database is enough: what differs is the store.
#[tokio::test]
async fn each_difference_is_found_in_a_bucket() {
    let Some(blobs) = BlobStore::on_test_s3() else { return };
    finds_each_difference(&TestDb::sqlite().await, &blobs).await;
}

backend_test!(what_arrives_or_goes_meanwhile_is_not_reported, |test| {
    let faults = Faults::default();
    let inner = BlobStore::open("memory://").unwrap();
    let blobs = inner.with_faults(&faults);
    for arrives in [true, false] {
        let (id, key) = promise(&test, b"hello").await;
        age(&test);
        // The shards up to its own are listed; then it is asked for.
        let shard = key.as_str().split('/').nth(1).unwrap();
        faults.fail_call(u64::from(u8::from_str_radix(shard, 16).unwrap()) + 2, Fault::Silence);
        let meanwhile = async {
            while !faults.is_silent() {
                tokio::task::yield_now().await;
            }
            if arrives {
                put(&inner, &key, b"hello").await;
            } else {
                test.execute(&format!("DELETE FROM blob WHERE id = {id}")).await;
            }
            faults.clear();
        };
        let (found, ()) = tokio::join!(run(&test, &blobs, SETTINGS), meanwhile);
        assert_eq!(found, []);
    }
});
