use std::time::Duration;

use super::purge::CHILDREN;
use super::records::NewItem;
use super::*;
use crate::test_support::{TestDb, backend_test};

const DELETION: &str = "deletion-1";
const HOUR: Duration = Duration::from_hours(1);

/// A deleted run with more rows than one transaction removes, next to one that stays.
async fn deleted_run(test: &TestDb, values: i64) {
    for run in [1, 2] {
        test.insert_deleted_run(run).await;
        test.execute(&format!("INSERT INTO run_document (run_id, config) VALUES ({run}, '{{}}')")).await;
        test.execute(&format!(
            "INSERT INTO history_stream (run_id, stream, line_count, keys) VALUES ({run}, 1, 3, '{{}}')"
        ))
        .await;
        for line in 0..3 {
            test.execute(&format!(
                "INSERT INTO history_chunk (run_id, stream, first_line, line_count, raw_bytes, body) \
                 VALUES ({run}, 1, {line}, 1, 0, '')"
            ))
            .await;
        }
        test.execute(&format!(
            "INSERT INTO run_value (run_id, project_id, scope, path, num) \
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {values}) \
             SELECT {run}, 1, 1, 'key' || i, i FROM n"
        ))
        .await;
        test.execute(&format!(
            "INSERT INTO blob (id, object_key, state, size_bytes, created_at, last_used_at, sweep_failures) \
             VALUES ({run}, 'blobs/{run}', 'live', 5, 0, 0, 0)"
        ))
        .await;
        test.insert_file(run, "a", run).await;
    }
}

async fn rows_of(test: &TestDb, run: i64) -> i64 {
    let mut rows = 0;
    for (table, _) in CHILDREN {
        rows += test.number(&format!("SELECT COUNT(*) FROM {table} WHERE run_id = {run}")).await;
    }
    rows
}

async fn assert_purged(test: &TestDb) {
    assert_eq!((rows_of(test, 1).await, rows_of(test, 2).await > 0), (0, true), "its rows, and no others");
    assert_eq!(test.texts("SELECT state FROM deletion ORDER BY id").await, ["purged", "pending"]);
    assert_eq!(
        test.texts("SELECT state FROM blob ORDER BY id").await,
        ["live", "live"],
        "left to the collection"
    );
    let left = "SELECT name || '|' || lifecycle || '|' || display_name || '|' || tags || '|' || \
                COALESCE(host, '-') || '|' || COALESCE(notes, '-') FROM run WHERE id = 1";
    assert_eq!(test.texts(left).await, ["run1|purged||[]|-|-"]);
}

backend_test!(a_deletion_is_about_more_things_than_a_statement_takes, |test| {
    deleted_run(&test, 3).await;
    let count = 9000;
    let item = |id| NewItem::new(ItemKind::Artifact, id, format!("data:v{id}"), ItemState::Pending);
    let tx = test.db.begin_write().await.unwrap();
    records::add_items(&tx, DELETION, (0..count).map(item).collect()).await.unwrap();
    tx.commit().await.unwrap();
    let items = "SELECT COUNT(*) FROM deletion_item WHERE kind = 'artifact'";
    assert_eq!(test.number(items).await, count);
});

backend_test!(before_the_deadline_nothing_happens, |test| {
    deleted_run(&test, 3).await;
    let before = rows_of(&test, 1).await;
    let deadline = test.db.now().after(HOUR);
    assert_eq!(purge(&test.db, DELETION).await.unwrap(), Purge::NotBefore(deadline));
    assert_eq!(rows_of(&test, 1).await, before);
    assert_eq!(test.number("SELECT COUNT(*) FROM run WHERE lifecycle = 'deleted'").await, 2);
});

backend_test!(a_purged_run_is_its_tombstone, |test| {
    deleted_run(&test, 3).await;
    test.advance(HOUR);
    assert_eq!(purge(&test.db, DELETION).await.unwrap(), Purge::Complete);
    assert_purged(&test).await;
    let ended_at = test.number("SELECT ended_at FROM deletion WHERE id = 'deletion-1'").await;
    test.advance(HOUR);
    assert_eq!(purge(&test.db, DELETION).await.unwrap(), Purge::Complete, "once more");
    assert_eq!(test.number("SELECT ended_at FROM deletion WHERE id = 'deletion-1'").await, ended_at);
});

backend_test!(a_purge_that_is_cut_off_anywhere_goes_on, |test| {
    deleted_run(&test, 2500).await;
    test.advance(HOUR);
    let mut steps = 1;
    let mut rows = rows_of(&test, 1).await;
    while purge_step(&test.second_process().await, DELETION).await.unwrap() == Purge::Underway {
        let left = rows_of(&test, 1).await;
        assert!((1..=1000).contains(&(rows - left)), "{rows} to {left}");
        assert_eq!(test.texts("SELECT state FROM deletion ORDER BY id").await, ["pending", "pending"]);
        let lifecycle = test.texts("SELECT lifecycle FROM run WHERE id = 1").await;
        assert_eq!(lifecycle, ["purged"], "out of reach of a restore from the first step on");
        rows = left;
        steps += 1;
    }
    assert_eq!(steps, 3);
    assert_purged(&test).await;
});

backend_test!(a_restored_run_is_left_alone, |test| {
    deleted_run(&test, 3).await;
    let before = rows_of(&test, 1).await;
    test.execute("UPDATE run SET lifecycle = 'live', deleted_at = NULL, purge_after = NULL WHERE id = 1")
        .await;
    test.advance(HOUR);
    assert_eq!(purge(&test.db, DELETION).await.unwrap(), Purge::Withdrawn);
    test.execute("UPDATE deletion SET state = 'restored' WHERE id = 'deletion-1'").await;
    assert_eq!(purge(&test.db, DELETION).await.unwrap(), Purge::Withdrawn);
    assert_eq!(purge(&test.db, "deletion-3").await.unwrap(), Purge::Withdrawn, "no such deletion");
    assert_eq!(rows_of(&test, 1).await, before);
});

/// A deleted project with runs of more rows than one transaction removes: two that went with it, and one that was in
/// the trash before.
async fn deleted_project(test: &TestDb) -> &'static str {
    deleted_run(test, 700).await;
    test.insert_deleted_run(3).await;
    test.execute("UPDATE run SET lifecycle = 'live', deleted_at = NULL, purge_after = NULL WHERE id < 3")
        .await;
    let (now, deadline) = (test.db.now().0, test.db.now().after(HOUR).0);
    test.execute(&format!("UPDATE project SET state = 'deleted', deleted_at = {now}, description = 'words'"))
        .await;
    test.execute(&format!(
        "INSERT INTO deletion (id, kind, project_id, user_id, with_artifacts, on_registry_link, state, requested_at, \
         purge_after, run_count, artifact_count, file_count, file_bytes) VALUES ('p', 'project', 1, 1, TRUE, 'delete', \
         'pending', {now}, {deadline}, 2, 0, 0, 0)"
    ))
    .await;
    "p"
}

backend_test!(a_purge_of_a_project_that_is_cut_off_anywhere_goes_on, |test| {
    let deletion = deleted_project(&test).await;
    let deadline = test.db.now().after(HOUR);
    assert_eq!(purge(&test.db, deletion).await.unwrap(), Purge::NotBefore(deadline));
    assert_eq!(test.texts("SELECT state FROM project").await, ["deleted"]);
    test.advance(HOUR);
    let mut steps = 1;
    while purge_step(&test.second_process().await, deletion).await.unwrap() == Purge::Underway {
        assert_eq!(test.texts("SELECT state FROM project").await, ["purged"], "from the first step on");
        assert_eq!(test.texts("SELECT state FROM deletion WHERE kind = 'project'").await, ["pending"]);
        let unfinished =
            "SELECT COUNT(*) FROM run_value v JOIN run r ON r.id = v.run_id WHERE r.lifecycle = 'purged'";
        assert_eq!(test.number(unfinished).await, 0, "a tombstone has nothing below it");
        steps += 1;
    }
    assert_eq!(steps, 2);
    assert_eq!((rows_of(&test, 1).await, rows_of(&test, 2).await), (0, 0));
    assert_eq!(test.texts("SELECT lifecycle FROM run ORDER BY id").await, ["purged", "purged", "deleted"]);
    assert_eq!(test.number("SELECT COUNT(*) FROM project WHERE description IS NULL").await, 1);
    assert_eq!(test.texts("SELECT state FROM deletion WHERE kind = 'project'").await, ["purged"]);
    assert_eq!(purge(&test.db, deletion).await.unwrap(), Purge::Complete, "once more");
});

backend_test!(a_restored_project_is_left_alone, |test| {
    let deletion = deleted_project(&test).await;
    let before = rows_of(&test, 1).await;
    test.advance(HOUR);
    test.execute("UPDATE project SET state = 'live', deleted_at = NULL").await;
    assert_eq!(purge(&test.db, deletion).await.unwrap(), Purge::Withdrawn);
    test.execute("UPDATE deletion SET state = 'restored' WHERE kind = 'project'").await;
    assert_eq!(purge(&test.db, deletion).await.unwrap(), Purge::Withdrawn);
    assert_eq!(purge(&test.db, "another").await.unwrap(), Purge::Withdrawn);
    assert_eq!(rows_of(&test, 1).await, before);
});

#[tokio::test]
async fn every_table_that_belongs_to_a_run_is_purged() {
    let test = TestDb::sqlite().await;
    let mut declared = test
        .texts(
            "SELECT tables.name FROM sqlite_master tables JOIN pragma_table_info(tables.name) columns \
             WHERE tables.type = 'table' AND columns.name = 'run_id' \
             AND tables.name NOT IN ('artifact', 'bulk_item', 'submission', 'run_alias', 'run_change')",
        )
        .await;
    declared.sort_unstable();
    let mut known: Vec<_> = CHILDREN.iter().map(|(table, _)| (*table).to_owned()).collect();
    known.sort_unstable();
    assert_eq!(known, declared);
}
