//! Organizations, teams, their members, service accounts, and who may do what in a project.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, boolean, text, text_null};

use crate::table::{id, index, key, new_table, reference};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        organizations(manager).await?;
        members(manager).await?;
        invites(manager).await?;
        project_members(manager).await?;
        for (table, mut column) in [
            // The team of a service account; a person has none.
            ("user", big_integer_null("team_id")),
            ("api_key", text_null("description")),
            ("project", text("access").default("PRIVATE").take()),
            ("project", boolean("allows_all_artifact_types").default(true).take()),
        ] {
            let mut table = Table::alter().table(Alias::new(table)).to_owned();
            manager.alter_table(table.add_column(&mut column).take()).await?;
        }
        Ok(())
    }
}

async fn organizations(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("organization")
                .col(id("id"))
                .col(text("name").unique_key())
                .col(big_integer("entity_id").unique_key())
                .col(big_integer("created_at"))
                .foreign_key(&mut reference("entity_id", "entity"))
                .take(),
        )
        .await?;
    let mut belongs_to = big_integer_null("organization_id");
    manager
        .alter_table(Table::alter().table(Alias::new("entity")).add_column(&mut belongs_to).take())
        .await?;
    // The teams of an organization, by name.
    manager.create_index(index("ix_entity_organization_id", "entity", &["organization_id", "name"])).await
}

async fn members(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // The primary key answers what a user belongs to.
    manager
        .create_table(
            new_table("member")
                .col(big_integer("user_id"))
                .col(big_integer("entity_id"))
                .col(text("role"))
                .col(big_integer("created_at"))
                .primary_key(&mut key(&["user_id", "entity_id"]))
                .foreign_key(&mut reference("user_id", "user"))
                .foreign_key(&mut reference("entity_id", "entity"))
                .take(),
        )
        .await?;
    // The members of an entity, in the order in which they joined.
    manager
        .create_index(index("ix_member_entity_id", "member", &["entity_id", "created_at", "user_id"]))
        .await?;
    let own = "INSERT INTO member (user_id, entity_id, role, created_at) \
               SELECT id, entity_id, 'admin', created_at FROM \"user\"";
    manager.get_connection().execute_unprepared(own).await.map(|_| ())
}

async fn invites(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            new_table("invite")
                .col(id("id"))
                .col(big_integer("entity_id"))
                .col(text("email"))
                .col(text("role"))
                .col(big_integer("created_at"))
                .foreign_key(&mut reference("entity_id", "entity"))
                .take(),
        )
        .await?;
    manager
        .create_index(index("ux_invite_entity_id_email", "invite", &["entity_id", "email"]).unique().take())
        .await?;
    // What waits for a new user.
    manager.create_index(index("ix_invite_email", "invite", &["email"])).await
}

async fn project_members(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    for (table, column, refers_to) in
        [("project_member", "user_id", "user"), ("project_team_member", "team_id", "entity")]
    {
        manager
            .create_table(
                new_table(table)
                    .col(big_integer("project_id"))
                    .col(big_integer(column))
                    .col(text("role"))
                    .col(big_integer("created_at"))
                    .primary_key(&mut key(&["project_id", column]))
                    .foreign_key(&mut reference("project_id", "project"))
                    .foreign_key(&mut reference(column, refers_to))
                    .take(),
            )
            .await?;
        // Where a user or a team was let in.
        let name = format!("ix_{table}_{column}");
        manager.create_index(index(&name, table, &[column, "project_id"])).await?;
    }
    Ok(())
}
