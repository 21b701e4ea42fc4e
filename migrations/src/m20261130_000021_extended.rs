//! The deadline that a deletion was given, and its things have yet to get.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer_null;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut column = big_integer_null("extended_to").take();
        let mut table = Table::alter();
        manager.alter_table(table.table(Alias::new("deletion")).add_column(&mut column).take()).await
    }
}
