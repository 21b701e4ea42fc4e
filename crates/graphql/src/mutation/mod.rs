//! What can be changed.

mod alert;
mod artifact;
mod artifact_collection;
mod artifact_deletion;
mod artifact_edit;
mod artifact_file;
mod artifact_policy;
mod collector;
pub(crate) mod deletion;
mod file;
mod hold;
mod member;
mod organization;
mod project;
mod project_member;
pub(crate) mod retention;
mod rewind;
mod run;
mod run_data;
pub(crate) mod runs;
mod sweep;
mod team;
mod user;

use async_graphql::{MergedObject, SimpleObject};

/// That something was done.
#[derive(SimpleObject)]
struct SuccessPayload {
    /// Whether it was done.
    success: Option<bool>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

impl SuccessPayload {
    fn done(client_mutation_id: Option<String>) -> Self {
        Self { success: Some(true), client_mutation_id }
    }
}

/// The root of mutations, in groups: merged one by one, their types would nest deeper than the compiler goes.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(RunMutations, ProjectMutations, ArtifactMutations, AccountMutations);

#[derive(Debug, Default, MergedObject)]
struct RunMutations(
    run::RunMutation,
    runs::RunsMutation,
    run_data::RunDataMutation,
    rewind::RewindMutation,
    file::FileMutation,
    alert::AlertMutation,
    sweep::SweepMutation,
);

#[derive(Debug, Default, MergedObject)]
struct ProjectMutations(
    project::ProjectMutation,
    project_member::ProjectMemberMutation,
    deletion::DeletionMutation,
    hold::HoldMutation,
    retention::RetentionMutation,
);

#[derive(Debug, Default, MergedObject)]
struct ArtifactMutations(
    artifact::ArtifactMutation,
    artifact_file::ArtifactFileMutation,
    artifact_edit::ArtifactEditMutation,
    artifact_deletion::ArtifactDeletionMutation,
    artifact_collection::ArtifactCollectionMutation,
    artifact_policy::ArtifactPolicyMutation,
);

#[derive(Debug, Default, MergedObject)]
struct AccountMutations(
    user::UserMutation,
    team::TeamMutation,
    organization::OrganizationMutation,
    member::MemberMutation,
    collector::CollectorMutation,
);
