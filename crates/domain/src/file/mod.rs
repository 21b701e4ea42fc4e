//! Files of runs.

mod commands;
mod grant;
mod name;
mod queries;

pub use self::commands::{begin_upload, delete, finish_upload};
pub use self::grant::Grant;
pub use self::name::FileName;
pub use self::queries::{File, FileQuery, count_many, find, get, list, list_many};
