//! What artifacts need.

use std::collections::HashMap;

use counterweight_domain::artifact::{
    self, Alias, Artifact, ArtifactTag, ArtifactType, Collection, CollectionTag, Membership, StoredManifest,
};
use counterweight_domain::id::{ArtifactId, ArtifactTypeId, CollectionId};

use super::{Loaded, Loader};

/// The aliases of a version, in all collections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AliasesOf(pub(crate) ArtifactId);

/// The tags of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TagsOf(pub(crate) ArtifactId);

/// The tags of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TagsOfCollection(pub(crate) CollectionId);

/// The place of a version in the sequence that it was made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SourcePlace(pub(crate) ArtifactId);

/// The places of a version in portfolios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LinksOf(pub(crate) ArtifactId);

/// The manifest of all files of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CurrentManifest(pub(crate) ArtifactId);

impl async_graphql::dataloader::Loader<ArtifactId> for Loader {
    type Value = Artifact;
    type Error = std::sync::Arc<counterweight_domain::Error>;

    async fn load(&self, ids: &[ArtifactId]) -> Loaded<ArtifactId, Artifact> {
        Ok(artifact::get_many(&self.db, ids).await?)
    }
}

impl async_graphql::dataloader::Loader<CollectionId> for Loader {
    type Value = Collection;
    type Error = std::sync::Arc<counterweight_domain::Error>;

    async fn load(&self, ids: &[CollectionId]) -> Loaded<CollectionId, Collection> {
        Ok(artifact::get_collections(&self.db, ids).await?)
    }
}

impl async_graphql::dataloader::Loader<ArtifactTypeId> for Loader {
    type Value = ArtifactType;
    type Error = std::sync::Arc<counterweight_domain::Error>;

    async fn load(&self, ids: &[ArtifactTypeId]) -> Loaded<ArtifactTypeId, ArtifactType> {
        Ok(artifact::get_types(&self.db, ids).await?)
    }
}

/// Loads by an id that is wrapped to say what of it is wanted.
macro_rules! load_of {
    ($key:ident, $id:ty, $value:ty, $load:path) => {
        impl async_graphql::dataloader::Loader<$key> for Loader {
            type Value = $value;
            type Error = std::sync::Arc<counterweight_domain::Error>;

            async fn load(&self, keys: &[$key]) -> Loaded<$key, $value> {
                let ids: Vec<$id> = keys.iter().map(|key| key.0).collect();
                let found: HashMap<$id, $value> = $load(&self.db, &ids).await?;
                Ok(found.into_iter().map(|(id, value)| ($key(id), value)).collect())
            }
        }
    };
}

load_of!(AliasesOf, ArtifactId, Vec<Alias>, artifact::get_aliases);
load_of!(TagsOf, ArtifactId, Vec<ArtifactTag>, artifact::get_tags);
load_of!(TagsOfCollection, CollectionId, Vec<CollectionTag>, artifact::get_collection_tags);
load_of!(SourcePlace, ArtifactId, Membership, artifact::get_source_memberships);
load_of!(LinksOf, ArtifactId, Vec<Membership>, artifact::get_links);
load_of!(CurrentManifest, ArtifactId, StoredManifest, artifact::get_current_manifests);
