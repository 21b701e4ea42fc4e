use futures_util::FutureExt as _;
use sea_orm::ConnectionTrait as _;

use super::*;
use crate::test_support::{TestDb, backend_test};

#[test]
fn trouble_that_passes_is_told_by_the_code() {
    for code in ["5", "6", "10", "13", "14", "261", "517", "773", "778", "1546", "8458"] {
        assert!(dialect::passes(code), "SQLite's {code}");
    }
    for code in ["1", "11", "19", "26", "787", "2067", "x"] {
        assert!(!dialect::passes(code), "SQLite's {code}");
    }
    for code in ["08006", "25006", "25P03", "40001", "40P01", "53100", "55P03", "57P01", "58030"] {
        assert!(dialect::passes(code), "PostgreSQL's {code}");
    }
    for code in ["22021", "23505", "25001", "42601", "55000"] {
        assert!(!dialect::passes(code), "PostgreSQL's {code}");
    }
}

#[tokio::test]
async fn a_row_that_someone_holds_for_too_long_is_trouble_that_passes() {
    const SQL: &str = "UPDATE project SET run_counter = run_counter + 1";
    let test = TestDb::postgres().await;
    let holder = test.db.begin_write().await.unwrap();
    holder.connection().execute_unprepared(SQL).await.unwrap();
    let waiter = test.db.begin_write().await.unwrap();
    let error = Error::from(waiter.connection().execute_unprepared(SQL).await.unwrap_err());
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    drop(waiter);
    holder.commit().await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_is_forgotten_ends_by_itself() {
    let test = TestDb::postgres().await;
    assert_eq!(test.texts("SELECT current_setting('idle_in_transaction_session_timeout')").await, ["1min"]);
}

backend_test!(reclaiming_comes_to_an_end, |test| {
    test.execute("CREATE TABLE big (x TEXT)").await;
    let rows = "INSERT INTO big WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
                SELECT 'some text that takes a page' || i FROM n";
    test.execute(rows).await;
    test.execute("DROP TABLE big").await;
    while test.db.reclaim().await.unwrap() {}
    assert!(!test.db.reclaim().await.unwrap());
    test.second_process().await.ping().await.unwrap();
});

#[tokio::test]
async fn a_missing_file_is_said_to_be_missing_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let url = format!("sqlite:{}", path.display());
    let error = Db::connect_existing(&url, 1, Env::system()).await.unwrap_err();
    assert!(error.to_string().contains("is missing") && !path.exists(), "{error}");
    Db::connect(&url, 1, Env::system()).await.unwrap();
    Db::connect_existing(&url, 1, Env::system()).await.unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_shrink_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let plain = sea_orm::Database::connect(format!("sqlite://{}?mode=rwc", path.display())).await.unwrap();
    plain.execute_unprepared("CREATE TABLE a (x TEXT)").await.unwrap();
    plain.close().await.unwrap();
    let error = Db::connect(&format!("sqlite:{}", path.display()), 1, Env::system()).await.unwrap_err();
    assert!(error.to_string().contains("VACUUM"), "{error}");
}

backend_test!(so_many_do_heavy_work_at_once_and_other_processes_have_turns_of_their_own, |test| {
    let other = test.second_process().await;
    let clone = test.db.for_requests();
    let mut turns = Vec::new();
    for _ in 0..HEAVY {
        turns.push(clone.heavy_turn().await.unwrap());
    }
    assert!(test.db.heavy_turn().now_or_never().is_none());
    assert!(other.heavy_turn().now_or_never().is_some());
    drop(turns);
    assert!(test.db.heavy_turn().now_or_never().is_some());
});
