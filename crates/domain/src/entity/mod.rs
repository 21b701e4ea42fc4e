//! The tables, one file each. Private: outside this crate nobody writes except through verbs.

#![expect(unreachable_pub, reason = "sea-orm's derives want public items; the module itself is private")]

pub(crate) mod agent;
pub(crate) mod alert;
pub(crate) mod api_key;
pub(crate) mod artifact;
pub(crate) mod artifact_alias;
pub(crate) mod artifact_collection;
pub(crate) mod artifact_collection_tag;
pub(crate) mod artifact_entry;
pub(crate) mod artifact_former_place;
pub(crate) mod artifact_manifest;
pub(crate) mod artifact_membership;
pub(crate) mod artifact_tag;
pub(crate) mod artifact_type;
pub(crate) mod artifact_upload;
pub(crate) mod audit_entry;
pub(crate) mod blob;
pub(crate) mod bulk_item;
pub(crate) mod bulk_task;
pub(crate) mod deletion;
pub(crate) mod deletion_item;
#[expect(clippy::module_inception, reason = "W&B's word for who owns projects; sea-orm's word for a table")]
pub(crate) mod entity;
pub(crate) mod held_job;
pub(crate) mod history_chunk;
pub(crate) mod history_rollup;
pub(crate) mod history_segment;
pub(crate) mod history_span;
pub(crate) mod history_stream;
pub(crate) mod hold;
pub(crate) mod invite;
pub(crate) mod job;
pub(crate) mod member;
pub(crate) mod organization;
pub(crate) mod project;
pub(crate) mod project_former_name;
pub(crate) mod project_member;
pub(crate) mod project_team_member;
pub(crate) mod protected_alias;
pub(crate) mod receipt;
pub(crate) mod receipt_item;
pub(crate) mod receipt_object;
pub(crate) mod run;
pub(crate) mod run_alias;
pub(crate) mod run_artifact;
pub(crate) mod run_change;
pub(crate) mod run_document;
pub(crate) mod run_file;
pub(crate) mod run_value;
pub(crate) mod schedule;
pub(crate) mod secret;
pub(crate) mod submission;
pub(crate) mod sweep;
pub(crate) mod sweep_run;
pub(crate) mod user;
