//! Sweeps, their agents, and the runs that these are given.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, boolean, integer, text, text_null};

use crate::table::{id, index, new_table, reference, unique};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                new_table("sweep")
                    .col(id("id"))
                    .col(big_integer("project_id"))
                    .col(big_integer("user_id"))
                    .col(text("name"))
                    .col(text_null("display_name"))
                    .col(text_null("description"))
                    .col(text("config"))
                    .col(text("method"))
                    .col(text_null("metric"))
                    .col(boolean("maximizes"))
                    .col(text_null("controller"))
                    .col(text_null("scheduler"))
                    .col(text("state"))
                    .col(big_integer("seed"))
                    .col(big_integer("given_runs"))
                    .col(big_integer("created_at"))
                    .col(big_integer("updated_at"))
                    .col(big_integer_null("heartbeat_at"))
                    .foreign_key(&mut reference("project_id", "project"))
                    .foreign_key(&mut reference("user_id", "user"))
                    .take(),
            )
            .await?;
        manager.create_index(unique("ux_sweep_project_id_name", "sweep", &["project_id", "name"])).await?;
        // The sweeps of a project, newest first; and its purge.
        manager.create_index(index("ix_sweep_listing", "sweep", &["project_id", "id"])).await?;
        manager
            .create_table(
                new_table("agent")
                    .col(id("id"))
                    .col(big_integer("sweep_id"))
                    .col(text("name"))
                    .col(text("host"))
                    .col(boolean("told_to_exit"))
                    .col(big_integer("created_at"))
                    .col(big_integer("heartbeat_at"))
                    .foreign_key(&mut reference("sweep_id", "sweep"))
                    .take(),
            )
            .await?;
        manager.create_index(unique("ux_agent_sweep_id_name", "agent", &["sweep_id", "name"])).await?;
        manager
            .create_table(
                new_table("sweep_run")
                    .col(id("id"))
                    .col(big_integer("sweep_id"))
                    .col(big_integer("agent_id"))
                    .col(big_integer_null("run_id"))
                    .col(text("run_name"))
                    .col(text("args"))
                    .col(text("state"))
                    .col(integer("attempts"))
                    .col(text("scores"))
                    .col(boolean("stops_early"))
                    .foreign_key(&mut reference("sweep_id", "sweep"))
                    .foreign_key(&mut reference("agent_id", "agent"))
                    .foreign_key(&mut reference("run_id", "run"))
                    .take(),
            )
            .await?;
        manager
            .create_index(unique("ux_sweep_run_sweep_id_run_name", "sweep_run", &["sweep_id", "run_name"]))
            .await?;
        // The few that are not over.
        manager.create_index(index("ix_sweep_run_state", "sweep_run", &["sweep_id", "state", "id"])).await?;
        // What an agent was given, in order.
        manager.create_index(index("ix_sweep_run_agent_id", "sweep_run", &["agent_id", "id"])).await?;
        // The purge of a run.
        manager.create_index(index("ix_sweep_run_run_id", "sweep_run", &["run_id", "id"])).await?;
        // The runs of a sweep; the text is the same on both databases.
        let runs =
            "CREATE INDEX ix_run_sweep ON run (project_id, sweep_name, id) WHERE sweep_name IS NOT NULL";
        manager.get_connection().execute_unprepared(runs).await.map(drop)
    }
}
