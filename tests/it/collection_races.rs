//! Bytes that nobody refers to any more are wanted again while the collector is at work: whichever comes first, no version
//! lacks its bytes.

use std::cell::Cell;

use counterweight_storage::Fault;
use counterweight_worker::gc;

use serde_json::json;

use crate::support::{GC, TRASH, TestApp, TestArtifact, backend_test, postgres_test, until};

const FILES: &[(&str, &str)] = &[("a", "wanted again")];
/// Any number will do.
const LOCK: u32 = 7;

/// Where the first of two transactions waits for the second, with all locks that it has taken until then.
#[derive(Clone, Copy, Debug)]
enum Pause {
    /// The stored bytes of a file that is announced were found.
    Announcing,
    /// Those of a version that is committed.
    Committing,
    /// The collector has found that nothing refers to the bytes, and said so.
    Marking,
    /// A version is out of the trash, with its places.
    Restoring,
    /// A deadline was moved.
    Extending,
    /// Somebody is about to delete a version.
    Deleting,
    /// A run is in the trash.
    Trashing,
}

impl Pause {
    fn trigger(self) -> &'static str {
        match self {
            Self::Announcing => "BEFORE INSERT ON artifact_upload FOR EACH ROW",
            Self::Committing => "BEFORE INSERT ON artifact_entry FOR EACH ROW",
            Self::Marking => "AFTER UPDATE ON blob FOR EACH ROW WHEN (NEW.state = 'doomed')",
            Self::Extending => {
                "AFTER UPDATE ON deletion FOR EACH ROW WHEN (NEW.purge_after > OLD.purge_after)"
            }
            Self::Deleting => "BEFORE INSERT ON receipt_item FOR EACH ROW",
            Self::Trashing => "AFTER UPDATE ON run FOR EACH ROW WHEN (NEW.lifecycle = 'deleted')",
            Self::Restoring => "BEFORE INSERT ON audit_entry FOR EACH ROW WHEN (NEW.action = 'restore')",
        }
    }
}

/// Lets `first` come as far as the pause, then `second` until it waits for it or is done, then both to their end.
async fn race<A, B>(
    app: &TestApp,
    at: Pause,
    first: impl Future<Output = A>,
    second: impl Future<Output = B>,
) -> (A, B) {
    app.execute(&format!(
        "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_advisory_xact_lock_shared({LOCK}); RETURN NEW; END'"
    ))
    .await;
    app.execute(&format!("CREATE TRIGGER pause {} EXECUTE FUNCTION pause()", at.trigger())).await;
    app.execute(&format!("SELECT pg_advisory_lock({LOCK})")).await;
    let is_done = Cell::new(false);
    let second = async {
        until(async || app.waiting_for_locks().await == 1).await;
        let done = second.await;
        is_done.set(true);
        done
    };
    let end_of_pause = async {
        until(async || app.waiting_for_locks().await == 2 || is_done.get()).await;
        app.execute(&format!("SELECT pg_advisory_unlock({LOCK})")).await;
    };
    let (first, second, ()) = Box::pin(async { tokio::join!(first, second, end_of_pause) }).await;
    (first, second)
}

/// Leaves bytes in the store that the collector will mark.
async fn give_up_bytes(app: &TestApp) {
    app.ada.run("demo", "r").await;
    let (deleted, _) = TestArtifact::log(&app.ada, "demo", "deleted", FILES).await;
    deleted.delete().await;
    app.run_jobs().await;
    app.advance(GC.min_age * 2);
}

/// Begins a version that wants them.
async fn begin(app: &TestApp) -> TestArtifact {
    TestArtifact::begin(&app.ada, "demo", "data", FILES).await
}

async fn collect(app: &TestApp) {
    assert_eq!(gc::pass(&app.db, &app.blobs, &GC, false).await.unwrap().failed, 0);
}

/// Sends what is still wanted, and commits. How many files were sent.
async fn send(version: &TestArtifact) -> usize {
    let sent = version.send_files().await;
    version.send_manifest(&version.manifest(), "FULL").await;
    version.commit().await;
    sent
}

/// The committed version can be read, whatever the collector does from now on.
async fn check(app: &TestApp, version: &TestArtifact) {
    app.check_consistency().await;
    app.collect().await;
    assert_eq!(version.read("a").await.as_deref(), Some(FILES[0].1));
    assert_eq!(app.objects().await.len(), 2, "the file and the manifest");
}

postgres_test!(a_file_that_is_announced_before_the_mark_keeps_its_bytes, |app| {
    give_up_bytes(app).await;
    let version = begin(app).await;
    let (urls, ()) = race(app, Pause::Announcing, version.announce(), collect(app)).await;
    assert_eq!(urls, [None]);
    assert_eq!(send(&version).await, 0);
    check(app, &version).await;
});

postgres_test!(a_file_that_is_announced_after_the_mark_is_to_be_sent, |app| {
    give_up_bytes(app).await;
    let version = begin(app).await;
    let ((), urls) = race(app, Pause::Marking, collect(app), version.announce()).await;
    assert!(urls[0].is_some());
    assert_eq!(send(&version).await, 1);
    check(app, &version).await;
});

postgres_test!(a_version_that_is_committed_before_the_mark_keeps_its_bytes, |app| {
    give_up_bytes(app).await;
    let version = begin(app).await;
    version.send_manifest(&version.manifest(), "FULL").await;
    race(app, Pause::Committing, version.commit(), collect(app)).await;
    check(app, &version).await;
});

postgres_test!(a_version_that_is_committed_after_the_mark_lacks_its_files, |app| {
    give_up_bytes(app).await;
    let version = begin(app).await;
    version.send_manifest(&version.manifest(), "FULL").await;
    let ((), refused) = race(app, Pause::Marking, collect(app), version.commit_refused()).await;
    assert_eq!(refused.code, "ARTIFACT_FILES_MISSING");
    assert_eq!(send(&version).await, 1);
    check(app, &version).await;
});

postgres_test!(a_version_that_is_restored_while_its_time_ends_keeps_its_files, |app| {
    let keeper = app.keeping(&app.ada);
    keeper.run("demo", "r").await;
    let (version, _) = TestArtifact::log(&keeper, "demo", "data", FILES).await;
    version.delete().await;
    let restored = keeper.mutate("restoreArtifact", json!({"artifactID": version.id}), "artifact { state }");
    let purged = async {
        app.advance(TRASH);
        app.run_jobs().await;
    };
    let (restored, ()) = Box::pin(race(app, Pause::Restoring, restored, purged)).await;
    assert_eq!(restored["artifact"]["state"], "COMMITTED");
    check(app, &version).await;
});

postgres_test!(a_run_that_is_restored_while_its_time_ends_keeps_its_files, |app| {
    let run = app.ada.run("demo", "r").await;
    run.upload("a.txt", "one").await;
    run.change("deleteRun").await;
    let restored = app.ada.mutate("restoreRun", json!({"id": run.id}), "run { name }");
    let purged = async {
        app.advance(TRASH);
        app.run_jobs().await;
    };
    let (restored, ()) = Box::pin(race(app, Pause::Restoring, restored, purged)).await;
    assert_eq!(restored["run"]["name"], "r");
    app.collect().await;
    assert_eq!(run.download("a.txt").await.body, "one");
});

postgres_test!(a_project_that_gets_more_time_while_its_time_ends_stays, |app| {
    app.ada.run("demo", "r").await;
    let found = app.ada.graphql("{ project(name: \"demo\") { id } }", ()).await;
    let deleted =
        app.ada.mutate("deleteModel", json!({"id": found["project"]["id"]}), "deletion { id }").await;
    let id = &deleted["deletion"]["id"];
    let until = json!({"id": id, "purgeAfter": "2026-02-01T00:00:00Z"});
    let moved = app.ada.mutate("extendDeletion", until, "deletion { purgeAfter }");
    let purged = async {
        app.advance(TRASH);
        app.run_jobs().await;
    };
    let (moved, ()) = Box::pin(race(app, Pause::Extending, moved, purged)).await;
    assert_eq!(moved["deletion"]["purgeAfter"], "2026-02-01T00:00:00Z");
    app.ada.mutate("restoreDeletion", json!({"id": id}), "deletion { state }").await;
    assert_eq!(app.ada.run_names("demo", json!({})).await, ["r"]);
});

postgres_test!(a_version_that_two_delete_at_once_goes_by_one_of_their_deletions, |app| {
    let run = app.ada.run("demo", "r").await;
    let version = TestArtifact::begin_with(&app.ada, "demo", "data", FILES, json!({"runName": "r"})).await;
    let deletion = "deletion { id }";
    let alone = app.ada.mutate("deleteArtifact", json!({"artifactID": version.id}), deletion);
    let with_run = app.ada.mutate("deleteRun", json!({"id": run.id, "deleteArtifacts": true}), deletion);
    Box::pin(race(app, Pause::Deleting, alone, with_run)).await;
    app.advance(TRASH);
    app.run_jobs().await;
    assert_eq!(app.texts("SELECT state FROM deletion").await, ["purged", "purged"]);
    let open = "SELECT kind FROM receipt_item WHERE purged_at IS NULL";
    assert_eq!(app.texts(open).await, [""; 0], "a receipt waits for what goes by the other deletion");
    let told = "SELECT COUNT(*) FROM audit_entry WHERE kind = 'artifact' AND action = 'delete'";
    assert_eq!(app.number(told).await, 1);
});

postgres_test!(a_file_is_not_deleted_of_a_run_that_somebody_deletes_at_once, |app| {
    let run = app.ada.run("demo", "r").await;
    run.upload("a.txt", "one").await;
    let file = run.file("a.txt", "id").await;
    let run_deleted = app.ada.mutate("deleteRun", json!({"id": run.id}), "deletion { id }");
    let file_deleted = app.ada.refused("deleteFiles", json!({"files": [file["id"]]}));
    let (_, refusal) = Box::pin(race(app, Pause::Trashing, run_deleted, file_deleted)).await;
    assert_eq!(refusal.code, "NOT_FOUND");
    app.ada.mutate("restoreRun", json!({"id": run.id}), "run { id }").await;
    assert_eq!(run.download("a.txt").await.body, "one");
});

backend_test!(a_file_that_is_sent_during_the_sweep_has_bytes_of_its_own, |app| {
    give_up_bytes(app).await;
    collect(app).await;
    app.advance(GC.grace);
    let version = begin(app).await;
    app.faults.fail_call(1, Fault::Silence);
    let blobs = app.blobs.with_faults(&app.faults);
    let logged_meanwhile = async {
        until(async || app.faults.is_silent()).await;
        assert_eq!(send(&version).await, 1);
        app.faults.clear();
    };
    let sweep = gc::pass(&app.db, &blobs, &GC, false);
    let (swept, ()) = Box::pin(async { tokio::join!(sweep, logged_meanwhile) }).await;
    assert_eq!(swept.unwrap().swept, 2);
    check(app, &version).await;
});
