//! What the server does, seen from outside: the real router, a real database (`SQLite` and `PostgreSQL`), a clock that
//! stands still until it is moved.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::unchecked_time_subtraction, reason = "times of the tests, which do not run below zero")]

mod access;
mod alerts;
mod architecture;
mod artifact_content;
mod artifact_digests;
mod artifact_ends;
mod artifact_faults;
mod artifact_lists;
mod artifact_trash;
mod artifacts;
mod attribution;
mod audit;
mod buckets;
mod bulk;
mod changes;
mod collection;
mod collection_races;
mod collector;
mod deletion;
mod deletion_plans;
mod deletions;
mod disk;
mod distinct;
mod file_stream;
mod files;
mod graphql_http;
mod groups;
mod history;
mod holds;
mod ingest_model;
mod jobs;
mod limits;
mod plans;
mod projects;
mod receipts;
mod registries;
mod retention;
mod retention_model;
mod retention_rules;
mod rewind;
mod run_data;
mod run_states;
mod runs;
mod schema;
mod segment_faults;
mod segments;
mod sessions;
mod shared;
mod signed_urls;
mod slice;
mod sockets;
mod statements;
mod storage;
#[expect(dead_code, unused_imports, reason = "some of it is for the simulation")]
mod support;
mod sweeps;
mod teams;
mod things;
mod upgrade;
mod upload_faults;
