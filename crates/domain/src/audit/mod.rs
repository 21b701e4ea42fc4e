//! What was done to things that people may miss, in a chain that shows when it was tampered with.
//!
//! A verb records an entry in its own transaction, unsealed: a place in the chain is given by a job, since writers that
//! each took the next one would queue behind one another.

mod chain;
mod export;
mod queries;
mod record;
mod seal;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use sea_orm::{DeriveActiveEnum, DeriveValueType, EnumIter};
use serde::{Deserialize, Serialize};

pub use self::chain::{Checked, Fault, SealedEntry, verify};
pub(crate) use self::chain::{check_hash, parse};
pub use self::export::Export;
pub use self::queries::{EntryQuery, list};
pub(crate) use self::record::{Act, Topic, record};
pub use self::seal::seal;
pub use crate::entity::audit_entry::Model as AuditEntry;
use crate::id::{ArtifactId, BlobId, CollectionId, ProjectId, RunId};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Action {
    /// Taken out of the listings.
    Archive,
    /// Listed again.
    Unarchive,
    /// Deleted by somebody.
    Delete,
    /// Brought back from the trash.
    Restore,
    /// Held.
    Hold,
    /// Released.
    Release,
    /// Its rows were removed.
    Purge,
    /// Deleted by a deadline.
    Expire,
    /// A version was taken out of a portfolio.
    Unlink,
    /// Aliases were taken away from a version.
    Unalias,
    /// Rows of a history were cut off.
    Rewind,
    /// Bytes were removed from the store.
    Remove,
    /// All of a deletion is gone.
    Receipt,
}

/// What something was done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum SubjectKind {
    /// A run.
    Run,
    /// A version of an artifact.
    Artifact,
    /// A collection of versions.
    Collection,
    /// A project.
    Project,
    /// An object in the store.
    Blob,
}

impl SubjectKind {
    /// The global id of the one that has this storage id.
    pub fn node_id(self, id: i64) -> String {
        match self {
            Self::Run => RunId(id).to_node_id(),
            Self::Artifact => ArtifactId(id).to_node_id(),
            Self::Collection => CollectionId(id).to_node_id(),
            Self::Project => ProjectId(id).to_node_id(),
            Self::Blob => BlobId(id).to_node_id(),
        }
    }

    /// What a global id means.
    pub fn of_node_id(text: &str) -> Option<(Self, i64)> {
        let run = RunId::from_node_id(text).map(|id| (Self::Run, id.0));
        run.or_else(|| ArtifactId::from_node_id(text).map(|id| (Self::Artifact, id.0)))
            .or_else(|| CollectionId::from_node_id(text).map(|id| (Self::Collection, id.0)))
            .or_else(|| ProjectId::from_node_id(text).map(|id| (Self::Project, id.0)))
            .or_else(|| BlobId::from_node_id(text).map(|id| (Self::Blob, id.0)))
    }
}

/// How many of what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, DeriveValueType)]
#[serde(transparent)]
#[sea_orm(value_type = "String")]
pub struct Counts(pub BTreeMap<String, i64>);

impl Counts {
    /// These.
    pub(crate) fn of(counts: &[(&str, i64)]) -> Self {
        Self(counts.iter().map(|(what, many)| ((*what).to_owned(), *many)).collect())
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        serde_json::to_string(self).map_err(|_| fmt::Error)?.fmt(f)
    }
}

impl FromStr for Counts {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}
