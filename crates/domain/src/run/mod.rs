//! Runs.

mod access;
mod across;
mod changes;
mod commands;
mod display_name;
mod documents;
mod due;
mod edits;
mod fields;
mod grouping;
mod groups;
mod listing;
mod moves;
mod prefix;
mod queries;
mod segments;
mod sort_key;
mod state;
mod submit;
mod upsert;

pub use self::across::{Across, list_across};
pub use self::changes::{Changes, list_changes};
pub use self::commands::{Stopped, crash_stale, request_state, stop};
pub(crate) use self::display_name::run_id as invent_id;
pub use self::documents::Document;
pub(crate) use self::documents::{add_keys, inherit_summary, merge_summary, take as take_documents};
pub use self::due::Since;
pub(crate) use self::due::{Due, DuePlace, list_due, meant_by};
pub(crate) use self::edits::apply as edit;
pub use self::edits::{GroupEdit, RunEdit};
pub use self::fields::{FieldSource, TypeCounts, count_types, list_fields};
pub use self::grouping::{Aggregate, GroupValue, Grouping, RunGroup};
pub use self::groups::list_groups;
pub use self::listing::{count, list};
pub(crate) use self::moves::apply as move_to;
pub use self::queries::{
    find, find_by_id, find_by_path, find_including_deleted, get_documents, get_many, list_trash, resolve,
    resolve_to_write,
};
pub(crate) use self::queries::{
    find_many_including_deleted, hold, hold_reachable, load_apart_from_project, load_for_update, path_of,
};
pub use self::state::{Lifecycle, RunState, Tags, ValueScope};
pub use self::submit::{Once, forget_submissions, submit};
pub use self::upsert::{Upsert, Upserted, upsert};
#[cfg(test)]
pub(crate) use self::{access::Access, listing::list_by, segments::Listing};
pub use crate::entity::run::Model as Run;
pub use crate::entity::run_document::Model as RunDocument;
