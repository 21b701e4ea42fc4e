//! Runs that go to another project. Their paths in the old one keep leading to them, so that their writers go on.

use std::collections::HashSet;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, Set};

use super::Run;
use crate::bulk::Refused;
use crate::db::{Source, WriteTx};
use crate::entity::{run, run_alias, run_value};
use crate::error::Result;
use crate::id::{ProjectId, RunId};

/// Moves runs of `source`, which are locked as both projects are. Answers those whose id is taken in `destination`.
pub(crate) async fn apply(
    tx: &WriteTx,
    source: ProjectId,
    destination: ProjectId,
    runs: Vec<Run>,
) -> Result<Vec<Refused>> {
    let taken = taken(tx, destination, &runs).await?;
    let (stay, go): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(|run| taken.contains(&run.name));
    let reason = "the run id is taken in the other project";
    let refused = stay.into_iter().map(|run| Refused { run_id: run.id, reason: reason.to_owned() });
    let refused = refused.collect();
    if go.is_empty() {
        return Ok(refused);
    }
    let ids: Vec<RunId> = go.iter().map(|run| run.id).collect();
    run_alias::Entity::delete_many()
        .filter(run_alias::Column::ProjectId.eq(destination))
        .filter(run_alias::Column::Name.is_in(go.iter().map(|run| run.name.as_str())))
        .exec(tx.connection())
        .await?;
    run::Entity::update_many()
        .col_expr(run::Column::ProjectId, Expr::val(destination))
        .col_expr(run::Column::UpdatedAt, Expr::val(tx.now()))
        .filter(run::Column::Id.is_in(ids.iter().copied()))
        .exec(tx.connection())
        .await?;
    run_value::Entity::update_many()
        .col_expr(run_value::Column::ProjectId, Expr::val(destination))
        .filter(run_value::Column::RunId.is_in(ids))
        .exec(tx.connection())
        .await?;
    let aliases = go.into_iter().map(|run| run_alias::ActiveModel {
        project_id: Set(source),
        name: Set(run.name),
        run_id: Set(run.id),
    });
    run_alias::Entity::insert_many(aliases).exec_without_returning(tx.connection()).await?;
    Ok(refused)
}

/// The names that are taken in `project`, also by tombstones and by runs that moved away; a run that comes back finds
/// its own name free.
async fn taken(tx: &WriteTx, project: ProjectId, runs: &[Run]) -> Result<HashSet<String>> {
    let names = || runs.iter().map(|run| run.name.as_str());
    let mut taken: HashSet<String> = run::Entity::find()
        .select_only()
        .column(run::Column::Name)
        .filter(run::Column::ProjectId.eq(project))
        .filter(run::Column::Name.is_in(names()))
        .into_tuple()
        .all(tx.connection())
        .await?
        .into_iter()
        .collect();
    let aliases = run_alias::Entity::find()
        .filter(run_alias::Column::ProjectId.eq(project))
        .filter(run_alias::Column::Name.is_in(names()))
        .all(tx.connection())
        .await?;
    let own = |alias: &run_alias::Model| runs.iter().any(|run| run.id == alias.run_id);
    taken.extend(aliases.into_iter().filter(|alias| !own(alias)).map(|alias| alias.name));
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use crate::test_support::TestDb;

    /// What refers to a project and belongs to a run moves with it.
    #[tokio::test]
    async fn every_table_of_runs_and_projects_is_moved() {
        let test = TestDb::sqlite().await;
        let columns =
            |name: &str| format!("SELECT 1 FROM pragma_table_info(tables.name) WHERE name = '{name}'");
        let sql = format!(
            "SELECT name FROM sqlite_master tables WHERE type = 'table' AND EXISTS ({}) AND EXISTS ({}) ORDER BY name",
            columns("run_id"),
            columns("project_id")
        );
        // Changes are noted in both projects, by triggers.
        assert_eq!(test.texts(&sql).await, ["run_alias", "run_change", "run_value"]);
    }
}
