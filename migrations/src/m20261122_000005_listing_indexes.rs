//! The indexes that listings of runs are read from.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        // Text is compared by its bytes, as SQLite does; so the indexes must be.
        let postgres = connection.get_database_backend() == DbBackend::Postgres;
        connection.execute_unprepared(if postgres { POSTGRES } else { SQLITE }).await?;
        let collate = if postgres { " COLLATE \"C\"" } else { "" };
        connection.execute_unprepared(VALUE_INDEX).await?;
        // Runs without a value to be sorted by: oldest or youngest first. In SQLite the id ends every index by itself;
        // named once more, two lists of ids would be crossed.
        let id = if postgres { ", id" } else { "" };
        let by_age = format!("CREATE INDEX ix_run_order_id ON run (project_id, lifecycle{id})");
        connection.execute_unprepared(&by_age).await?;
        // Orders by a column, and conditions on it. Long text is cut, or no index would take it.
        for column in ["updated_at", "heartbeat_at"] {
            run_index(manager, column, column, false).await?;
        }
        run_index(manager, "state", &format!("state{collate}"), false).await?;
        let cut = |column: &str| format!("(substr({column}, 1, 256)){collate}");
        run_index(manager, "display_name", &cut("display_name"), false).await?;
        for column in ["group_name", "job_type", "sweep_name"] {
            run_index(manager, column, &cut(column), true).await?;
        }
        Ok(())
    }
}

/// Run names are unique by an index that then has them in order as well.
const POSTGRES: &str = "
ALTER TABLE run ALTER COLUMN name TYPE text COLLATE \"C\";
DROP INDEX ix_run_value_num;
DROP INDEX ix_run_value_text;";

/// The values of a run lie together, under the key by which they are looked up, and in no second place.
const SQLITE: &str = "
CREATE TABLE run_value_new (
    run_id bigint NOT NULL,
    project_id bigint NOT NULL,
    scope integer NOT NULL,
    path text NOT NULL,
    num double NULL,
    text text NULL,
    bool boolean NULL,
    PRIMARY KEY (run_id, scope, path),
    FOREIGN KEY (run_id) REFERENCES run (id)
) WITHOUT ROWID;
INSERT INTO run_value_new SELECT run_id, project_id, scope, path, num, text, bool FROM run_value;
DROP TABLE run_value;
ALTER TABLE run_value_new RENAME TO run_value;";

/// "path = and range" and "order by path limit n" inside one project, for each of the three types. A value has one
/// type, so the columns before that one are null, and numbers, strings and truth values are a range each.
const VALUE_INDEX: &str =
    "CREATE INDEX ix_run_value_order ON run_value (project_id, scope, path, num, text, bool, run_id)";

async fn run_index(
    manager: &SchemaManager<'_>,
    name: &str,
    column: &str,
    only_present: bool,
) -> Result<(), DbErr> {
    let condition = if only_present { format!(" WHERE {name} IS NOT NULL") } else { String::new() };
    let sql =
        format!("CREATE INDEX ix_run_order_{name} ON run (project_id, lifecycle, {column}, id){condition}");
    manager.get_connection().execute_unprepared(&sql).await.map(drop)
}
