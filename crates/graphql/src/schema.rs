//! The schema, put together.

use async_graphql::SchemaBuilder;

use crate::batches::RunBatches;
use crate::limits::Limits;
use crate::mutation::Mutation;
use crate::query::Query;
use crate::subscription::Subscription;

/// The schema that requests run against.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// Deeper than any document of the client, and than the introspection query of `GraphiQL`.
const DEPTH: usize = 20;
/// A page of 1 000 runs with every field fits several times.
pub(crate) const COMPLEXITY: usize = 200_000;

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription)
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
