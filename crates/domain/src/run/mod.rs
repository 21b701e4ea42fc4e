//! Runs.

mod commands;
mod display_name;
mod documents;
mod listing;
mod queries;
mod sort_key;
mod state;
mod upsert;

pub use self::commands::{crash_stale, request_state, stop};
pub use self::documents::Document;
pub(crate) use self::documents::{add_keys, set_summary, set_system_metrics};
pub use self::listing::{count, list};
pub use self::queries::{
    find, find_by_id, find_including_deleted, get_documents, get_many, list_trash, resolve,
};
pub(crate) use self::queries::{hold, load_for_update, path_of};
pub use self::state::{Lifecycle, RunState, Tags, ValueScope};
pub use self::upsert::{Upsert, Upserted, upsert};
pub use crate::entity::run::Model as Run;
pub use crate::entity::run_document::Model as RunDocument;
