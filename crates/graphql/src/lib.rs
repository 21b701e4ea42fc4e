//! The GraphQL API: the client's schema, and ours on top of it. Knows neither SQL nor HTTP.

#![expect(clippy::used_underscore_binding, reason = "arguments that the client sends and nothing needs")]
#![expect(clippy::unused_async, reason = "resolvers are asynchronous, also those that wait for nothing")]

mod batches;
mod connection;
mod context;
mod error;
mod limits;
mod links;
mod loaders;
mod mutation;
mod object;
mod query;
mod scalars;
mod schema;
mod subscription;

pub use context::RequestContext;
pub use links::Links;
pub use schema::{Schema, build, sdl};
