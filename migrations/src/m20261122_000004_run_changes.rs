//! Which runs changed since, and paths of indexed values by prefix.
//!
//! `run_change` has one row for each run of a project, under a number that is higher than that of every change
//! committed before. Triggers write it: whoever changes a run cannot forget it, and on `PostgreSQL` it must be the
//! last that a transaction does.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer;
use sea_orm_migration::sea_orm::DbBackend;

use crate::table::{id, index, new_table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = new_table("run_change")
            .col(id("number"))
            .col(big_integer("project_id"))
            .col(big_integer("run_id"))
            .take();
        manager.create_table(table).await?;
        // The one row of a run, when it changes again. A run that was moved has one in each of its projects.
        let one = index("ux_run_change_run_id", "run_change", &["run_id", "project_id"]).unique().take();
        manager.create_index(one).await?;
        // What changed in a project after a number, in order.
        manager
            .create_index(index("ix_run_change_number", "run_change", &["project_id", "number", "run_id"]))
            .await?;
        let sql = match manager.get_connection().get_database_backend() {
            DbBackend::Postgres => POSTGRES,
            _ => SQLITE,
        };
        manager.get_connection().execute_unprepared(sql).await.map(drop)
    }
}

/// A heartbeat changes none of these columns, nor do lines of history. A purge is no change: the run was gone before.
///
/// There is one writer, so numbers are committed in order.
const SQLITE: &str = "
CREATE TRIGGER run_change_insert AFTER INSERT ON run BEGIN
    INSERT INTO run_change (project_id, run_id) VALUES (NEW.project_id, NEW.id);
END;
CREATE TRIGGER run_change_update AFTER UPDATE OF updated_at, state, lifecycle, project_id ON run
WHEN NEW.lifecycle <> 'purged' BEGIN
    DELETE FROM run_change WHERE run_id = NEW.id AND project_id IN (OLD.project_id, NEW.project_id);
    INSERT INTO run_change (project_id, run_id) SELECT OLD.project_id, NEW.id UNION SELECT NEW.project_id, NEW.id;
END;
CREATE TRIGGER run_change_document AFTER UPDATE OF config, summary ON run_document
WHEN NEW.config IS NOT OLD.config OR NEW.summary IS NOT OLD.summary BEGIN
    DELETE FROM run_change
    WHERE run_id = NEW.run_id AND project_id = (SELECT project_id FROM run WHERE id = NEW.run_id);
    INSERT INTO run_change (project_id, run_id) SELECT project_id, id FROM run WHERE id = NEW.run_id;
END;
CREATE TRIGGER run_change_delete AFTER DELETE ON run BEGIN
    DELETE FROM run_change WHERE run_id = OLD.id;
END;";

/// The same. Transactions take their numbers when they commit and one after the other, so that nobody sees a number
/// before a lower one; the lock is held for no longer than the commit. No index has the numbers of all projects: the
/// last one of a quiet project would be looked for in it. Paths are sorted by their bytes, as `SQLite` does it, or no
/// index would find a prefix.
const POSTGRES: &str = r#"
ALTER TABLE run_change DROP CONSTRAINT run_change_pkey;
ALTER TABLE run_value ALTER COLUMN path TYPE text COLLATE "C";
CREATE FUNCTION note_run_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(x'72756e6368616e'::bigint); -- "runchan"
    IF TG_TABLE_NAME = 'run_document' THEN
        changed := NEW.run_id;
    ELSE
        changed := NEW.id;
    END IF;
    INSERT INTO run_change (project_id, run_id) SELECT project_id, id FROM run WHERE id = changed
    ON CONFLICT (run_id, project_id) DO UPDATE SET number = EXCLUDED.number;
    IF TG_TABLE_NAME = 'run' AND TG_OP = 'UPDATE' THEN
        INSERT INTO run_change (project_id, run_id) SELECT OLD.project_id, id FROM run
        WHERE id = changed AND project_id <> OLD.project_id
        ON CONFLICT (run_id, project_id) DO UPDATE SET number = EXCLUDED.number;
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER run_change_insert AFTER INSERT ON run
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_run_change();
CREATE CONSTRAINT TRIGGER run_change_update AFTER UPDATE OF updated_at, state, lifecycle, project_id ON run
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.lifecycle <> 'purged') EXECUTE FUNCTION note_run_change();
CREATE CONSTRAINT TRIGGER run_change_document AFTER UPDATE OF config, summary ON run_document
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (NEW.config IS DISTINCT FROM OLD.config OR NEW.summary IS DISTINCT FROM OLD.summary)
EXECUTE FUNCTION note_run_change();
CREATE FUNCTION forget_run_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM run_change WHERE run_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER run_change_delete AFTER DELETE ON run FOR EACH ROW EXECUTE FUNCTION forget_run_changes();"#;
