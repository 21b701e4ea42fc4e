//! The schema, put together.

use async_graphql::{EmptySubscription, SchemaBuilder};

use crate::batches::RunBatches;
use crate::limits::Limits;
use crate::mutation::Mutation;
use crate::query::Query;

/// The schema that requests run against.
pub type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// Deeper than any document of the client, and than the introspection query of `GraphiQL`.
const DEPTH: usize = 20;
/// A page of 1 000 runs with every field fits several times.
pub(crate) const COMPLEXITY: usize = 200_000;

fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
}

/// The schema with its limits. A request needs a [`crate::RequestContext`] in its data.
pub fn build() -> Schema {
    builder().limit_depth(DEPTH).limit_complexity(COMPLEXITY).extension(Limits).extension(RunBatches).finish()
}

/// The schema as text.
pub fn sdl() -> String {
    builder()
        .finish()
        .sdl_with_options(async_graphql::SDLExportOptions::new().sorted_fields().sorted_arguments())
}
