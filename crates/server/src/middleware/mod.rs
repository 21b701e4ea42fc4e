//! What happens to every request.

pub mod body;
mod request_id;
mod trace;

pub use self::request_id::{RequestId, assign as assign_request_id};
pub use self::trace::trace;
