//! What can be changed.

mod alert;
mod artifact;
mod artifact_collection;
mod artifact_edit;
mod deletion;
mod file;
mod project;
mod rewind;
mod run;
mod runs;

use async_graphql::MergedObject;

/// The root of mutations.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(
    run::RunMutation,
    runs::RunsMutation,
    deletion::DeletionMutation,
    file::FileMutation,
    project::ProjectMutation,
    alert::AlertMutation,
    rewind::RewindMutation,
    artifact::ArtifactMutation,
    artifact_edit::ArtifactEditMutation,
    artifact_collection::ArtifactCollectionMutation,
);
