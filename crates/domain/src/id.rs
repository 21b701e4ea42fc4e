//! Typed ids and their GraphQL form.
//!
//! The client treats ids as opaque strings but parses some of them back to integers, so a global id is the
//! base64 of `Type:<int>` (protocol reference, "Identity and naming").

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sea_orm::DeriveValueType;
use serde::{Deserialize, Serialize};

macro_rules! define_id {
    ($(#[$doc:meta])* $name:ident, $node:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// The type's name inside a global id.
            pub const NODE_TYPE: &'static str = $node;

            /// The opaque id that GraphQL shows.
            pub fn to_node_id(self) -> String {
                STANDARD.encode(format!(concat!($node, ":{}"), self.0))
            }

            /// Reads a global id; `None` when it is not one of this type.
            pub fn from_node_id(text: &str) -> Option<Self> {
                let decoded = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
                let (node, number) = decoded.split_once(':')?;
                if node != $node {
                    return None;
                }
                number.parse().ok().filter(|id| *id > 0).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

define_id!(
    /// A name that owns projects: a user's personal entity, a team, an organization.
    EntityId,
    "Entity"
);
define_id!(
    /// Consecutive lines of a run's history, at rest.
    SegmentId,
    "HistorySegment"
);
define_id!(
    /// A person or service that signs in.
    UserId,
    "User"
);
define_id!(
    /// Teams that share registries.
    OrganizationId,
    "Organization"
);
define_id!(
    /// Someone who is to belong to a team once they are a user.
    InviteId,
    "Invite"
);
define_id!(
    /// An API key's row, never its secret.
    ApiKeyId,
    "ApiKey"
);
define_id!(
    /// A project within an entity.
    ProjectId,
    "Project"
);
define_id!(
    /// The storage id of a run. The run id that users see is its name.
    RunId,
    "Run"
);
define_id!(
    /// A file of a run.
    FileId,
    "File"
);
define_id!(
    /// An alert of a run.
    AlertId,
    "Alert"
);
define_id!(
    /// Bytes in the object store.
    BlobId,
    "Blob"
);
define_id!(
    /// A job in the queue.
    JobId,
    "Job"
);
define_id!(
    /// A kind of artifact within a project.
    ArtifactTypeId,
    "ArtifactType"
);
define_id!(
    /// A name under which versions of an artifact are found.
    CollectionId,
    "ArtifactCollection"
);
define_id!(
    /// A tag of a collection.
    CollectionTagId,
    "ArtifactCollectionTag"
);
define_id!(
    /// One version of an artifact.
    ArtifactId,
    "Artifact"
);
define_id!(
    /// A tag of a version.
    ArtifactTagId,
    "ArtifactTag"
);
define_id!(
    /// A version's place in a collection.
    MembershipId,
    "ArtifactCollectionMembership"
);
define_id!(
    /// A name for one version of a collection.
    ArtifactAliasId,
    "ArtifactAlias"
);
define_id!(
    /// A list of files that a writer sent for a version.
    ManifestId,
    "ArtifactManifest"
);
define_id!(
    /// A file of a version.
    EntryId,
    "ArtifactFile"
);
define_id!(
    /// A file that was announced for a version.
    UploadId,
    "ArtifactUpload"
);
define_id!(
    /// That a run made or used a version.
    RunArtifactId,
    "RunArtifact"
);

define_id!(
    /// Something that was done.
    AuditEntryId,
    "AuditEntry"
);
define_id!(
    /// That something must not be deleted.
    HoldId,
    "Hold"
);

define_id!(
    /// What goes by itself.
    RetentionRuleId,
    "RetentionRule"
);

define_id!(
    /// A search for parameters.
    SweepId,
    "Sweep"
);
define_id!(
    /// What starts runs of a sweep on a machine.
    AgentId,
    "Agent"
);
define_id!(
    /// A run that an agent was given.
    SweepRunId,
    "SweepRun"
);

impl ProjectId {
    /// `Project.internalId`: the client decodes it and takes the integer.
    pub fn to_internal_id(self) -> String {
        STANDARD.encode(format!("ProjectInternalId:{}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_id_reads_back_only_as_its_own_type() {
        let id = RunId(42).to_node_id();
        assert_eq!(id, "UnVuOjQy");
        assert_eq!(RunId::from_node_id(&id), Some(RunId(42)));
        assert_eq!(FileId::from_node_id(&id), None);
    }

    #[test]
    fn what_is_not_an_id_is_none() {
        for text in ["", "42", "UnVu", "!!", &STANDARD.encode("Run:"), &STANDARD.encode("Run:-3")] {
            assert_eq!(RunId::from_node_id(text), None, "{text}");
        }
    }
}
