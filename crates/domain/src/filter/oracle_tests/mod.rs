//! Random runs and filters: both databases must agree with `eval`, whichever way the runs are read, and pages with
//! the whole list.

use sea_orm::{ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, QueryFilter as _, Set};
use serde_json::Value;

use super::index::{self, IndexedValue};
use super::{Compiler, RunFilter, RunOrder};
use crate::account::EntityKind;
use crate::clock::Timestamp;
use crate::db::{Page, WriteTx};
use crate::entity::{run, run_value};
use crate::error::Result;
use crate::id::{EntityId, ProjectId, RunId, UserId};
use crate::project::{self, Project};
use crate::run::{Access, Lifecycle, Listing, Run, RunState, Tags, ValueScope, list_by};
use crate::test_support::TestDb;

mod draw;
mod filters;
mod orders;
mod pages;

fn project() -> Project {
    Project {
        id: ProjectId(1),
        entity_id: EntityId(1),
        entity_name: "ada".to_owned(),
        owner_kind: EntityKind::User,
        name: "demo".to_owned(),
        description: None,
        repo: None,
        run_counter: 0,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        access: project::Access::Private,
        allows_all_artifact_types: true,
        keeps_linked: false,
    }
}

/// Indexes what a document holds.
async fn insert_values(tx: &WriteTx, id: RunId, document: &Value) {
    let names = |name: &str| -> Vec<String> { serde_json::from_value(document[name].clone()).unwrap() };
    let present = |path: String| IndexedValue { path, num: None, text: None, bool: None };
    let scopes = [
        (ValueScope::Config, index::config_values(&document["config"])),
        (ValueScope::Summary, index::summary_values(&document["summary_metrics"])),
        (ValueScope::System, index::summary_values(&document["system_metrics"])),
        (ValueScope::Tag, names("tags").into_iter().map(present).collect()),
        (ValueScope::Key, names("keys").into_iter().map(present).collect()),
    ];
    let rows = scopes.into_iter().flat_map(|(scope, values)| {
        values.into_iter().map(move |value| run_value::ActiveModel {
            run_id: Set(id),
            project_id: Set(ProjectId(1)),
            scope: Set(scope),
            path: Set(value.path),
            num: Set(value.num),
            text: Set(value.text),
            bool: Set(value.bool),
        })
    });
    run_value::Entity::insert_many(rows).exec_without_returning(crate::Source::connection(tx)).await.unwrap();
}

/// Stores a run as the verbs would, under the name `run-<id>`.
async fn insert(test: &TestDb, id: usize, document: &mut Value) {
    document["name"] = format!("run-{id}").into();
    let string = |name: &str| document[name].as_str().map(str::to_owned);
    let time = |name: &str| Timestamp(document[name].as_i64().unwrap());
    let id = RunId(i64::try_from(id).unwrap());
    let tx = test.db.begin_write().await.unwrap();
    let row = run::ActiveModel {
        id: Set(id),
        project_id: Set(ProjectId(1)),
        user_id: Set(UserId(1)),
        name: Set(string("name").unwrap()),
        display_name: Set(string("display_name").unwrap()),
        state: Set(string("state").unwrap().parse::<RunState>().unwrap()),
        lifecycle: Set(Lifecycle::Live),
        created_at: Set(time("created_at")),
        updated_at: Set(time("updated_at")),
        heartbeat_at: Set(time("heartbeat_at")),
        finished_at: Set(document["finished_at"].as_i64().map(Timestamp)),
        stop_requested: Set(false),
        group_name: Set(string("group")),
        job_type: Set(string("job_type")),
        sweep_name: Set(string("sweep")),
        host: Set(string("host")),
        commit_hash: Set(string("commit")),
        notes: Set(string("notes")),
        description: Set(string("description")),
        tags: Set(Tags::default()),
        ..Default::default()
    };
    row.insert(crate::Source::connection(&tx)).await.unwrap();
    insert_values(&tx, id, document).await;
    tx.commit().await.unwrap();
}

/// Stores another document under a run that is there, but for what a run keeps.
async fn update(test: &TestDb, id: i64, document: &Value) {
    let tx = test.db.begin_write().await.unwrap();
    let connection = crate::Source::connection(&tx);
    let changed = run::ActiveModel {
        id: Set(RunId(id)),
        display_name: Set(document["display_name"].as_str().unwrap().to_owned()),
        state: Set(document["state"].as_str().unwrap().parse().unwrap()),
        heartbeat_at: Set(Timestamp(document["heartbeat_at"].as_i64().unwrap())),
        group_name: Set(document["group"].as_str().map(str::to_owned)),
        ..Default::default()
    };
    changed.update(connection).await.unwrap();
    let values = run_value::Entity::delete_many().filter(run_value::Column::RunId.eq(id));
    values.exec(connection).await.unwrap();
    insert_values(&tx, RunId(id), document).await;
    tx.commit().await.unwrap();
}

async fn delete(test: &TestDb, id: i64) {
    let tx = test.db.begin_write().await.unwrap();
    run::Entity::update_many()
        .col_expr(run::Column::Lifecycle, sea_orm::ActiveEnum::to_value(&Lifecycle::Deleted).into())
        .filter(run::Column::Id.eq(id))
        .exec(crate::Source::connection(&tx))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// Every way to read the runs that `filter` means.
fn ways(test: &TestDb, filter: &RunFilter) -> Vec<Access> {
    let project = project();
    let backend = crate::Source::connection(&test.db).get_database_backend();
    let gathered = Compiler::new(&project, backend).candidates(filter).into_iter().map(Access::Gathered);
    [Access::InOrder, Access::All].into_iter().chain(gathered).collect()
}

/// A page that is read in one of these ways.
async fn page(
    test: &TestDb,
    way: &Access,
    filter: &RunFilter,
    order: &RunOrder,
    first: u64,
    after: Option<&str>,
) -> Result<Page<Run>> {
    let project = project();
    let backend = crate::Source::connection(&test.db).get_database_backend();
    let listing = Listing::new(Compiler::new(&project, backend), filter, order);
    list_by(&test.db, way, &listing, order, first, after).await
}

/// The names of all, in order.
async fn listed(test: &TestDb, way: &Access, filter: &RunFilter, order: &RunOrder) -> Vec<String> {
    let page = page(test, way, filter, order, 1000, None).await.unwrap();
    page.items.into_iter().map(|(run, _)| run.name).collect()
}
