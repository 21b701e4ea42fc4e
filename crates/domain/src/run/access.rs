//! Which index a listing is read from: the one that has the runs in order, or one that has the runs of a condition.

use sea_orm::sea_query::{Alias, CommonTableExpression, Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend};

use crate::db::dialect::{self, Missing};
use crate::entity::{run, run_value};
use crate::error::{Error, Result};
use crate::filter::{Candidates, Compiler, RunFilter};

/// So many runs are always read and sorted sooner than they are found one after the other.
const FEW: u64 = 1000;

/// More runs are never gathered and sorted.
const MOST_GATHERED: u64 = 8000;

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
    /// What reads least for a page. To gather `m` of `n` runs costs `m`; to go through the order until a page of `p` is
    /// full costs `p n / m`, if the matching runs are spread over it. The two meet at the root of `p n`.
    pub(super) async fn for_page(
        connection: &impl ConnectionTrait,
        compiler: Compiler<'_>,
        filter: &RunFilter,
        (page, indexed): (u64, bool),
    ) -> Result<Self> {
        let runs = compiler.project().run_counter.unsigned_abs();
        let worth = Ord::max(FEW, page.saturating_mul(runs).isqrt());
        let most = if indexed { Ord::min(worth, MOST_GATHERED) } else { MOST_GATHERED };
        let Choice { few, fewest } = Choice::count(connection, compiler, filter, most).await?;
        Ok(match fewest {
            Some(fewest) => Self::Gathered(fewest),
            None if indexed && !few => Self::InOrder,
            None => Self::All,
        })
    }

    /// What reads least to see every run once; none where that is all of the project's.
    pub(super) async fn for_all(
        connection: &impl ConnectionTrait,
        compiler: Compiler<'_>,
        filter: &RunFilter,
    ) -> Result<Option<Self>> {
        let choice = Choice::count(connection, compiler, filter, MOST_GATHERED).await?;
        Ok(choice.fewest.map(Self::Gathered))
    }

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

/// What there is to choose from.
#[derive(Debug)]
struct Choice {
    /// Runs of the listing's lifecycle are few.
    few: bool,
    /// The condition of the filter that leaves the fewest of those that an index answers, if these are not too many.
    fewest: Option<Candidates>,
}

impl Choice {
    /// Counts, no further than to see whether a condition leaves more than `most`.
    async fn count(
        connection: &impl ConnectionTrait,
        compiler: Compiler<'_>,
        filter: &RunFilter,
        most: u64,
    ) -> Result<Self> {
        let candidates = compiler.candidates(filter);
        let mut query = Query::select();
        query.expr_as(compiler.everything(filter).count(FEW + 1), "present");
        for (position, found) in candidates.iter().enumerate() {
            query.expr_as(found.count(most + 1), Alias::new(weight(position)));
        }
        let row = connection.query_one(&query).await?.ok_or_else(|| Error::internal("COUNT gave no row"))?;
        let read = |column: &str| -> Result<u64> {
            u64::try_from(row.try_get::<i64>("", column)?).map_err(Error::internal)
        };
        let weighed = candidates.into_iter().enumerate();
        let weighed = weighed.map(|(position, found)| Ok((read(&weight(position))?, found)));
        let fewest = weighed.collect::<Result<Vec<_>>>()?.into_iter().min_by_key(|(weight, _)| *weight);
        let fewest = fewest.filter(|(weight, _)| *weight <= most).map(|(_, fewest)| fewest);
        Ok(Self { few: read("present")? <= FEW, fewest })
    }
}

/// The name of the count of the candidates at a position.
fn weight(position: usize) -> String {
    format!("weight_{position}")
}
