//! Nouns, rules, verbs and SQL of Counterweight. Knows neither GraphQL nor HTTP.

pub mod account;
pub mod alert;
pub mod artifact;
pub mod audit;
pub mod blob;
pub mod bulk;
pub mod clock;
pub mod collector;
pub mod db;
pub mod deletion;
mod entity;
mod error;
pub mod file;
pub mod filter;
pub mod history;
pub mod hold;
pub mod id;
pub mod job;
pub mod json;
pub mod project;
pub mod receipt;
pub mod retention;
pub mod run;
pub mod sweep;
pub mod switch;
#[cfg(test)]
mod test_support;
pub mod usage;

#[cfg(test)]
extern crate self as counterweight_domain;

pub use clock::{Env, Timestamp};
pub use db::{Db, Source, WriteTx};
pub use error::{Cause, Error, Result, chain};
