//! Holds: what an administrator wants kept, no verb and no deadline deletes.
//!
//! A hold on a run covers its files and its history; what it logged only where that is held itself. A hold on a version
//! covers it wherever it is linked to. A hold on a project covers all that is in it, and what is linked to it.

mod check;
mod commands;
mod paths;
mod queries;
#[cfg(test)]
mod tests;

use sea_orm::{DeriveActiveEnum, EnumIter};

pub(crate) use self::check::{
    Target, check, freeze, is_held, no_hold_on_run, no_hold_on_version, parks, reasons_of_runs,
    reasons_of_versions,
};
pub use self::commands::{hold, release};
pub use self::paths::get_paths;
pub(crate) use self::paths::source;
pub use self::queries::{find, get_active, list};
pub use crate::entity::hold::Model as Hold;
use crate::error::{Error, Result};
use crate::id::{ArtifactId, ProjectId, RunId};

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum HoldKind {
    /// A run, with its files and its history.
    Run,
    /// A version of an artifact.
    Artifact,
    /// A project, with all that is in it.
    Project,
}

/// Something that can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A run.
    Run(RunId),
    /// A version.
    Artifact(ArtifactId),
    /// A project.
    Project(ProjectId),
}

impl Subject {
    /// What it is.
    pub fn kind(self) -> HoldKind {
        match self {
            Self::Run(_) => HoldKind::Run,
            Self::Artifact(_) => HoldKind::Artifact,
            Self::Project(_) => HoldKind::Project,
        }
    }

    /// Its storage id.
    fn number(self) -> i64 {
        match self {
            Self::Run(id) => id.0,
            Self::Artifact(id) => id.0,
            Self::Project(id) => id.0,
        }
    }

    /// Its global id.
    pub fn to_node_id(self) -> String {
        match self {
            Self::Run(id) => id.to_node_id(),
            Self::Artifact(id) => id.to_node_id(),
            Self::Project(id) => id.to_node_id(),
        }
    }

    fn missing(self) -> Error {
        Error::not_found(self.kind().word(), self.to_node_id())
    }
}

impl HoldKind {
    /// What users call it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Artifact => "artifact",
            Self::Project => "project",
        }
    }
}

impl Hold {
    /// What it holds.
    pub fn subject(&self) -> Subject {
        match self.kind {
            HoldKind::Run => Subject::Run(RunId(self.subject_id)),
            HoldKind::Artifact => Subject::Artifact(ArtifactId(self.subject_id)),
            HoldKind::Project => Subject::Project(ProjectId(self.subject_id)),
        }
    }
}

/// Why something is held: words, and not too many.
fn check_reason(reason: &str) -> Result<()> {
    const MOST: usize = 1000;
    if !reason.trim().is_empty() && reason.chars().count() <= MOST {
        return Ok(());
    }
    Err(Error::invalid("REASON_INVALID", "reason", format!("a reason has 1 to {MOST} characters")))
}
