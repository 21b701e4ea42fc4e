//! Files of runs.

use std::collections::HashSet;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::file::{self, FileName};
use counterweight_domain::id::{FileId, ProjectId};
use counterweight_domain::run;

use crate::connection::at_most;
use crate::context::{ContextExt as _, RequestContext};
use crate::error::{OrGraphql as _, Result};
use crate::object::File;

#[derive(Debug, Default)]
pub(super) struct FileMutation;

/// The client asks for at most some hundreds at once, and both databases take as many values in one statement.
const MOST_FILES: usize = 10_000;

/// Files about to be uploaded.
#[derive(InputObject)]
struct CreateRunFilesInput {
    /// The run's owner.
    entity_name: String,
    /// The run's project.
    project_name: String,
    /// The run id.
    run_name: String,
    /// Names, with forward slashes.
    files: Vec<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// Where to put them.
#[derive(SimpleObject)]
struct CreateRunFilesPayload {
    /// The run's global id.
    #[graphql(name = "runID")]
    run_id: ID,
    /// Headers to send with each upload, `Name:value`. None are needed.
    upload_headers: Vec<String>,
    /// One for each name, in their order.
    files: Vec<File>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// Files that were uploaded.
#[derive(InputObject)]
struct MarkRunFilesUploadedInput {
    /// The run's owner.
    entity_name: String,
    /// The run's project.
    project_name: String,
    /// The run id.
    run_name: String,
    /// Their names.
    files: Vec<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// Files noted.
#[derive(SimpleObject)]
struct MarkRunFilesUploadedPayload {
    /// Whether all of them are there.
    success: bool,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// Files to delete.
#[derive(InputObject)]
struct DeleteFilesInput {
    /// Their global ids.
    files: Vec<ID>,
    /// The number of their project; they must belong to it.
    project_id: Option<i32>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// Files deleted.
#[derive(SimpleObject)]
struct DeleteFilesPayload {
    /// Always true; what fails is an error.
    success: Option<bool>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

async fn find_run(
    request: &RequestContext,
    entity: &str,
    project: &str,
    name: &str,
    files: &[String],
) -> Result<run::Run> {
    at_most(MOST_FILES, files.len(), "files")?;
    run::resolve_to_write(&request.db, &request.caller, entity, project, name).await.or_graphql()
}

#[Object]
impl FileMutation {
    /// Hands out a URL for each file. A file appears once its bytes have arrived.
    async fn create_run_files(
        &self,
        ctx: &Context<'_>,
        input: CreateRunFilesInput,
    ) -> Result<Option<CreateRunFilesPayload>> {
        let CreateRunFilesInput { entity_name, project_name, run_name, files, client_mutation_id } = input;
        let found = find_run(ctx.request()?, &entity_name, &project_name, &run_name, &files).await?;
        for (index, name) in files.iter().enumerate() {
            FileName::parse(format!("files[{index}]"), name).or_graphql()?;
        }
        Ok(Some(CreateRunFilesPayload {
            run_id: found.id.to_node_id().into(),
            upload_headers: Vec::new(),
            files: files.into_iter().map(|name| File::announced(&found, name)).collect(),
            client_mutation_id,
        }))
    }

    /// Tells that files were uploaded. They are there since their bytes arrived; this only says whether all are.
    async fn mark_run_files_uploaded(
        &self,
        ctx: &Context<'_>,
        input: MarkRunFilesUploadedInput,
    ) -> Result<Option<MarkRunFilesUploadedPayload>> {
        let MarkRunFilesUploadedInput { entity_name, project_name, run_name, files, client_mutation_id } =
            input;
        let request = ctx.request()?;
        let found = find_run(request, &entity_name, &project_name, &run_name, &files).await?;
        let names: HashSet<String> = files.into_iter().collect();
        let wanted = names.len();
        let query = file::FileQuery { names: names.into_iter().collect(), ..file::FileQuery::default() };
        let there = file::list(&request.db, found.id, &query, MOST_FILES as u64).await.or_graphql()?;
        Ok(Some(MarkRunFilesUploadedPayload { success: there.len() == wanted, client_mutation_id }))
    }

    /// Deletes files. Their bytes go when nothing else refers to them.
    async fn delete_files(
        &self,
        ctx: &Context<'_>,
        input: DeleteFilesInput,
    ) -> Result<Option<DeleteFilesPayload>> {
        let request = ctx.request()?;
        let mut ids = Vec::with_capacity(input.files.len());
        for id in &input.files {
            let missing = || domain::Error::not_found("file", id.as_str());
            ids.push(FileId::from_node_id(id).ok_or_else(missing).or_graphql()?);
        }
        let project = input.project_id.map(|id| ProjectId(i64::from(id)));
        let tx = request.db.begin_write().await.or_graphql()?;
        file::delete(&tx, &request.caller, &ids, project).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(DeleteFilesPayload { success: Some(true), client_mutation_id: input.client_mutation_id }))
    }
}
