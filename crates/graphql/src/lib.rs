//! The GraphQL API: the client's schema, and ours on top of it. Knows neither SQL nor HTTP.

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

pub use context::RequestContext;
pub use links::Links;
pub use schema::{Schema, build, sdl};
