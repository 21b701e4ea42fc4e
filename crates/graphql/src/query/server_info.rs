//! What the server tells of itself (protocol reference 2.0).

use async_graphql::{Object, SimpleObject};
use serde_json::json;

use crate::error::Result;
use crate::scalars::Json;

/// What this server is and can do.
pub(crate) struct ServerInfo;

/// Whether there is a newer release.
#[derive(SimpleObject)]
struct LocalVersionInfo {
    /// Always false: the server asks nobody.
    out_of_date: bool,
    /// This version.
    latest_version_string: String,
    /// This version.
    version_on_this_instance_string: String,
}

/// An ability that the client asks about before it uses it.
#[derive(SimpleObject)]
struct ServerFeature {
    /// The client's name for it.
    name: String,
    /// Whether it is there.
    is_enabled: bool,
}

/// Abilities that are there; the client takes every other name as absent.
const FEATURES: &[&str] = &[
    "ARTIFACT_COLLECTIONS_FILTERING_SORTING",
    "ARTIFACT_COLLECTION_MEMBERSHIP_FILES",
    "ARTIFACT_COLLECTION_MEMBERSHIP_FILE_DOWNLOAD_HANDLER",
    "ARTIFACT_DIGEST_ALGORITHM",
    "ARTIFACT_MEMBERSHIP_IN_LINK_ARTIFACT_RESPONSE",
    "ARTIFACT_TAGS",
    "ARTIFACT_V2_DOWNLOAD_HANDLER_SUPPORTS_ARTIFACT_ID",
    "CLIENT_IDS",
    "LARGE_FILENAMES",
    "PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP",
    "STRUCTURED_CONSOLE_LOGS",
    "SWEEPS_QUERY_FILTERING",
    "TOTAL_COUNT_IN_FILE_CONNECTION",
    "USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION",
    "MARK_RUN_FILES_UPLOADED",
    "FILESTREAM_GZIP",
    "UPDATE_RUN_STATE",
    "ARTIFACT_REGISTRY_SEARCH",
    "INCLUDE_ARTIFACT_TYPES_IN_REGISTRY_CREATION",
];

#[Object]
impl ServerInfo {
    /// Client releases that may talk to this server. The upper bound is out of reach: the contract is the wire
    /// format, and a client older than the lower one does not speak it.
    async fn cli_version_info(&self) -> Result<Json> {
        Json::of(&json!({"min_cli_version": "0.10.0", "max_cli_version": "99.0.0"}))
    }

    /// Whether there is a newer release of this server.
    async fn latest_local_version_info(&self) -> LocalVersionInfo {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        LocalVersionInfo {
            out_of_date: false,
            latest_version_string: version.clone(),
            version_on_this_instance_string: version,
        }
    }

    /// Abilities, by the client's names.
    async fn features(&self) -> Vec<ServerFeature> {
        FEATURES.iter().map(|name| ServerFeature { name: (*name).to_owned(), is_enabled: true }).collect()
    }
}
