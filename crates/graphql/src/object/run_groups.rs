//! Groups of runs, and the values of a field.

use async_graphql::{Context, Enum, SimpleObject};
use serde_json::Value;

use counterweight_domain::filter::RunFilter;
use counterweight_domain::project::Project;
use counterweight_domain::run::{self, Aggregate, GroupValue, Grouping};

use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::scalars::{Int64, Json, JsonString};

/// What it costs to look at every run of a project.
const SCAN: usize = 5_000;

/// A page of groups.
#[derive(SimpleObject)]
pub(crate) struct RunGroupConnection {
    /// One for each group.
    edges: Vec<RunGroupEdge>,
    /// Where the page ends.
    page_info: PageInfo,
}

/// A group in a list.
#[derive(SimpleObject)]
struct RunGroupEdge {
    /// The group.
    node: RunGroup,
    /// Its place in the list.
    cursor: String,
}

/// Runs that agree on every key.
#[derive(SimpleObject)]
struct RunGroup {
    /// On what they agree, in the order of `groupBy`.
    keys: Vec<RunGroupKey>,
    /// How many runs.
    run_count: Int64,
    /// The filter that means exactly these runs: for `runs`, or for groups within this one.
    filters: JsonString,
    /// In the order of `aggregations`.
    aggregates: Vec<RunAggregate>,
}

/// What the runs of a group have at a field.
#[derive(SimpleObject)]
struct RunGroupKey {
    /// As it was asked for.
    field: String,
    /// What kind of value it is.
    #[graphql(name = "type")]
    kind: RunValueType,
    /// The value, a string cut to 256 characters; null for a missing one and for objects.
    value: Option<Json>,
}

/// What the numbers of a group's runs come to.
#[derive(SimpleObject)]
struct RunAggregate {
    /// As it was asked for.
    field: String,
    /// Runs that have a number there; the rest is of these.
    count: Int64,
    /// The lowest.
    min: Option<f64>,
    /// The highest.
    max: Option<f64>,
    /// All together; none where one is beyond 1e300.
    sum: Option<f64>,
    /// The sum divided by the count.
    mean: Option<f64>,
}

/// Kinds of values.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
enum RunValueType {
    /// A number.
    Number,
    /// A string.
    String,
    /// A truth value.
    Boolean,
    /// An object or a list.
    Object,
    /// None, or null.
    Missing,
}

/// What a page of groups costs.
pub(crate) fn cost(first: Option<i32>, child: usize) -> usize {
    connection::cost(first, child).saturating_add(SCAN)
}

impl RunGroupConnection {
    /// A page of the groups of a project's runs.
    pub(crate) async fn page(
        ctx: &Context<'_>,
        project: &Project,
        filter: &RunFilter,
        grouping: &Grouping,
        first: Option<i32>,
        after: Option<&str>,
    ) -> Result<Self> {
        let wanted = connection::page_size(first)?;
        let db = &ctx.request()?.db;
        let page = run::list_groups(db, project, filter, grouping, wanted, after).await.or_graphql()?;
        let edge =
            |(group, cursor)| Ok(RunGroupEdge { node: RunGroup::new(filter, grouping, group)?, cursor });
        let edges = page.items.into_iter().map(edge).collect::<Result<Vec<_>>>()?;
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Ok(Self { edges, page_info: PageInfo { end_cursor, has_next_page: page.has_next } })
    }
}

impl RunGroup {
    fn new(filter: &RunFilter, grouping: &Grouping, group: run::RunGroup) -> Result<Self> {
        let filters = JsonString(grouping.filter_of(filter, &group));
        let run::RunGroup { values, run_count, aggregates } = group;
        let keys = grouping.keys().zip(values).map(|(field, value)| RunGroupKey::new(field, value));
        let aggregates = grouping.aggregations().zip(&aggregates);
        Ok(Self {
            keys: keys.collect::<Result<_>>()?,
            run_count: Int64(run_count),
            filters,
            aggregates: aggregates.map(|(field, of)| RunAggregate::new(field, of)).collect(),
        })
    }
}

impl RunGroupKey {
    fn new(field: &str, value: GroupValue) -> Result<Self> {
        let (kind, value) = match value {
            GroupValue::Number(number) => (RunValueType::Number, Some(Value::from(number))),
            GroupValue::Text(text) => (RunValueType::String, Some(text.into())),
            GroupValue::Bool(bool) => (RunValueType::Boolean, Some(bool.into())),
            GroupValue::Container => (RunValueType::Object, None),
            GroupValue::Missing => (RunValueType::Missing, None),
        };
        Ok(Self { field: field.to_owned(), kind, value: value.as_ref().map(Json::of).transpose()? })
    }
}

impl RunAggregate {
    fn new(field: &str, of: &Aggregate) -> Self {
        let Aggregate { count, min, max, sum } = *of;
        Self { field: field.to_owned(), count: Int64(count), min, max, sum, mean: of.mean() }
    }
}
