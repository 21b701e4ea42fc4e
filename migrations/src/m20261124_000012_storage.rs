//! What is asked about the store: blobs in the order of their keys, the bytes of each run, what the collector did; and
//! the switches that stop it.
//!
//! `run_storage` has the bytes of a run's files. Triggers write it: whoever changes a file cannot forget it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, text, text_null};
use sea_orm_migration::sea_orm::DbBackend;

use crate::table::{id, new_table, reference};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let is_postgres = connection.get_database_backend() == DbBackend::Postgres;
        if is_postgres {
            // By their bytes, as `SQLite` and the program sort them.
            let sql = "ALTER TABLE blob ALTER COLUMN object_key TYPE text COLLATE \"C\"";
            connection.execute_unprepared(sql).await?;
        }
        manager
            .create_table(
                new_table("run_storage")
                    .col(big_integer("run_id").primary_key())
                    .col(big_integer("file_bytes"))
                    .foreign_key(&mut reference("run_id", "run"))
                    .take(),
            )
            .await?;
        for sql in [FILL, LIVE_LINES, if is_postgres { POSTGRES } else { SQLITE }] {
            connection.execute_unprepared(sql).await?;
        }
        collector(manager).await
    }
}

async fn collector(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("gc_pass")
                .col(id("id"))
                .col(big_integer("began_at"))
                .col(big_integer_null("ended_at"))
                .col(big_integer("scanned"))
                .col(big_integer("doomed"))
                .col(big_integer("swept"))
                .col(big_integer("bytes"))
                .col(big_integer("failed"))
                .col(big_integer_null("objects_per_second"))
                .col(big_integer_null("bytes_per_second"))
                .take(),
        )
        .await?;
    // A row is there while the switch is on.
    manager
        .create_table(
            new_table("switch")
                .col(text("name").primary_key())
                .col(big_integer("set_at"))
                .col(text_null("reason"))
                .take(),
        )
        .await
}

const FILL: &str = "
INSERT INTO run_storage (run_id, file_bytes)
SELECT f.run_id, CAST(SUM(b.size_bytes) AS BIGINT) FROM run_file f JOIN blob b ON b.id = f.blob_id GROUP BY f.run_id";

/// The few streams that have lines in the database.
const LIVE_LINES: &str =
    "CREATE INDEX ix_history_stream_live ON history_stream (run_id, live_bytes) WHERE live_bytes > 0";

/// A blob's size does not change once a file has it.
const SQLITE: &str = "
CREATE TRIGGER run_storage_insert AFTER INSERT ON run_file BEGIN
    INSERT INTO run_storage (run_id, file_bytes) SELECT NEW.run_id, size_bytes FROM blob WHERE id = NEW.blob_id
    ON CONFLICT (run_id) DO UPDATE SET file_bytes = file_bytes + excluded.file_bytes;
END;
CREATE TRIGGER run_storage_update AFTER UPDATE OF blob_id ON run_file BEGIN
    UPDATE run_storage SET file_bytes = file_bytes + (SELECT size_bytes FROM blob WHERE id = NEW.blob_id)
        - (SELECT size_bytes FROM blob WHERE id = OLD.blob_id)
    WHERE run_id = NEW.run_id;
END;
CREATE TRIGGER run_storage_delete AFTER DELETE ON run_file BEGIN
    UPDATE run_storage SET file_bytes = file_bytes - (SELECT size_bytes FROM blob WHERE id = OLD.blob_id)
    WHERE run_id = OLD.run_id;
END;";

/// The same. Two that write files of one run at the same time wait for each other here and nowhere else.
const POSTGRES: &str = "
CREATE FUNCTION count_run_storage() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    added bigint := 0;
    removed bigint := 0;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        SELECT size_bytes INTO added FROM blob WHERE id = NEW.blob_id;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        SELECT size_bytes INTO removed FROM blob WHERE id = OLD.blob_id;
    END IF;
    IF TG_OP = 'DELETE' THEN
        UPDATE run_storage SET file_bytes = file_bytes - removed WHERE run_id = OLD.run_id;
    ELSE
        INSERT INTO run_storage (run_id, file_bytes) VALUES (NEW.run_id, added - removed)
        ON CONFLICT (run_id) DO UPDATE SET file_bytes = run_storage.file_bytes + EXCLUDED.file_bytes;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER run_storage_insert AFTER INSERT ON run_file FOR EACH ROW EXECUTE FUNCTION count_run_storage();
CREATE TRIGGER run_storage_update AFTER UPDATE OF blob_id ON run_file FOR EACH ROW EXECUTE FUNCTION count_run_storage();
CREATE TRIGGER run_storage_delete AFTER DELETE ON run_file FOR EACH ROW EXECUTE FUNCTION count_run_storage();";
