//! Artifacts: types, collections, their versions, the files of these, and which runs made or used them.
//!
//! A version is `pending` while its files arrive, `committed` once all of them are there, `deleted` when it is gone from
//! every lookup. It has a place (a membership) in the sequence that it was made in and in each portfolio that it is
//! linked to; aliases are names of such places.

mod aliases;
mod collections;
mod commit;
mod content;
mod create;
mod delete;
#[cfg(test)]
mod delete_tests;
mod digest;
mod due;
mod expire;
mod filter;
mod lineage;
mod links;
mod listing;
mod manifest;
mod manifests;
mod name;
mod parts;
mod places;
mod queries;
mod state;
mod tags;
mod trash;
mod ttl;
mod types;
mod update;
mod uploads;

pub use self::aliases::{AliasChange, add_aliases, delete_aliases, protect_aliases};
pub use self::collections::{
    CollectionEdit, edit_collection, find_collection, get_collection, get_collections, move_sequence,
};
pub(crate) use self::collections::{bury_collection, hold_to_clean, hold_to_delete};
pub use self::commit::commit;
pub use self::content::{ContentPath, content_by_digest, content_of_entity};
pub use self::create::{NewArtifact, create, find_by_client_id};
pub use self::delete::purge_step;
pub(crate) use self::delete::{
    Which, check_unnamed, hold_to_put_away, of_sequence, purge, purge_of_project, put_away,
};
pub use self::digest::ContentDigest;
pub(crate) use self::due::{DueVersion, DueVersionPlace, DueVersions, made_to_last};
pub(crate) use self::expire::hold_unkept;
pub use self::expire::{expire_pending, expire_versions};
pub use self::filter::{
    CollectionField, ProjectField, VersionField, parse_collection_order, parse_collections, parse_projects,
    parse_version_order, parse_versions,
};
pub use self::lineage::{Use, count_of_run, list_of_run, list_users, use_artifact};
pub use self::links::{Link, Portfolio, link, unlink};
pub use self::listing::{
    CollectionQuery, Place, PlacesIn, count_collections, count_places, list_collections, list_places,
};
pub use self::manifest::MOST_BYTES as MOST_MANIFEST_BYTES;
pub use self::manifests::{
    NewManifest, begin_manifest_upload, create_manifest, finish_manifest_upload, get_current_manifests,
    manifest_content, update_manifest,
};
pub use self::name::{Aliases, RequestedAlias, VersionName, split_name};
pub use self::parts::{Multipart, PartTarget, abort_parts, begin_part, begin_parts, complete_parts};
pub(crate) use self::places::{Made, NamedPlace, made_by, places_of};
pub(crate) use self::queries::find_to_write;
pub use self::queries::{
    Alias, EntryFile, FileQuery, entry_content, find, find_membership, get_aliases, get_links, get_many,
    get_source_memberships, list_aliases, list_entries, list_memberships_of,
};
pub use self::state::{
    ArtifactRole, ArtifactState, CollectionKind, CollectionState, DigestAlgorithm, ManifestKind,
};
pub use self::tags::{change_collection_tags, change_tags, get_collection_tags, get_tags};
pub use self::trash::{Restored, Trashed, list_trash};
pub(crate) use self::trash::{bring_back, forget_places, restorable};
pub use self::ttl::{Ttl, set_entity_ttl};
pub use self::types::{ensure_type, find_type, get_types, list_types};
pub use self::update::{Edit, update};
pub use self::uploads::{Announced, FileSpec, announce_files, begin_upload, finish_upload};
pub use crate::entity::artifact::Model as Artifact;
pub use crate::entity::artifact_collection::Model as Collection;
pub use crate::entity::artifact_collection_tag::Model as CollectionTag;
pub use crate::entity::artifact_manifest::Model as StoredManifest;
pub use crate::entity::artifact_membership::Model as Membership;
pub use crate::entity::artifact_tag::Model as ArtifactTag;
pub use crate::entity::artifact_type::Model as ArtifactType;
pub(crate) use crate::entity::artifact_upload::Model as StoredUpload;
