//! Who has or had a name.
//!
//! A name belongs to the project that had it last. If that one was renamed, its old name leads to it until another
//! project takes the name; if it was deleted, the name is free. Runs are found by their path in all projects that ever
//! had the name, the latest first: so a path never leads from one run to none, or to another run that is older.

use sea_orm::sea_query::{Expr, ExprTrait as _, Func, Query, SelectStatement, UnionType};
use sea_orm::{ColumnTrait, Condition};

use super::named;
use crate::account::Caller;
use crate::entity::{entity, project, project_former_name};

/// The projects that have or had `name`, as `project_id`, each with the moment `until` which it had it; `until` is the
/// end of time for the live one. No owner: the caller's own entity; no name: the default one.
pub(crate) fn holders(caller: &Caller, owner: Option<&str>, name: Option<&str>) -> SelectStatement {
    let name = named(name);
    // Plan: ix_project_name, then the primary key of project_former_name.
    let end_of_time = Expr::val(i64::MAX);
    let until = Func::coalesce([Expr::col((project::Entity, project::Column::DeletedAt)), end_of_time]);
    let mut holders = Query::select();
    holders
        .expr_as(Expr::col((project::Entity, project::Column::Id)), "project_id")
        .expr_as(until, "until")
        .from(project::Entity)
        .cond_where(owned(caller, owner, project::Column::EntityId))
        .and_where(project::Column::Name.eq(name));
    let mut former = Query::select();
    former
        .expr_as(project_former_name::Column::ProjectId.into_expr(), "project_id")
        .expr_as(project_former_name::Column::LeftAt.into_expr(), "until")
        .from(project_former_name::Entity)
        .cond_where(owned(caller, owner, project_former_name::Column::EntityId))
        .and_where(project_former_name::Column::Name.eq(name));
    holders.union(UnionType::All, former).take()
}

fn owned(caller: &Caller, owner: Option<&str>, column: impl ColumnTrait) -> Condition {
    let seen = caller.may_see(column);
    match owner.filter(|owner| !owner.is_empty()) {
        None => seen.add(column.eq(caller.entity_id)),
        Some(owner) => {
            let mut entity = Query::select();
            entity.column(entity::Column::Id).from(entity::Entity).and_where(entity::Column::Name.eq(owner));
            seen.add(column.into_expr().eq(Expr::SubQuery(None, Box::new(entity.into()))))
        }
    }
}
