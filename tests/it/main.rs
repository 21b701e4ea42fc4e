//! What the server does, seen from outside: the real router, a real database (`SQLite` and `PostgreSQL`), a clock that
//! stands still until it is moved.

mod file_stream;
mod files;
mod history;
mod run_states;
mod runs;
mod signed_urls;
mod slice;
mod support;
mod upload_faults;
