//! Uploads that go wrong: a clear answer, and nothing left behind.

use axum::body::{Body, Bytes};
use axum::http::Method;
use axum::http::header::CONTENT_LENGTH;
use counterweight_storage::Fault;
use futures_util::stream;
use tokio::sync::oneshot;

use crate::support::{Answer, GC, TestApp, TestArtifact, TestRun, backend_test, path_of};

/// Puts a file, with headers and a body of its own.
async fn put(app: &TestApp, run: &TestRun, header: (&str, &str), body: Body) -> (u16, String) {
    let url = run.upload_url("a").await;
    let request = app.ada.request(Method::PUT, path_of(&url)).header(header.0, header.1);
    app.ada.send(request.body(body).unwrap()).await.outcome()
}

/// The file is as it was, and what the failed upload began is collected.
async fn nothing_changed(app: &TestApp, run: &TestRun) {
    assert_eq!(run.download("a").await.body, "before");
    app.collect().await;
    assert_eq!((app.objects().await.len(), app.rows("blob").await), (1, 1));
}

async fn run_with_a_file(app: &TestApp) -> TestRun {
    let run = app.ada.run("demo", "r").await;
    run.upload("a", "before").await;
    run
}

fn pieces(pieces: Vec<std::io::Result<&'static str>>) -> Body {
    Body::from_stream(stream::iter(pieces.into_iter().map(|piece| piece.map(Bytes::from))))
}

backend_test!(bytes_of_another_digest_are_refused, |app| {
    let run = run_with_a_file(app).await;
    let right = ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==");
    assert_eq!(put(app, &run, right, "hellO".into()).await, (400, "DIGEST_MISMATCH".into()));
    let nonsense = put(app, &run, ("content-md5", "5d41402abc4b2a76b9719d911017c592"), "hello".into()).await;
    assert_eq!(nonsense, (400, "DIGEST_INVALID".into()));
    assert_eq!(app.objects().await.len(), 1);
    nothing_changed(app, &run).await;
    assert_eq!(put(app, &run, right, "hello".into()).await.0, 200);
});

backend_test!(a_body_shorter_than_announced_is_refused, |app| {
    let run = run_with_a_file(app).await;
    let length = (CONTENT_LENGTH.as_str(), "10");
    for body in [pieces(vec![Ok("short")]), pieces(vec![Ok("more than"), Ok(" announced")])] {
        assert_eq!(put(app, &run, length, body).await, (400, "LENGTH_MISMATCH".into()));
    }
    let nonsense = put(app, &run, (CONTENT_LENGTH.as_str(), "many"), "x".into()).await;
    assert_eq!(nonsense, (400, "LENGTH_INVALID".into()));
    nothing_changed(app, &run).await;
});

backend_test!(a_body_that_breaks_off_may_be_sent_again, |app| {
    let run = run_with_a_file(app).await;
    let broken = pieces(vec![Ok("some"), Err(std::io::Error::other("reset"))]);
    assert_eq!(put(app, &run, ("x-test", "1"), broken).await, (408, "BODY_INCOMPLETE".into()));
    nothing_changed(app, &run).await;
});

backend_test!(a_full_store_says_so, |app| {
    let run = run_with_a_file(app).await;
    app.faults.fail_all(Fault::OutOfSpace);
    for size in [10, 12 << 20] {
        let answer = put(app, &run, ("x-test", "1"), vec![1; size].into()).await;
        assert_eq!(answer, (507, "STORAGE_FULL".into()));
    }
    app.faults.clear();
    nothing_changed(app, &run).await;
});

backend_test!(a_failing_store_is_trouble_that_passes, |app| {
    let run = run_with_a_file(app).await;
    for call in 1..=3 {
        app.faults.fail_call(call, Fault::Unavailable);
        let answer = put(app, &run, ("x-test", "1"), vec![1; 12 << 20].into()).await;
        assert_eq!(answer, (503, "UNAVAILABLE".into()), "call {call}");
    }
    app.faults.clear();
    nothing_changed(app, &run).await;
    app.faults.fail_all(Fault::Unavailable);
    let download = run.download("a").await;
    assert_eq!(download.outcome(), (503, "UNAVAILABLE".into()));
    assert!(download.headers.contains_key("retry-after"));
});

/// What an upload is answered that begins before something else does and ends after it.
async fn put_during(app: &TestApp, url: &str, meanwhile: impl AsyncFnOnce()) -> Answer {
    let (begun, has_begun) = oneshot::channel();
    let (over, is_over) = oneshot::channel();
    let body = stream::once(async move {
        begun.send(()).unwrap();
        is_over.await.unwrap();
        Ok::<_, std::io::Error>(Bytes::from("too late"))
    });
    let upload = app.ada.fetch(Method::PUT, url, Body::from_stream(body));
    let other = async {
        has_begun.await.unwrap();
        meanwhile().await;
        over.send(()).unwrap();
    };
    tokio::join!(upload, other).0
}

backend_test!(an_upload_that_was_in_flight_when_its_run_was_deleted_is_refused, |app| {
    let run = run_with_a_file(app).await;
    let url = run.upload_url("a").await;
    let answer = put_during(app, &url, async || drop(run.delete().await)).await;
    assert_eq!(answer.outcome(), (410, "RUN_DELETED".into()));
    assert_eq!(app.objects().await.len(), 2);
    app.collect().await;
    assert_eq!(app.objects().await.len(), 1, "what came too late is collected");
    run.change("restoreRun").await;
    assert_eq!(run.download("a").await.body, "before");
});

backend_test!(an_upload_that_outlives_its_version_leaves_nothing, |app| {
    app.ada.run("demo", "r").await;
    let (marked, swept) = (GC.upload_window + GC.interval, GC.grace);
    for spans in [&[marked][..], &[marked, swept], &[marked, swept, marked, swept]] {
        let version = TestArtifact::begin(&app.ada, "demo", "data", &[("x", "too late")]).await;
        let url = version.announce().await.remove(0).unwrap();
        let wait = async || {
            for span in spans {
                app.wait(*span).await;
            }
        };
        let answer = put_during(app, &url, wait).await;
        assert_eq!(answer.outcome(), (404, "NOT_FOUND".to_owned()), "{spans:?}");
        app.collect().await;
        assert_eq!(app.objects().await, Vec::<String>::new(), "{spans:?}");
    }
});

backend_test!(of_two_uploads_of_a_name_one_stays, |app| {
    let run = run_with_a_file(app).await;
    let (one, other) = (run.upload_url("a").await, run.upload_url("a").await);
    let (first, second) =
        tokio::join!(app.ada.fetch(Method::PUT, &one, "one"), app.ada.fetch(Method::PUT, &other, "other"));
    assert_eq!((first.status, second.status), (200, 200));
    let content = run.download("a").await.body;
    assert!(content == "one" || content == "other");
    app.collect().await;
    assert_eq!(app.objects().await.len(), 1);
});
