use futures_util::stream;

use super::*;
use crate::digest::DigestAlgorithm;
use crate::fault::{Fault, Faults};
use crate::testing::{PART, TestStore, content, key, listed, pieces, put, read, unfinished};

const LARGE: usize = 100 * 1024 * 1024;

async fn put_part(
    blobs: &BlobStore,
    upload: &UploadId,
    (number, of): (u32, u32),
    bytes: &[u8],
) -> Result<CompletedPart, StorageError> {
    let body = stream::iter(pieces(bytes, 700_001));
    let part = PartNumber::new(number, of).unwrap();
    let size = bytes.len() as u64;
    let part = blobs.put_part(&key("a/b"), upload, part, body, size, &[Md5Digest::of(bytes).into()]).await?;
    assert_eq!((part.size_bytes, part.md5), (size, Md5Digest::of(bytes)));
    Ok(CompletedPart { number, etag: part.etag })
}

#[tokio::test]
async fn parts_come_in_any_order_and_make_one_object() {
    for TestStore { blobs, .. } in &TestStore::each() {
        let bytes = content(LARGE + 2 * PART + 7);
        let upload = blobs.begin_multipart(&key("a/b")).await.unwrap();
        let last = put_part(blobs, &upload, (2, 2), &bytes[LARGE..]).await.unwrap();
        assert_eq!(listed(blobs, "").await, []);
        let first = put_part(blobs, &upload, (1, 2), &bytes[..LARGE]).await.unwrap();
        assert_eq!(listed(blobs, "").await, []);
        let size = blobs.complete_multipart(&key("a/b"), &upload, &[last, first]).await.unwrap();
        assert_eq!(size, bytes.len() as u64);
        assert!(read(blobs, "a/b", None).await.unwrap() == bytes);
        assert_eq!(unfinished(blobs).await, []);
    }
}

#[tokio::test]
async fn many_small_parts_at_once_make_one_object() {
    for store in [TestStore::memory(), TestStore::local()] {
        let bytes = content(1000);
        let upload = store.blobs.begin_multipart(&key("a/b")).await.unwrap();
        let parts = (1..).zip(bytes.chunks(30)).map(|(number, part)| {
            let (blobs, upload) = (&store.blobs, &upload);
            async move { put_part(blobs, upload, (number, 34), part).await }
        });
        let parts = futures_util::future::try_join_all(parts).await.unwrap();
        store.blobs.complete_multipart(&key("a/b"), &upload, &parts).await.unwrap();
        assert_eq!(read(&store.blobs, "a/b", None).await.unwrap(), bytes);
        store.blobs.delete_many(&[key("a/b")]).await[0].1.as_ref().unwrap();
        store.assert_empty().await;
    }
}

#[tokio::test]
async fn a_part_that_comes_again_replaces_the_one_before() {
    for TestStore { blobs, .. } in &TestStore::each() {
        let upload = blobs.begin_multipart(&key("a/b")).await.unwrap();
        put_part(blobs, &upload, (1, 1), &content(3 * PART)).await.unwrap();
        let part = put_part(blobs, &upload, (1, 1), b"second").await.unwrap();
        blobs.complete_multipart(&key("a/b"), &upload, &[part]).await.unwrap();
        assert_eq!(read(blobs, "a/b", None).await.unwrap(), b"second");
        assert_eq!(unfinished(blobs).await, []);
    }
}

#[tokio::test]
async fn completing_again_answers_the_same() {
    for TestStore { blobs, .. } in &TestStore::each() {
        let upload = blobs.begin_multipart(&key("a/b")).await.unwrap();
        let parts = [put_part(blobs, &upload, (1, 1), b"whole").await.unwrap()];
        let complete = async || blobs.complete_multipart(&key("a/b"), &upload, &parts).await;
        let (first, second) = tokio::join!(complete(), complete());
        assert_eq!((first.unwrap(), second.unwrap(), complete().await.unwrap()), (5, 5, 5));
        assert_eq!(read(blobs, "a/b", None).await.unwrap(), b"whole");
    }
}

#[tokio::test]
async fn parts_that_were_not_put_make_no_object() {
    for store in &TestStore::each() {
        let blobs = &store.blobs;
        let upload = blobs.begin_multipart(&key("a/b")).await.unwrap();
        let part = put_part(blobs, &upload, (1, 2), &content(LARGE)).await.unwrap();
        let forged = CompletedPart {
            number: 2,
            etag: etag(Md5Digest::of(b""), &[PartId { content_id: "77".to_owned() }]),
        };
        let named = |number, etag: &str| CompletedPart { number, etag: etag.to_owned() };
        for parts in [
            vec![],
            vec![named(2, &part.etag)],
            vec![part.clone(), part.clone()],
            vec![part.clone(), named(3, &part.etag)],
            vec![named(1, "")],
            vec![named(1, "\"5d41402abc4b2a76b9719d911017c592\"")],
            vec![named(1, "\"5d41402abc4b2a76b9719d911017c592-../x\"")],
            vec![part.clone(), forged],
        ] {
            let outcome = blobs.complete_multipart(&key("a/b"), &upload, &parts).await;
            assert!(matches!(outcome, Err(StorageError::InvalidParts)), "{parts:?}: {outcome:?}");
        }
        blobs.abort_multipart(&key("a/b"), &upload).await.unwrap();
        store.assert_empty().await;
    }
}

#[tokio::test]
async fn an_upload_that_is_over_or_never_was_takes_nothing() {
    for store in &TestStore::each() {
        let blobs = &store.blobs;
        let upload = blobs.begin_multipart(&key("a/b")).await.unwrap();
        let part = put_part(blobs, &upload, (1, 1), b"part").await.unwrap();
        for _ in 0..2 {
            blobs.abort_multipart(&key("a/b"), &upload).await.unwrap();
        }
        store.assert_empty().await;
        for upload in [upload, UploadId::parse("77").unwrap(), UploadId::parse("../7").unwrap()] {
            let late = put_part(blobs, &upload, (1, 1), b"late").await.map(drop);
            let parts = std::slice::from_ref(&part);
            let completed = blobs.complete_multipart(&key("a/b"), &upload, parts).await.map(drop);
            for outcome in [late, completed] {
                let is_no_upload = matches!(outcome, Err(StorageError::NoSuchUpload));
                assert!(is_no_upload || store.is_moto && outcome.is_err(), "{upload}: {outcome:?}");
            }
            blobs.abort_multipart(&key("a/b"), &upload).await.unwrap();
        }
        store.assert_empty().await;
    }
}

#[tokio::test]
async fn a_part_with_other_bytes_or_another_length_is_no_part() {
    for store in &TestStore::each() {
        let blobs = &store.blobs;
        let upload = blobs.begin_multipart(&key("a/b")).await.unwrap();
        let part = PartNumber::new(1, 1).unwrap();
        let put = async |size_bytes, digest| {
            let body = stream::iter(pieces(b"hello", 2));
            blobs.put_part(&key("a/b"), &upload, part, body, size_bytes, &[digest]).await
        };
        let [right, wrong] = [b"hello", b"hellO"].map(|b| ContentDigest::of(DigestAlgorithm::Md5, b));
        assert!(matches!(put(5, wrong).await, Err(StorageError::DigestMismatch { .. })));
        assert!(matches!(put(4, right).await, Err(StorageError::LengthMismatch { expected: 4, .. })));
        assert!(matches!(put(6, right).await, Err(StorageError::LengthMismatch { expected: 6, got: 5 })));
        put(5, right).await.unwrap();
        blobs.abort_multipart(&key("a/b"), &upload).await.unwrap();
        store.assert_empty().await;
    }
}

#[test]
fn an_upload_has_a_name() {
    for text in ["", " ", "a b", "a\n", "\u{e9}", &"x".repeat(MAX_ID_BYTES + 1)] {
        assert_eq!(UploadId::parse(text), Err(UploadIdError), "{text:?}");
    }
}

#[tokio::test]
async fn a_store_with_limits_says_so_before_it_takes_the_part() {
    let mut blobs = TestStore::memory().blobs;
    blobs.backend.parts.are_bounded = true;
    let upload = blobs.begin_multipart(&key("a/b")).await.unwrap();
    let outcome = put_part(&blobs, &upload, (1, 2), b"small").await;
    assert!(matches!(outcome, Err(StorageError::PartTooSmall { .. })), "{outcome:?}");
}

#[tokio::test]
async fn unfinished_uploads_are_found_by_their_age_and_can_be_aborted() {
    for store in &TestStore::each() {
        let blobs = &store.blobs;
        let [first, second] = ["a/b", "a/b/c"].map(key);
        let mut begun = vec![];
        for key in [&first, &first, &second] {
            let upload = blobs.begin_multipart(key).await.unwrap();
            begun.push(Unfinished { key: key.clone(), upload });
        }
        put_part(blobs, &begun[1].upload, (1, 1), b"part").await.unwrap();
        put(blobs, "a/c", b"an object", crate::testing::ANY).await.unwrap();

        let mut found = unfinished(blobs).await;
        found.sort_by_key(|upload| begun.iter().position(|begun| begun == upload));
        assert_eq!(found, begun);
        let earlier: Vec<Unfinished> = blobs.list_unfinished(0).try_collect().await.unwrap();
        assert_eq!(earlier, []);

        for Unfinished { key, upload } in found {
            blobs.abort_multipart(&key, &upload).await.unwrap();
        }
        assert_eq!(unfinished(blobs).await, []);
        assert_eq!(listed(blobs, "").await, [("a/c".to_owned(), 9)]);
    }
}

#[tokio::test]
async fn a_folder_forgets_the_uploads_to_what_is_deleted() {
    let store = TestStore::local();
    for name in ["a/b", "a/b/c"] {
        store.blobs.begin_multipart(&key(name)).await.unwrap();
    }
    let upload = store.blobs.begin_multipart(&key("a/b")).await.unwrap();
    put_part(&store.blobs, &upload, (1, 1), b"part").await.unwrap();
    store.blobs.delete_many(&[key("a/b")]).await[0].1.as_ref().unwrap();
    let left: Vec<_> = unfinished(&store.blobs).await.into_iter().map(|upload| upload.key).collect();
    assert_eq!(left, [key("a/b/c")]);
    store.blobs.delete_many(&[key("a/b/c")]).await[0].1.as_ref().unwrap();
    store.assert_empty().await;
}

#[tokio::test]
async fn an_upload_survives_a_failing_store() {
    let faults = Faults::default();
    for store in &TestStore::each() {
        let blobs = store.blobs.with_faults(&faults);
        faults.fail_call(1, Fault::Unavailable);
        let begun = blobs.begin_multipart(&key("a/b")).await;
        assert!(matches!(begun, Err(StorageError::Unavailable(_))), "{begun:?}");
        let upload = blobs.begin_multipart(&key("a/b")).await.unwrap();
        let bytes = content(3 * PART);
        for call in 1..=3 {
            faults.fail_call(call, Fault::OutOfSpace);
            let outcome = put_part(&blobs, &upload, (1, 1), &bytes).await;
            assert!(matches!(outcome, Err(StorageError::OutOfSpace(_))), "call {call}: {outcome:?}");
            faults.clear();
        }
        let part = put_part(&blobs, &upload, (1, 1), &bytes).await.unwrap();
        let parts = [part];
        for call in 1..=2 {
            faults.fail_call(call, Fault::Unavailable);
            let outcome = blobs.complete_multipart(&key("a/b"), &upload, &parts).await;
            assert!(matches!(outcome, Err(StorageError::Unavailable(_))), "call {call}: {outcome:?}");
            faults.clear();
        }
        let size = blobs.complete_multipart(&key("a/b"), &upload, &parts).await.unwrap();
        assert_eq!(size, bytes.len() as u64);
        blobs.delete_many(&[key("a/b")]).await[0].1.as_ref().unwrap();
        store.assert_empty().await;
    }
}
