//! What a signed URL allows its holder to do. Pure.

use serde::{Deserialize, Serialize};

use crate::id::{EntryId, FileId, ManifestId, RunId, SegmentId, UploadId};

/// The claim inside a token; the token adds expiry and signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "may", rename_all = "snake_case", deny_unknown_fields)]
pub enum Grant {
    /// Store bytes as this file of this run.
    Upload {
        /// The run.
        run_id: RunId,
        /// The file's name, already checked.
        name: String,
    },
    /// Read this file.
    Download {
        /// The file.
        file_id: FileId,
    },
    /// Read the columns of this part of a history.
    History {
        /// The part.
        segment_id: SegmentId,
    },
    /// Store the bytes of a file that was announced for a version of an artifact.
    UploadArtifactFile {
        /// The announcement.
        upload_id: UploadId,
    },
    /// Store one part of such a file.
    UploadPart {
        /// The announcement.
        upload_id: UploadId,
        /// Which part, from 1.
        number: u32,
    },
    /// Store the bytes of a manifest.
    UploadManifest {
        /// The manifest.
        manifest_id: ManifestId,
    },
    /// Read a file of a version of an artifact.
    ArtifactFile {
        /// The file.
        entry_id: EntryId,
    },
    /// Read a manifest.
    Manifest {
        /// The manifest.
        manifest_id: ManifestId,
    },
}
