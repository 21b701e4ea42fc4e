//! Files of runs.

mod commands;
mod grant;
mod name;
mod queries;

pub use self::commands::{Matching, begin_upload, count_matching, delete, finish_upload};
pub(crate) use self::commands::{check_pattern, delete_matching};
pub use self::grant::Grant;
pub use self::name::FileName;
pub use self::queries::{File, FileQuery, count_many, find, get, list, list_many};
