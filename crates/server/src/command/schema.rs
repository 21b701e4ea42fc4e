use anyhow::Context as _;

use super::say;
use crate::graphql_http::GraphQlExecutor;

/// Prints the schema.
pub(super) fn run() -> anyhow::Result<()> {
    say(&counterweight_graphql::sdl())
}

/// The schema, ready to execute.
pub(super) fn executor() -> anyhow::Result<GraphQlExecutor> {
    GraphQlExecutor::new(counterweight_graphql::build(), &counterweight_graphql::sdl())
        .context("the schema does not parse")
}
