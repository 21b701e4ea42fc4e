//! The keys that a project's runs have.

use std::collections::HashMap;

use async_graphql::{Context, Enum, Object, SimpleObject};

use counterweight_domain::filter::RunFilter;
use counterweight_domain::project::Project;
use counterweight_domain::run::{self, FieldSource, TypeCounts};

use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::scalars::Int64;

/// Which part of a run a key belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "FieldSource")]
pub(crate) enum RunFieldSource {
    /// The config.
    Config,
    /// The summary.
    Summary,
    /// The latest system metrics.
    System,
    /// What was logged.
    History,
}

/// A page of keys.
#[derive(SimpleObject)]
pub(crate) struct RunFieldConnection {
    /// One for each key.
    edges: Vec<RunFieldEdge>,
    /// Where the page ends.
    page_info: PageInfo,
}

/// A key in a list.
#[derive(SimpleObject)]
struct RunFieldEdge {
    /// The key.
    node: RunField,
    /// Its place in the list.
    cursor: String,
}

/// A key that a run has.
struct RunField {
    source: FieldSource,
    key: String,
    counts: TypeCounts,
}

/// How many runs have what at a key.
#[derive(SimpleObject)]
struct RunFieldCounts {
    /// Runs that have the key, whatever is there.
    runs: Int64,
    /// Runs with a number there.
    numbers: Int64,
    /// Runs with a string there.
    strings: Int64,
    /// Runs with a truth value there.
    booleans: Int64,
    /// Runs with an object or a list there.
    objects: Int64,
}

#[Object]
impl RunField {
    /// Without its source; what lies inside of an object has a dotted path.
    async fn key(&self) -> &str {
        &self.key
    }

    /// As filters, orders and groups spell it, such as `config.lr`.
    async fn field(&self) -> String {
        self.source.spell(&self.key)
    }

    /// How many of the runs that the filter means have what there. Counting reads the key's value of every run.
    #[graphql(complexity = "200")]
    async fn counts(&self) -> RunFieldCounts {
        let TypeCounts { runs, numbers, texts, bools, containers } = self.counts;
        RunFieldCounts {
            runs: Int64(runs),
            numbers: Int64(numbers),
            strings: Int64(texts),
            booleans: Int64(bools),
            objects: Int64(containers),
        }
    }
}

impl RunFieldConnection {
    /// A page of the keys of a project's runs.
    pub(crate) async fn page(
        ctx: &Context<'_>,
        project: &Project,
        filter: &RunFilter,
        (source, prefix): (FieldSource, &str),
        first: Option<i32>,
        after: Option<&str>,
    ) -> Result<Self> {
        let wanted = connection::page_size(first)?;
        let db = &ctx.request()?.db;
        let page = run::list_fields(db, project, filter, source, prefix, wanted, after).await.or_graphql()?;
        let mut counts = if ctx.look_ahead().field("edges").field("node").field("counts").exists() {
            let keys: Vec<_> = page.items.iter().map(|(key, _)| key.clone()).collect();
            run::count_types(db, project, filter, source, &keys).await.or_graphql()?
        } else {
            HashMap::new()
        };
        let edge = |(key, cursor): (String, String)| {
            let counts = counts.remove(&key).unwrap_or_default();
            RunFieldEdge { node: RunField { source, key, counts }, cursor }
        };
        let edges: Vec<_> = page.items.into_iter().map(edge).collect();
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Ok(Self { edges, page_info: PageInfo { end_cursor, has_next_page: page.has_next } })
    }
}
