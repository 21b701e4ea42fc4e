//! Which runs, and in which order: the client's Mongo-like filters and its order strings (protocol reference 5.6).
//!
//! Text becomes a tree (`parse`), the tree becomes SQL (`compile`) over the `run` table and the index of values
//! in `run_value` (`index`). `eval` answers the same questions on a plain document; the tests demand that both
//! databases agree with it.

mod ast;
mod candidates;
mod compile;
#[cfg(test)]
mod eval;
mod field;
pub(crate) mod index;
#[cfg(test)]
mod oracle_tests;
mod order;
mod parse;
mod pattern;
mod record;

pub(crate) use self::ast::Scalar;
pub(crate) use self::candidates::Candidates;
pub(crate) use self::compile::{Cell, Compiler, value_cells};
pub(crate) use self::field::{Column, Field, Kind};
pub use self::order::RunOrder;
pub use self::parse::RunFilter;
pub(crate) use self::parse::{FilterField, moment};
pub(crate) use self::record::{RecordField, Values};
pub use self::record::{RecordFilter, RecordOrder};
