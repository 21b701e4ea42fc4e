//! The program `counterweight`: routes, sign-in, settings, logs and commands around the other crates.
//!
//! [`router`] is the whole server without a socket, for tests.

pub mod auth;
mod base_url;
pub mod cli;
pub mod command;
pub mod config;
pub mod graphql_http;
pub mod lifecycle;
pub mod middleware;
mod path;
pub mod problem;
mod recent;
pub mod rest;
mod router;
mod run_paths;
pub mod seats;
mod state;
pub mod telemetry;
mod ui;

pub use self::base_url::BaseUrl;
pub use self::path::Path;
pub use self::router::router;
pub use self::run_paths::RunPaths;
pub use self::state::AppState;
