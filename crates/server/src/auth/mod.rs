//! Who is calling.

mod cache;
mod credentials;
mod privileges;
mod requester;

pub use self::cache::{Answer, SignInCache};
pub use self::requester::Requester;
