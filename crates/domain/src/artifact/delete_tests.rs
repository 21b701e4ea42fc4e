//! Deletions that meet a writer under way. Only `PostgreSQL` lets both begin.

use std::time::Duration;

use sea_orm::ConnectionTrait as _;

use super::{AliasChange, Edit, Link, Portfolio, add_aliases, expire_pending, link, update};
use crate::account::{self, Caller};
use crate::db::{Db, Source as _, WriteTx};
use crate::deletion;
use crate::error::{Error, Result};
use crate::id::{ArtifactId, UserId};
use crate::retention::Retention;
use crate::test_support::TestDb;

const ID: ArtifactId = ArtifactId(100);

const RETENTION: Retention =
    Retention { trash: Duration::ZERO, archive: None, artifacts: Duration::from_hours(1) };

/// A database with a version of `ada/demo/data` in this state, and ada.
async fn with_version(state: &str) -> (TestDb, Caller) {
    let test = TestDb::postgres().await;
    for sql in [
        "INSERT INTO artifact_type (id, project_id, name, created_at) VALUES (100, 1, 'dataset', 0)",
        "INSERT INTO artifact_collection (id, project_id, artifact_type_id, kind, name, state, digest_algorithm, \
         next_version, created_at, updated_at) VALUES (100, 1, 100, 'sequence', 'data', 'live', 'md5', 1, 0, 0)",
        &format!(
            "INSERT INTO artifact (id, collection_id, state, digest, digest_algorithm, user_id, requested_aliases, \
             size_bytes, file_count, created_at, updated_at) VALUES (100, 100, '{state}', '', 'md5', 1, '[]', 0, 0, 0, 0)"
        ),
    ] {
        test.execute(sql).await;
    }
    if state == "committed" {
        let place = "INSERT INTO artifact_membership (collection_id, artifact_id, version_index, created_at) \
                     VALUES (100, 100, 0, 0)";
        test.execute(place).await;
    }
    let ada = account::get_user(&test.db, UserId(1)).await.unwrap();
    (test, ada.into())
}

fn to_shelf() -> Link {
    let [entity_name, project_name, name] = ["ada", "demo", "shelf"].map(str::to_owned);
    Link { artifact: ID, to: Portfolio::Named { entity_name, project_name, name }, aliases: Vec::new() }
}

async fn delete_it(db: &Db, caller: &Caller) -> Result<()> {
    let tx = db.begin_write().await?;
    deletion::delete_version(&tx, caller, ID, true, None, RETENTION).await?;
    tx.commit().await
}

/// Commits what is under way once somebody waits for it.
async fn commit_when_awaited(test: &TestDb, tx: WriteTx) {
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while test.number(waiting).await == 0 {
        tokio::task::yield_now().await;
    }
    tx.commit().await.unwrap();
}

/// Nothing is left of a deleted version but its row.
async fn check_gone(test: &TestDb) {
    assert_eq!(test.texts("SELECT state FROM artifact").await, ["deleted"]);
    for table in ["artifact_membership", "artifact_alias"] {
        assert_eq!(test.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_version_that_is_being_committed_is_not_given_up() {
    let (test, _) = with_version("pending").await;
    let commit = test.db.begin_write().await.unwrap();
    let made = "UPDATE artifact SET state = 'committed'";
    commit.connection().execute_unprepared(made).await.unwrap();
    let give_up = expire_pending(&test.db, Duration::from_hours(1));
    let (outcome, ()) = tokio::join!(give_up, commit_when_awaited(&test, commit));
    outcome.unwrap();
    assert_eq!(test.texts("SELECT state FROM artifact").await, ["committed"]);
    assert_eq!(test.number("SELECT COUNT(*) FROM job").await, 0);
}

#[tokio::test]
async fn a_link_under_way_goes_with_its_version() {
    let (test, ada) = with_version("committed").await;
    let linking = test.db.begin_write().await.unwrap();
    link(&linking, &ada, to_shelf()).await.unwrap();
    let (deleted, ()) = tokio::join!(delete_it(&test.db, &ada), commit_when_awaited(&test, linking));
    deleted.unwrap();
    check_gone(&test).await;
}

#[tokio::test]
async fn a_version_that_is_being_deleted_takes_no_link_and_no_alias() {
    let linked = async |db: &Db, caller: &Caller| {
        let tx = db.begin_write().await?;
        link(&tx, caller, to_shelf()).await?;
        tx.commit().await
    };
    let named = async |db: &Db, caller: &Caller| {
        let [entity_name, project_name, collection_name, alias] =
            ["ada", "demo", "data", "best"].map(str::to_owned);
        let tx = db.begin_write().await?;
        let change = AliasChange { entity_name, project_name, collection_name, alias };
        add_aliases(&tx, caller, ID, &[change]).await?;
        tx.commit().await
    };
    let updated = async |db: &Db, caller: &Caller| {
        let tx = db.begin_write().await?;
        update(&tx, caller, ID, Edit { aliases: Some(vec!["best".to_owned()]), ..Edit::default() }).await?;
        tx.commit().await
    };
    for which in 0..3 {
        let (test, ada) = with_version("committed").await;
        let deleting = test.db.begin_write().await.unwrap();
        deletion::delete_version(&deleting, &ada, ID, true, None, RETENTION).await.unwrap();
        let change = async {
            match which {
                0 => linked(&test.db, &ada).await,
                1 => named(&test.db, &ada).await,
                _ => updated(&test.db, &ada).await,
            }
        };
        let (changed, ()) = tokio::join!(change, commit_when_awaited(&test, deleting));
        assert!(matches!(changed, Err(Error::NotFound { .. })), "{which}: {changed:?}");
        check_gone(&test).await;
    }
}
