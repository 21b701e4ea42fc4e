//! What can be changed.

mod deletion;
mod file;
mod project;
mod run;

use async_graphql::MergedObject;

/// The root of mutations.
#[derive(MergedObject, Default)]
pub struct Mutation(run::RunMutation, deletion::DeletionMutation, file::FileMutation, project::ProjectMutation);
