//! GraphQL over HTTP, whatever the schema: what a request is, what a response looks like, which status it has.
//!
//! Follows the specification "GraphQL over HTTP" with two media types, and the `wandb` client where that goes further.

mod executor;
mod input_fields;
mod media;
mod request;
mod response;
mod tokens;

pub use self::executor::GraphQlExecutor;
pub use self::input_fields::InputFields;
pub use self::media::Media;
pub use self::request::GraphQlRequest;
pub use self::response::respond;
