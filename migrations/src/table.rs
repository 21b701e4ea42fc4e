//! Words in which migrations say what a table has.

use sea_orm_migration::prelude::*;

/// A 64-bit number that the database gives out.
pub(crate) fn id(name: &str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    column.big_integer().not_null().auto_increment().primary_key();
    column
}

pub(crate) fn new_table(name: &str) -> TableCreateStatement {
    Table::create().table(Alias::new(name)).to_owned()
}

/// From a column to the id of a table.
pub(crate) fn reference(column: &str, table: &str) -> ForeignKeyCreateStatement {
    ForeignKey::create().from_col(Alias::new(column)).to(Alias::new(table), Alias::new("id")).to_owned()
}

pub(crate) fn key(columns: &[&str]) -> IndexCreateStatement {
    let mut key = Index::create();
    for column in columns {
        key.col(Alias::new(*column));
    }
    key
}

pub(crate) fn index(name: &str, table: &str, columns: &[&str]) -> IndexCreateStatement {
    key(columns).name(name).table(Alias::new(table)).take()
}

pub(crate) fn unique(name: &str, table: &str, columns: &[&str]) -> IndexCreateStatement {
    index(name, table, columns).unique().take()
}
