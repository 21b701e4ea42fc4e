//! The collection of bytes: nothing that is referred to, nothing before its grace, and everything else in time.

use std::time::Duration;

use axum::http::Method;
use counterweight_storage::Fault;

use crate::support::{GC, TRASH, TestApp, TestRun, backend_test};

const SECOND: Duration = Duration::from_secs(1);

async fn run_with_a_file(app: &TestApp, name: &str) -> TestRun {
    let run = app.ada.run("demo", name).await;
    run.upload("a", name.to_owned()).await;
    run
}

backend_test!(bytes_shrink_within_the_promised_time, |app| {
    let run = run_with_a_file(app, "r").await;
    run.delete().await;
    app.wait(TRASH - SECOND).await;
    assert_eq!(app.objects().await.len(), 1);
    app.wait(SECOND).await;
    // From the deadline on it takes no longer than an interval and the grace, and no less than the grace.
    app.wait(GC.interval).await;
    app.wait(GC.grace - SECOND).await;
    assert_eq!(app.objects().await.len(), 1, "in its grace");
    app.wait(GC.interval).await;
    assert_eq!((app.objects().await.len(), app.rows("blob").await), (0, 0));
});

backend_test!(what_is_referred_to_stays_for_ever, |app| {
    let live = run_with_a_file(app, "live").await;
    let archived = run_with_a_file(app, "archived").await;
    let deleted = run_with_a_file(app, "deleted").await;
    archived.change("archiveRun").await;
    deleted.delete().await;
    for _ in 0..6 {
        app.wait(GC.grace).await;
    }
    assert_eq!(app.objects().await.len(), 3);
    deleted.change("restoreRun").await;
    for run in [live, archived, deleted] {
        assert_eq!(run.download("a").await.body, run.name);
    }
});

backend_test!(a_link_made_before_its_file_was_deleted_has_the_grace_to_be_read, |app| {
    let run = run_with_a_file(app, "r").await;
    run.upload("a", "newer").await;
    app.wait(GC.min_age + GC.interval).await;
    assert_eq!(app.objects().await.len(), 2, "the replaced bytes are still there");
    app.wait(GC.grace).await;
    assert_eq!(app.objects().await.len(), 1);
    assert_eq!(run.download("a").await.body, "newer");
});

backend_test!(a_failing_store_delays_the_collection_and_loses_nothing, |app| {
    let kept = run_with_a_file(app, "kept").await;
    let run = run_with_a_file(app, "r").await;
    run.delete_file("a").await;
    app.faults.fail_all(Fault::Unavailable);
    for _ in 0..4 {
        app.collect().await;
        assert_eq!((app.objects().await.len(), app.rows("blob").await), (2, 2));
    }
    app.faults.clear();
    app.wait(Duration::from_hours(2)).await;
    assert_eq!((app.objects().await.len(), app.rows("blob").await), (1, 1));
    assert_eq!(kept.download("a").await.body, "kept");
});

/// Uploads a file that is still on its way when `meanwhile` is done; answers what became of it.
async fn upload_during(app: &TestApp, run: &TestRun, meanwhile: impl Future<Output = ()>) -> (u16, String) {
    let url = run.upload_url("slow").await;
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (done, is_done) = tokio::sync::oneshot::channel();
    let body = futures_util::stream::once(async move {
        begun.send(()).unwrap();
        is_done.await.unwrap();
        Ok::<_, std::io::Error>(bytes::Bytes::from("slow bytes"))
    });
    let upload = app.ada.fetch(Method::PUT, &url, axum::body::Body::from_stream(body));
    let meanwhile = async {
        has_begun.await.unwrap();
        meanwhile.await;
        done.send(()).unwrap();
    };
    Box::pin(async { tokio::join!(upload, meanwhile) }).await.0.outcome()
}

backend_test!(an_upload_that_began_before_the_mark_and_ends_after_it_is_refused, |app| {
    let run = app.ada.run("demo", "r").await;
    let mark = async {
        app.wait(GC.upload_window + GC.interval).await;
        assert_eq!(app.texts("SELECT state FROM blob").await, ["doomed"]);
    };
    let outcome = Box::pin(upload_during(app, &run, mark)).await;
    assert_eq!(outcome, (503, "CONFLICT".into()), "it took longer than an upload may");
    assert_eq!(run.file_names("").await, Vec::<String>::new());
    app.wait(GC.grace).await;
    assert_eq!((app.objects().await.len(), app.rows("blob").await), (0, 0));
});

backend_test!(an_upload_that_ends_after_its_row_was_swept_leaves_nothing_behind, |app| {
    let run = app.ada.run("demo", "r").await;
    let sweep = async {
        app.collect().await;
        assert_eq!(app.rows("blob").await, 0);
    };
    assert_eq!(Box::pin(upload_during(app, &run, sweep)).await, (503, "CONFLICT".into()));
    assert_eq!(app.objects().await, Vec::<String>::new());
    let sweep_and_delete = async {
        app.collect().await;
        run.delete().await;
    };
    let outcome = Box::pin(upload_during(app, &run, sweep_and_delete)).await;
    assert_eq!(outcome, (503, "CONFLICT".into()), "also of a run that is gone");
    assert_eq!(app.objects().await, Vec::<String>::new());
});

backend_test!(a_dry_run_writes_nothing, |app| {
    let run = run_with_a_file(app, "r").await;
    run.delete_file("a").await;
    app.advance(GC.min_age * 2);
    let before = app.texts("SELECT state || last_used_at FROM blob").await;
    let report = counterweight_worker::gc::pass(&app.db, &app.blobs, &GC, true).await.unwrap();
    let named: Vec<_> = report.objects.iter().map(ToString::to_string).collect();
    assert_eq!((named, report.doomed), (app.objects().await, 1));
    assert_eq!(app.texts("SELECT state || last_used_at FROM blob").await, before);
});
