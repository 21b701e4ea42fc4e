//! What can be changed.

mod deletion;
mod file;
mod project;
mod run;

use async_graphql::MergedObject;

/// The root of mutations.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(
    run::RunMutation,
    deletion::DeletionMutation,
    file::FileMutation,
    project::ProjectMutation,
);
