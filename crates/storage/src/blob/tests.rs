use std::fs;
use std::path::PathBuf;

use super::*;
use crate::digest::DigestAlgorithm;
use crate::fault::{Fault, Faults};
use crate::testing::{ANY, PART, TestStore, content, entries, key, listed, pieces, put, read};

#[tokio::test]
async fn what_goes_in_comes_out() {
    for backend in TestStore::each() {
        for size in [0, 1, PART - 1, PART, PART + 1, 3 * PART + 7] {
            let bytes = content(size);
            let limit = PutLimit { max_bytes: size as u64, expected_bytes: Some(size as u64) };
            let stored = put(&backend.blobs, "a/b", &bytes, limit).await.unwrap();
            assert_eq!(stored, Stored { size_bytes: size as u64, md5: Md5Digest::of(&bytes) });
            assert_eq!(backend.blobs.head(&key("a/b")).await.unwrap(), size as u64);
            assert!(read(&backend.blobs, "a/b", None).await.unwrap() == bytes, "{size} bytes");
        }
    }
}

#[tokio::test]
async fn crumbs_arrive_in_order() {
    let TestStore { blobs, .. } = TestStore::memory();
    let bytes = content(10_000);
    blobs.put_stream(&key("a"), stream::iter(pieces(&bytes, 3)), ANY).await.unwrap();
    assert_eq!(read(&blobs, "a", None).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_second_put_replaces_the_first() {
    for backend in TestStore::each() {
        put(&backend.blobs, "a", b"first", ANY).await.unwrap();
        put(&backend.blobs, "a", b"second", ANY).await.unwrap();
        assert_eq!(read(&backend.blobs, "a", None).await.unwrap(), b"second");
    }
}

#[tokio::test]
async fn ranges_are_cut_to_the_object() {
    for backend in TestStore::each() {
        put(&backend.blobs, "a", b"0123456789", ANY).await.unwrap();
        for (range, bytes) in [(0..10, "0123456789"), (3..5, "34"), (9..10, "9"), (7..100, "789")] {
            let body = backend.blobs.get(&key("a"), Some(range.clone())).await.unwrap();
            assert_eq!((body.total_bytes, body.range), (10, range.start..range.end.min(10)));
            assert_eq!(read(&backend.blobs, "a", Some(range)).await.unwrap(), bytes.as_bytes());
        }
        #[expect(clippy::reversed_empty_ranges, reason = "a client may ask for one")]
        for range in [10..11, 10..10, 3..3, 5..3, u64::MAX - 1..u64::MAX] {
            let error = read(&backend.blobs, "a", Some(range)).await.unwrap_err();
            assert!(matches!(error, StorageError::InvalidRange { size_bytes: 10 }), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_missing_object_is_not_found() {
    for backend in TestStore::each() {
        put(&backend.blobs, "folder/object", b"x", ANY).await.unwrap();
        for missing in ["gone", "folder", "no/such/folder"] {
            let errors = [
                read(&backend.blobs, missing, None).await.unwrap_err(),
                read(&backend.blobs, missing, Some(0..1)).await.unwrap_err(),
                backend.blobs.head(&key(missing)).await.unwrap_err(),
            ];
            for error in errors {
                assert!(matches!(error, StorageError::NotFound), "{missing}: {error:?}");
            }
        }
    }
}

#[tokio::test]
async fn too_large_a_body_leaves_nothing_behind() {
    for backend in TestStore::each() {
        for size in [11, 2 * PART] {
            let limit = PutLimit { max_bytes: size as u64 - 1, expected_bytes: None };
            let error = put(&backend.blobs, "a/b", &content(size), limit).await.unwrap_err();
            assert!(matches!(error, StorageError::TooLarge { limit } if limit == size as u64 - 1));
            backend.assert_empty().await;
        }
    }
}

#[tokio::test]
async fn an_announced_size_above_the_limit_is_refused_before_the_body_is_read() {
    let TestStore { blobs, .. } = TestStore::memory();
    let limit = PutLimit { max_bytes: 5, expected_bytes: Some(6) };
    let error = blobs.put_stream(&key("a"), stream::pending(), limit).await.unwrap_err();
    assert!(matches!(error, StorageError::TooLarge { limit: 5 }));
}

#[tokio::test]
async fn a_store_that_takes_few_parts_gets_larger_ones_or_says_that_the_body_is_too_large() {
    let mut blobs = TestStore::memory().blobs;
    blobs.backend.parts.most = 2;
    for (size, expected_bytes, is_taken) in
        [(2 * PART, None, true), (2 * PART + 1, None, false), (2 * PART + 1, Some(2 * PART as u64 + 1), true)]
    {
        let stored = put(&blobs, "a", &content(size), PutLimit { max_bytes: u64::MAX, expected_bytes }).await;
        match stored {
            Ok(stored) => assert!(is_taken && stored.size_bytes == size as u64),
            Err(StorageError::TooLarge { limit }) => assert!(!is_taken && limit == 2 * PART as u64),
            Err(error) => panic!("{error:?}"),
        }
        blobs.delete_many(&[key("a")]).await;
    }
    let huge = PutLimit { max_bytes: u64::MAX, expected_bytes: Some(u64::MAX) };
    let error = blobs.put_stream(&key("a"), stream::pending(), huge).await.unwrap_err();
    assert!(matches!(error, StorageError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_body_of_another_length_leaves_nothing_behind() {
    for backend in TestStore::each() {
        for (size, expected) in [(10, 11_u64), (11, 10), (2 * PART, 2 * PART as u64 + 1), (0, 1)] {
            let limit = PutLimit { max_bytes: u64::MAX, expected_bytes: Some(expected) };
            let error = put(&backend.blobs, "a/b", &content(size), limit).await.unwrap_err();
            assert!(
                matches!(error, StorageError::LengthMismatch { expected: e, got } if e == expected && got == size as u64)
            );
            backend.assert_empty().await;
        }
    }
}

#[tokio::test]
async fn other_bytes_than_announced_leave_nothing_behind() {
    use DigestAlgorithm::{Md5, Xxh128};
    for backend in TestStore::each() {
        for size in [10, 2 * PART] {
            let bytes = content(size);
            let put = async |digests: &[ContentDigest]| {
                let body = stream::iter(pieces(&bytes, 700_001));
                backend.blobs.put_checked(&key("a/b"), body, ANY, digests).await
            };
            let right = [Md5, Xxh128].map(|algorithm| ContentDigest::of(algorithm, &bytes));
            let wrong = [Md5, Xxh128].map(|algorithm| ContentDigest::of(algorithm, b"others"));
            for (at, digests) in [(0, [wrong[0], right[1]]), (1, [right[0], wrong[1]])] {
                match put(&digests).await {
                    Err(StorageError::DigestMismatch { wanted, got }) => {
                        assert_eq!((wanted, got), (wrong[at], right[at]));
                    }
                    other => panic!("{other:?}"),
                }
                backend.assert_empty().await;
            }
            let stored = put(&right).await.unwrap();
            assert_eq!(backend.blobs.check(&key("a/b"), &right).await.unwrap(), stored);
            let error = backend.blobs.check(&key("a/b"), &wrong[1..]).await.unwrap_err();
            assert!(matches!(error, StorageError::DigestMismatch { .. }), "{error:?}");
            backend.blobs.delete_many(&[key("a/b")]).await[0].1.as_ref().unwrap();
        }
    }
}

#[tokio::test]
async fn a_broken_body_leaves_nothing_behind() {
    for backend in TestStore::each() {
        for size in [10, 2 * PART] {
            let broken = [Err("connection reset".into())];
            let body = stream::iter(pieces(&content(size), PART).into_iter().chain(broken));
            let error = backend.blobs.put_stream(&key("a/b"), body, ANY).await.unwrap_err();
            assert!(matches!(&error, StorageError::Body(cause) if cause.to_string() == "connection reset"));
            backend.assert_empty().await;
        }
    }
}

#[tokio::test]
async fn a_broken_body_leaves_the_earlier_object() {
    for backend in TestStore::each() {
        put(&backend.blobs, "a", b"first", ANY).await.unwrap();
        let body = stream::iter([Ok(Bytes::from(content(2 * PART))), Err("connection reset".into())]);
        backend.blobs.put_stream(&key("a"), body, ANY).await.unwrap_err();
        assert_eq!(read(&backend.blobs, "a", None).await.unwrap(), b"first");
    }
}

#[tokio::test]
async fn a_dropped_upload_leaves_nothing_behind() {
    for store in TestStore::each() {
        let (sender, mut parts) = tokio::sync::mpsc::channel::<Bytes>(1);
        let body = stream::poll_fn(move |context| parts.poll_recv(context).map(|part| part.map(Ok)));
        let key = key("a/b");
        let upload = store.blobs.put_stream(&key, body, ANY);
        let feed = async {
            for _ in 0..4 {
                sender.send(Bytes::from(content(PART))).await.unwrap();
            }
        };
        tokio::select! {
            result = upload => panic!("ended without its end: {result:?}"),
            () = feed => {}
        }
        while !store.is_empty().await {
            tokio::task::yield_now().await;
        }
        store.assert_empty().await;
    }
}

#[tokio::test]
async fn a_failing_store_leaves_nothing_behind() {
    let faults = Faults::default();
    for backend in TestStore::each() {
        let blobs = backend.blobs.with_faults(&faults);
        for size in [10, 3 * PART] {
            let before = faults.calls();
            put(&blobs, "a/b", &content(size), ANY).await.unwrap();
            let calls = faults.calls() - before;
            blobs.delete_many(&[key("a/b")]).await[0].1.as_ref().unwrap();
            for n in 1..=calls {
                faults.fail_call(n, Fault::OutOfSpace);
                let error = put(&blobs, "a/b", &content(size), ANY).await.unwrap_err();
                assert!(matches!(error, StorageError::OutOfSpace(_)), "call {n} of {calls}: {error:?}");
                faults.clear();
                backend.assert_empty().await;
            }
        }
    }
}

#[tokio::test]
async fn deletes_what_is_there_and_forgives_what_is_not() {
    for backend in TestStore::each() {
        for name in ["runs/1/a", "runs/1/b", "runs/2/c"] {
            put(&backend.blobs, name, b"x", ANY).await.unwrap();
        }
        let keys = ["runs/2/c", "runs/1/gone", "runs/1/b", "no/such/folder"].map(key);
        let outcomes = backend.blobs.delete_many(&keys).await;
        assert_eq!(outcomes.iter().map(|(key, _)| key).collect::<Vec<_>>(), keys.iter().collect::<Vec<_>>());
        assert!(outcomes.iter().all(|(_, outcome)| outcome.is_ok()), "{outcomes:?}");
        assert_eq!(listed(&backend.blobs, "").await, [("runs/1/a".to_owned(), 1)]);
    }
}

#[tokio::test]
async fn a_refused_deletion_is_reported_for_every_key() {
    let backend = TestStore::memory();
    let faults = Faults::default();
    faults.fail_all(Fault::Unavailable);
    let outcomes = backend.blobs.with_faults(&faults).delete_many(&["a", "b", "c"].map(key)).await;
    assert_eq!(outcomes.len(), 3);
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Err(StorageError::Unavailable(_)))));
}

#[tokio::test]
async fn deleting_more_than_one_batch_deletes_all() {
    for backend in TestStore::each() {
        let keys: Vec<_> = (0..=DELETE_BATCH).map(|n| key(&format!("many/{n}"))).collect();
        put(&backend.blobs, "many/0", b"x", ANY).await.unwrap();
        put(&backend.blobs, &format!("many/{DELETE_BATCH}"), b"x", ANY).await.unwrap();
        let outcomes = backend.blobs.delete_many(&keys).await;
        assert_eq!(outcomes.len(), keys.len());
        assert!(outcomes.iter().all(|(_, outcome)| outcome.is_ok()));
        backend.assert_empty().await;
    }
}

#[tokio::test]
async fn deleting_takes_the_leftovers_of_a_killed_upload_along() {
    let backend = TestStore::local();
    let folder = backend.root().join("runs/1");
    fs::create_dir_all(&folder).unwrap();
    for name in ["a#1", "a#2", "ab#1", "a#b"] {
        fs::write(folder.join(name), "left").unwrap();
    }
    backend.blobs.delete_many(&[key("runs/1/a")]).await[0].1.as_ref().unwrap();
    let mut left: Vec<_> = entries(&folder).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    left.sort();
    assert_eq!(left, ["a#b", "ab#1"]);
}

#[tokio::test]
async fn leftovers_are_neither_listed_nor_in_the_way() {
    let backend = TestStore::local();
    fs::write(backend.root().join("a#1"), "left").unwrap();
    assert_eq!(listed(&backend.blobs, "").await, []);
    put(&backend.blobs, "a", b"whole", ANY).await.unwrap();
    assert_eq!(listed(&backend.blobs, "").await, [("a".to_owned(), 5)]);
    backend.blobs.delete_many(&[key("a")]).await[0].1.as_ref().unwrap();
    backend.assert_empty().await;
}

#[tokio::test]
async fn emptied_folders_go_and_the_root_stays() {
    let backend = TestStore::local();
    put(&backend.blobs, "runs/1/files/a", b"x", ANY).await.unwrap();
    put(&backend.blobs, "runs/2/files/b", b"x", ANY).await.unwrap();
    backend.blobs.delete_many(&[key("runs/1/files/a")]).await[0].1.as_ref().unwrap();
    assert_eq!(entries(&backend.root().join("runs")), [backend.root().join("runs/2")]);
    backend.blobs.delete_many(&[key("runs/2/files/b")]).await[0].1.as_ref().unwrap();
    assert_eq!(entries(backend.root()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_open_object_is_read_to_its_end_after_its_deletion() {
    let backend = TestStore::local();
    let bytes = content(1_000_000);
    put(&backend.blobs, "a", &bytes, ANY).await.unwrap();
    let body = backend.blobs.get(&key("a"), None).await.unwrap();
    backend.blobs.delete_many(&[key("a")]).await[0].1.as_ref().unwrap();
    let content: Vec<Bytes> = body.stream.try_collect().await.unwrap();
    assert!(content.concat() == bytes);
}

#[tokio::test]
async fn uploads_and_deletions_in_one_folder_do_not_disturb_each_other() {
    let backend = TestStore::local();
    let work = (0..64).map(|n| {
        let blobs = backend.blobs.clone();
        tokio::spawn(async move {
            let name = format!("shared/deep/{n}");
            put(&blobs, &name, b"x", ANY).await.unwrap();
            blobs.delete_many(&[key(&name)]).await[0].1.as_ref().unwrap();
        })
    });
    futures_util::future::try_join_all(work).await.unwrap();
    backend.assert_empty().await;
}

#[tokio::test]
async fn lists_by_whole_segments() {
    for backend in TestStore::each() {
        for (name, content) in [("runs/1/a", "x"), ("runs/1/b/c", "xy"), ("runs/12/a", "xyz")] {
            put(&backend.blobs, name, content.as_bytes(), ANY).await.unwrap();
        }
        let first = [("runs/1/a".to_owned(), 1), ("runs/1/b/c".to_owned(), 2)];
        assert_eq!(listed(&backend.blobs, "runs/1").await, first);
        assert_eq!(listed(&backend.blobs, "runs/1/").await, first);
        assert_eq!(listed(&backend.blobs, "").await.len(), 3);
        assert_eq!(listed(&backend.blobs, "nothing").await, []);
    }
}

#[tokio::test]
async fn a_listing_passes_over_what_is_not_ours() {
    let backend = TestStore::local();
    fs::write(backend.root().join("README.md"), "not ours").unwrap();
    put(&backend.blobs, "a", b"x", ANY).await.unwrap();
    assert_eq!(listed(&backend.blobs, "").await, [("a".to_owned(), 1)]);
}

#[tokio::test]
async fn a_probe_leaves_nothing_behind_and_tells_what_is_wrong() {
    let faults = Faults::default();
    for backend in TestStore::each() {
        backend.blobs.probe().await.unwrap();
        backend.assert_empty().await;
        let blobs = backend.blobs.with_faults(&faults);
        for n in 1..=3 {
            faults.fail_call(n, Fault::Unavailable);
            assert!(matches!(blobs.probe().await, Err(StorageError::Unavailable(_))), "call {n}");
        }
        faults.clear();
    }
}
