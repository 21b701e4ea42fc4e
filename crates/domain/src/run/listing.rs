//! The runs of a project that a filter means, in an order, page by page.
//!
//! Pages go by value, not by position: a page holds what comes after the last item of the one before, so every run
//! is seen exactly once while others come and go.

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ConnectionTrait, FromQueryResult as _};

use super::Run;
use super::access::Access;
use super::segments::Listing;
use crate::db::Source;
use crate::db::page::{self, ListId, MOST_ITEMS, Page, cursor_invalid};
use crate::entity::run;
use crate::error::{Error, Result};
use crate::filter::{Compiler, RunFilter, RunOrder};
use crate::project::Project;

/// A page of `project`'s runs: up to `first` after the cursor.
pub async fn list(
    db: &impl Source,
    project: &Project,
    filter: &RunFilter,
    order: &RunOrder,
    first: u64,
    after: Option<&str>,
) -> Result<Page<Run>> {
    let first = Ord::min(first, MOST_ITEMS);
    let compiler = Compiler::new(project, db.connection().get_database_backend());
    let listing = Listing::new(compiler, filter, order);
    let page = (first, listing.is_indexed());
    let access = Access::for_page(db.connection(), compiler, filter, page).await?;
    list_by(db, &access, &listing, order, first, after).await
}

/// The same, read in a given way.
pub(crate) async fn list_by(
    db: &impl Source,
    access: &Access,
    listing: &Listing<'_>,
    order: &RunOrder,
    first: u64,
    after: Option<&str>,
) -> Result<Page<Run>> {
    let connection = db.connection();
    let keys = listing.keys();
    let list = ListId::new(&[&listing.project().id.to_string(), listing.filter().source(), order.source()]);
    let after = after.map(|cursor| page::decode_cursor(list, cursor)).transpose()?;
    if after.as_ref().is_some_and(|values| values.len() != keys.len()) {
        return Err(cursor_invalid());
    }

    // One more than the page has, to see whether there is another.
    let mut wanted = first + 1;
    let mut rows = Vec::new();
    for mut segment in listing.segments(access, after.as_deref())? {
        let found = connection.query_all(segment.limit(wanted)).await?;
        wanted = wanted.saturating_sub(found.len() as u64);
        rows.extend(found);
        if wanted == 0 {
            break;
        }
    }
    let mut items = Vec::with_capacity(rows.len());
    for row in rows.iter().take(usize::try_from(first).unwrap_or(usize::MAX)) {
        let values = keys.iter().map(|key| key.read(row)).collect::<Result<Vec<_>>>()?;
        items.push((Run::from_query_result(row, "")?, page::encode_cursor(list, &values)?));
    }
    Ok(Page { items, has_next: wanted == 0 })
}

/// How many of `project`'s runs the filter means.
pub async fn count(db: &impl Source, project: &Project, filter: &RunFilter) -> Result<u64> {
    let connection = db.connection();
    let compiler = Compiler::new(project, connection.get_database_backend());
    let mut query = Query::select();
    query.expr_as(Expr::cust("COUNT(*)"), "runs");
    if let Some(access) = Access::for_all(connection, compiler, filter).await? {
        let id = access.begin(&mut query, compiler.backend());
        query.cond_where(compiler.for_few().with_id(&id).condition(filter));
    } else {
        query.from(run::Entity).cond_where(compiler.condition(filter));
    }
    let row = connection.query_one(&query).await?.ok_or_else(|| Error::internal("COUNT gave no row"))?;
    let count: i64 = row.try_get("", "runs")?;
    u64::try_from(count).map_err(Error::internal)
}
