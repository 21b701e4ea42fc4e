//! Which index a listing is read from: the one that has the runs in order, or one that has the runs of a condition.

use sea_orm::sea_query::{Alias, CommonTableExpression, Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend};

use crate::db::dialect::{self, Missing};
use crate::entity::{project, run, run_value};
use crate::error::{Error, Result};
use crate::filter::{Candidates, Compiler, RunFilter};

/// So many runs are always read and sorted sooner than they are found one after the other.
const FEW: u64 = 1000;

/// The candidates of a condition are not counted further; there may be more.
const MOST_COUNTED: u64 = 8000;

/// The name of gathered ids in a statement.
const MATCHING: &str = "matching";

/// How the runs of a listing are found.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// One after the other in the order of the listing, until the page is full; the filter is asked about each.
    InOrder,
    /// All of the project's, sorted.
    All,
    /// All that one condition of the filter leaves, sorted.
    Gathered(Candidates),
}

impl Access {
    /// Gives a statement its runs, the project's not told from others; returns their id.
    pub(super) fn begin(&self, query: &mut SelectStatement, backend: DbBackend) -> Expr {
        let id = Expr::col((run::Entity, run::Column::Id));
        match self {
            Self::Gathered(candidates) => {
                let mut ids = CommonTableExpression::new();
                ids.table_name(MATCHING).query(candidates.ids()).materialized(true);
                query.with_cte(ids).from(MATCHING);
                let gathered = Expr::col((MATCHING, run_value::Column::RunId));
                let on = id.eq(gathered.clone());
                dialect::look_up(query, backend, Missing::Drops, run::Entity, Alias::new("run"), on);
                gathered
            }
            Self::InOrder | Self::All => {
                query.from(run::Entity);
                id
            }
        }
    }
}

/// How many runs there are to choose from.
#[derive(Debug)]
pub(super) struct Weights {
    /// Runs that the project ever had.
    runs: u64,
    /// Those of the listing's lifecycle are few.
    few: bool,
    /// For each condition of the filter that an index answers, how many it leaves; the fewest first.
    candidates: Vec<(u64, Candidates)>,
}

impl Weights {
    /// Counts, no further than is needed to choose.
    pub(super) async fn load(
        connection: &impl ConnectionTrait,
        compiler: Compiler<'_>,
        filter: &RunFilter,
    ) -> Result<Self> {
        let candidates = compiler.candidates(filter);
        let query = Self::statement(compiler, filter, &candidates);
        let row = connection.query_one(&query).await?.ok_or_else(|| Error::internal("a project vanished"))?;
        let read = |column: &str| -> Result<u64> {
            u64::try_from(row.try_get::<i64>("", column)?).map_err(Error::internal)
        };
        let weighed = candidates.into_iter().enumerate();
        let weighed = weighed.map(|(position, found)| Ok((read(&weight(position))?, found)));
        let mut candidates = weighed.collect::<Result<Vec<_>>>()?;
        candidates.sort_by_key(|(weight, _)| *weight);
        Ok(Self { runs: read("runs")?, few: read("present")? <= FEW, candidates })
    }

    fn statement(compiler: Compiler<'_>, filter: &RunFilter, candidates: &[Candidates]) -> SelectStatement {
        let mut query = Query::select();
        query
            .expr_as(Expr::col(project::Column::RunCounter), "runs")
            .expr_as(compiler.everything(filter).count(FEW + 1), "present")
            .from(project::Entity)
            .and_where(Expr::col(project::Column::Id).eq(compiler.project().id));
        for (position, found) in candidates.iter().enumerate() {
            query.expr_as(found.count(MOST_COUNTED), Alias::new(weight(position)));
        }
        query
    }

    /// What reads least for a page. To gather `m` of `n` runs costs `m`; to go through the order until a page of `p`
    /// is full costs `p n / m`, if the matching runs are spread over it. The two meet at the root of `p n`.
    pub(super) fn for_page(self, page: u64, indexed: bool) -> Access {
        let few = Ord::max(FEW, page.saturating_mul(self.runs).isqrt());
        let most = if indexed { few } else { MOST_COUNTED - 1 };
        match self.candidates.into_iter().next() {
            Some((weight, fewest)) if weight <= most => Access::Gathered(fewest),
            _ if indexed && !self.few => Access::InOrder,
            _ => Access::All,
        }
    }

    /// What reads least to see every run once; none where that is all of the project's.
    pub(super) fn for_all(self) -> Option<Access> {
        let fewest = self.candidates.into_iter().next().filter(|(weight, _)| *weight < MOST_COUNTED);
        fewest.map(|(_, fewest)| Access::Gathered(fewest))
    }
}

/// The name of the count of the candidates at a position.
fn weight(position: usize) -> String {
    format!("weight_{position}")
}
