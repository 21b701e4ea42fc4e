//! Runs of all projects that a caller may see, for programs that know no project.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, Select};

use super::queries::{in_live_projects, to_entity};
use super::{Lifecycle, Run, RunState};
use crate::account::Caller;
use crate::db::Source;
use crate::entity::run::{self, Column};
use crate::entity::{entity, project};
use crate::error::{Error, Result};

/// Which runs, of those that are listed.
#[derive(Clone, Debug, Default)]
pub struct Across {
    /// Of this owner alone.
    pub entity: Option<String>,
    /// Of projects of this name alone.
    pub project: Option<String>,
    /// In one of these states; all where there is none.
    pub states: Vec<RunState>,
}

impl Across {
    fn query(&self, caller: &Caller) -> Select<run::Entity> {
        let mut query = in_live_projects(caller).filter(Column::Lifecycle.eq(Lifecycle::Live));
        if let Some(name) = &self.entity {
            query = query.join(JoinType::InnerJoin, to_entity()).filter(entity::Column::Name.eq(name));
        }
        if let Some(name) = &self.project {
            query = query.filter(project::Column::Name.eq(name));
        }
        if !self.states.is_empty() {
            query = query.filter(Column::State.is_in(self.states.iter().copied()));
        }
        query
    }
}

/// `limit` runs from `offset` on, the newest first, and how many there are.
pub async fn list_across(
    db: &impl Source,
    caller: &Caller,
    which: &Across,
    (offset, limit): (u64, u64),
) -> Result<(Vec<Run>, u64)> {
    // Plan: by id from the newest on, its project by its id.
    let page = which.query(caller).order_by_desc(Column::Id).offset(offset).limit(limit);
    let runs = page.all(db.connection()).await?;
    let count = which.query(caller).select_only().column_as(Expr::cust("COUNT(*)"), "runs");
    let count: Option<i64> = count.into_tuple().one(db.connection()).await?;
    let count = count.ok_or_else(|| Error::internal("COUNT gave no row"))?;
    Ok((runs, u64::try_from(count).map_err(Error::internal)?))
}
