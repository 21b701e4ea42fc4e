//! Everything but the page: GraphQL and what the `wandb` client calls besides it.

pub mod artifacts;
mod download;
pub mod file_stream;
pub mod files;
pub mod graphql;
pub mod health;
pub mod jobs;
pub mod objects;
pub mod prometheus;
mod socket;
