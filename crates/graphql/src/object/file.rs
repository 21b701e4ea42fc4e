//! Files of runs.

use std::collections::{HashMap, HashSet};

use async_graphql::{Context, ID, Object, SimpleObject};
use serde::Serialize;

use counterweight_domain as domain;
use counterweight_domain::account::Role;
use counterweight_domain::file::{self, FileName, FileQuery, Grant};
use counterweight_domain::id::RunId;

use super::artifact::Artifact;
use super::artifact_file::{ArtifactFile, UploadMultipartUrls};
use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::loaders::{FileCount, FilePage, RoleIn};
use crate::scalars::{DateTime, Int64};

/// A file.
pub(crate) enum File {
    /// Of a run.
    Run(Box<RunFile>),
    /// Of a version of an artifact.
    Artifact(Box<ArtifactFile>),
}

/// A file of a run; or only its name, when it was asked for by name and nothing was uploaded yet.
pub(crate) struct RunFile {
    pub(crate) run: domain::run::Run,
    pub(crate) name: String,
    pub(crate) stored: Option<file::File>,
}

/// A page of files.
#[derive(SimpleObject)]
pub(crate) struct FileConnection {
    /// One for each file.
    edges: Vec<FileEdge>,
    /// Where the page ends.
    page_info: PageInfo,
    /// How many files the run has.
    total_count: Option<i32>,
    /// Headers to send with uploads, `Name:value`. None are needed.
    upload_headers: Option<Vec<String>>,
}

/// A file in a list.
#[derive(SimpleObject)]
struct FileEdge {
    /// The file.
    node: File,
    /// Its place in the list.
    cursor: String,
}

/// The client asks older servers for the files of one upload, some hundreds at most.
const MOST_NAMES: usize = 1000;

impl FileConnection {
    /// A page of a run's files, by name.
    pub(crate) async fn page(
        ctx: &Context<'_>,
        run: &domain::run::Run,
        pattern: Option<String>,
        after: Option<&str>,
        first: Option<i32>,
    ) -> Result<Self> {
        let list = format!("files of run {}", run.id);
        let limit = connection::page_size(first)?;
        let after = connection::decode(&list, after)?;
        let pattern = pattern.filter(|pattern| !pattern.is_empty());
        let wanted = FileQuery { names: Vec::new(), pattern, after };
        let (rows, has_next_page) = connection::cut(load(ctx, run, wanted, limit + 1).await?, limit);
        let files = rows.into_iter().map(|row| File::stored(run, row));
        let edges =
            files.map(|file| FileEdge::new(&list, &file.path().to_owned(), file)).collect::<Result<_>>()?;
        Self::new(ctx, run, edges, has_next_page).await
    }

    /// A page of these files of a run, whether they are there or not.
    pub(crate) async fn named(
        ctx: &Context<'_>,
        run: &domain::run::Run,
        names: Vec<String>,
        after: Option<&str>,
        first: Option<i32>,
    ) -> Result<Self> {
        connection::at_most(MOST_NAMES, names.len(), "names")?;
        let list = format!("named files of run {}", run.id);
        let limit = connection::page_size(first)?;
        let start = connection::decode(&list, after)?.map_or(0, |last: usize| last.saturating_add(1));
        let mut seen = HashSet::new();
        let names = names.iter().map(|name| FileName::meant_by(name).to_owned());
        let names = names.filter(|name| seen.insert(name.clone()));
        let places = names.enumerate().skip(start).collect();
        let (places, has_next_page) = connection::cut(places, limit);
        let names = places.iter().map(|(_, name)| name.clone()).collect();
        let wanted = FileQuery { names, ..FileQuery::default() };
        let rows = load(ctx, run, wanted, limit).await?;
        let mut stored: HashMap<_, _> = rows.into_iter().map(|row| (row.name.clone(), row)).collect();
        let mut file = |name| match stored.remove(&name) {
            Some(row) => File::stored(run, row),
            None => File::announced(run, name),
        };
        let files = places.into_iter().map(|(place, name)| (place, file(name)));
        let edges = files.map(|(place, file)| FileEdge::new(&list, &place, file)).collect::<Result<_>>()?;
        Self::new(ctx, run, edges, has_next_page).await
    }

    /// A page of files of a version of an artifact.
    pub(crate) fn of_artifact(
        files: Vec<(String, ArtifactFile)>,
        has_next_page: bool,
        total_count: Option<i32>,
    ) -> Self {
        let edges: Vec<_> = files
            .into_iter()
            .map(|(cursor, file)| FileEdge { node: File::Artifact(Box::new(file)), cursor })
            .collect();
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        let page_info = PageInfo { end_cursor, has_next_page };
        Self { edges, page_info, total_count, upload_headers: Some(Vec::new()) }
    }

    async fn new(
        ctx: &Context<'_>,
        run: &domain::run::Run,
        edges: Vec<FileEdge>,
        has_next_page: bool,
    ) -> Result<Self> {
        let total_count = if ctx.look_ahead().field("totalCount").exists() {
            ctx.request()?.loader.load_one(FileCount(run.id)).await.or_graphql()?
        } else {
            None
        };
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Ok(Self {
            edges,
            page_info: PageInfo { end_cursor, has_next_page },
            total_count: total_count.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
            upload_headers: Some(Vec::new()),
        })
    }
}

async fn load(
    ctx: &Context<'_>,
    run: &domain::run::Run,
    wanted: FileQuery,
    limit: u64,
) -> Result<Vec<file::File>> {
    let page = FilePage { run: run.id, wanted, limit };
    Ok(ctx.request()?.loader.load_one(page).await.or_graphql()?.unwrap_or_default())
}

impl FileEdge {
    fn new(list: &str, at: &impl Serialize, node: File) -> Result<Self> {
        Ok(Self { node, cursor: connection::encode(list, at)? })
    }
}

impl File {
    /// A stored file.
    pub(crate) fn stored(run: &domain::run::Run, stored: file::File) -> Self {
        let (run, name) = (run.clone(), stored.name.clone());
        Self::Run(Box::new(RunFile { run, name, stored: Some(stored) }))
    }

    /// A name under which something may be uploaded.
    pub(crate) fn announced(run: &domain::run::Run, name: String) -> Self {
        Self::Run(Box::new(RunFile { run: run.clone(), name, stored: None }))
    }

    fn path(&self) -> &str {
        match self {
            Self::Run(file) => &file.name,
            Self::Artifact(file) => &file.name,
        }
    }
}

impl RunFile {
    /// None for who may only read.
    async fn upload(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        FileName::parse("name", &self.name).or_graphql()?;
        let request = ctx.request()?;
        let role = request.loader.load_one(RoleIn(self.run.project_id)).await.or_graphql()?;
        if !role.is_some_and(Role::may_write) {
            return Ok(None);
        }
        let grant = Grant::Upload { run_id: self.run.id, name: self.name.clone() };
        request.links.signed(&grant).or_graphql().map(Some)
    }

    /// Where to get it when signed in. Of a run that only an administrator's rights show, the URL authorises itself: not
    /// every client claims them again when it downloads.
    async fn lasting(&self, ctx: &Context<'_>) -> Result<String> {
        let request = ctx.request()?;
        let project = request.loader.load_one(self.run.project_id).await.or_graphql()?;
        let project =
            project.ok_or_else(|| domain::Error::internal("a run without its project")).or_graphql()?;
        let by_privilege = request.caller.reaches_all() && project.entity_id != request.caller.entity_id;
        if let Some(stored) = self.stored.as_ref().filter(|_| by_privilege) {
            return request.links.signed(&Grant::Download { file_id: stored.id }).or_graphql();
        }
        Ok(request.links.file(&project.entity_name, &project.name, &self.run.name, &self.name))
    }

    fn node_id(&self) -> String {
        match &self.stored {
            Some(stored) => stored.id.to_node_id(),
            None => format!("{}/{}", RunId::to_node_id(self.run.id), self.name),
        }
    }

    async fn direct(&self, ctx: &Context<'_>) -> Result<String> {
        match &self.stored {
            Some(stored) => ctx.request()?.links.signed(&Grant::Download { file_id: stored.id }).or_graphql(),
            None => self.lasting(ctx).await,
        }
    }
}

#[Object]
impl File {
    /// Global id.
    async fn id(&self) -> ID {
        match self {
            Self::Run(file) => file.node_id().into(),
            Self::Artifact(file) => file.id.clone(),
        }
    }

    /// Its name, with forward slashes.
    async fn name(&self) -> &str {
        self.path()
    }

    /// Its name.
    async fn display_name(&self) -> &str {
        self.path()
    }

    /// Where to get it when signed in; with `upload`, where to put it.
    async fn url(&self, ctx: &Context<'_>, upload: Option<bool>) -> Result<Option<String>> {
        match self {
            Self::Run(file) if upload == Some(true) => file.upload(ctx).await,
            Self::Run(file) => file.lasting(ctx).await.map(Some),
            Self::Artifact(file) if upload == Some(true) => file.upload(ctx),
            Self::Artifact(file) => file.direct(ctx).map(Some),
        }
    }

    /// Where to get it without signing in, for a while. For a reference, what it refers to.
    async fn direct_url(&self, ctx: &Context<'_>) -> Result<String> {
        match self {
            Self::Run(file) => file.direct(ctx).await,
            Self::Artifact(file) => file.direct(ctx),
        }
    }

    /// Its size.
    async fn size_bytes(&self) -> Int64 {
        Int64(match self {
            Self::Run(file) => file.stored.as_ref().map_or(0, |stored| stored.size_bytes),
            Self::Artifact(file) => file.size_bytes,
        })
    }

    /// Guessed from its name.
    async fn mimetype(&self) -> String {
        mime_guess::from_path(self.path()).first_or_octet_stream().to_string()
    }

    /// When its bytes last changed; none while nothing was uploaded.
    async fn updated_at(&self) -> Option<DateTime> {
        match self {
            Self::Run(file) => file.stored.as_ref().map(|stored| DateTime(stored.updated_at)),
            Self::Artifact(file) => file.updated_at.map(DateTime),
        }
    }

    /// MD5 of its bytes in base64.
    async fn md5(&self) -> Option<&str> {
        match self {
            Self::Run(file) => file.stored.as_ref()?.md5.as_deref(),
            Self::Artifact(file) => file.md5.as_deref(),
        }
    }

    /// Of a run's file the MD5; of an artifact's what its manifest says.
    async fn digest(&self) -> Option<&str> {
        match self {
            Self::Run(file) => file.stored.as_ref()?.md5.as_deref(),
            Self::Artifact(file) => file.digest.as_deref(),
        }
    }

    /// What the server calls it while it is uploaded in parts.
    async fn storage_path(&self) -> Option<String> {
        match self {
            Self::Run(_) => None,
            Self::Artifact(file) => file.storage_path(),
        }
    }

    /// Where to put it, for a while, without signing in; none for bytes that are here already.
    async fn upload_url(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        match self {
            Self::Run(file) => file.upload(ctx).await,
            Self::Artifact(file) => file.upload(ctx),
        }
    }

    /// Headers to send with an upload, `Name:value`. None are needed.
    async fn upload_headers(&self) -> Vec<String> {
        Vec::new()
    }

    /// Where to put its parts, where it is uploaded in parts.
    async fn upload_multipart_urls(&self, ctx: &Context<'_>) -> Result<Option<UploadMultipartUrls>> {
        match self {
            Self::Run(_) => Ok(None),
            Self::Artifact(file) => file.parts(ctx),
        }
    }

    /// The version that it is a file of. The client writes it into manifests; what is stored is found by its digest.
    async fn artifact(&self, ctx: &Context<'_>) -> Result<Option<Artifact>> {
        match self {
            Self::Run(_) => Ok(None),
            Self::Artifact(file) => file.version(ctx).await,
        }
    }
}
