//! GraphQL over HTTP, whatever the schema: what a request is, what a response looks like, which status it has; and what
//! is said on a connection that stays open.
//!
//! Follows the specification "GraphQL over HTTP" with two media types, and the `wandb` client where that goes further.

mod executor;
mod input_fields;
mod media;
pub mod protocol;
mod request;
mod response;
mod tokens;

pub use self::executor::GraphQlExecutor;
pub use self::input_fields::InputFields;
pub use self::media::Media;
pub use self::request::{GraphQlRequest, read};
pub use self::response::{message, respond};
