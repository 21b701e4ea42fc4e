//! Files of runs.

use async_graphql::{Context, ID, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::file::{self, FileName, FileQuery, Grant};
use counterweight_domain::id::RunId;

use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::loaders::{FileCount, FilePage};
use crate::scalars::{DateTime, Int64};

/// A file of a run; or only its name, when it was asked for by name and nothing was uploaded yet.
pub(crate) struct File {
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

impl FileConnection {
    /// A page of a run's files. Of `names`, also those that have no file, on the last page.
    pub(crate) async fn page(
        ctx: &Context<'_>,
        run: &domain::run::Run,
        names: Vec<String>,
        pattern: Option<String>,
        after: Option<&str>,
        first: Option<i32>,
    ) -> Result<Self> {
        let loader = &ctx.request()?.loader;
        let wanted = connection::page_size(first)?;
        let after: Option<String> = connection::decode("files", after)?;
        let missing_too = after.is_none();
        let query = FileQuery { names, pattern: pattern.filter(|pattern| !pattern.is_empty()), after };
        let page = FilePage { run: run.id, wanted: query, limit: wanted + 1 };
        let rows = loader.load_one(page.clone()).await.or_graphql()?.unwrap_or_default();
        let (rows, has_next_page) = connection::cut(rows, wanted);
        let mut files: Vec<File> = rows.into_iter().map(|row| File::stored(run, row)).collect();
        if missing_too && !has_next_page {
            for name in page.wanted.names {
                if !files.iter().any(|file| file.name == name) {
                    files.push(File::announced(run, name));
                }
            }
        }
        let mut edges = Vec::with_capacity(files.len());
        for node in files {
            let cursor = connection::encode("files", &node.name)?;
            edges.push(FileEdge { node, cursor });
        }
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        let total_count = if ctx.look_ahead().field("totalCount").exists() {
            loader.load_one(FileCount(run.id)).await.or_graphql()?
        } else {
            None
        };
        Ok(Self {
            edges,
            page_info: PageInfo { end_cursor, has_next_page },
            total_count: total_count.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
            upload_headers: Some(Vec::new()),
        })
    }
}

impl File {
    /// A stored file.
    pub(crate) fn stored(run: &domain::run::Run, stored: file::File) -> Self {
        Self { run: run.clone(), name: stored.name.clone(), stored: Some(stored) }
    }

    /// A name under which something may be uploaded.
    pub(crate) fn announced(run: &domain::run::Run, name: String) -> Self {
        Self { run: run.clone(), name, stored: None }
    }

    fn upload(&self, ctx: &Context<'_>) -> Result<String> {
        FileName::parse("name", &self.name).or_graphql()?;
        let grant = Grant::Upload { run_id: self.run.id, name: self.name.clone() };
        ctx.request()?.links.signed(&grant).or_graphql()
    }

    async fn lasting(&self, ctx: &Context<'_>) -> Result<String> {
        let request = ctx.request()?;
        let project = request.loader.load_one(self.run.project_id).await.or_graphql()?;
        let project =
            project.ok_or_else(|| domain::Error::internal("a run without its project")).or_graphql()?;
        Ok(request.links.file(&project.entity_name, &project.name, &self.run.name, &self.name))
    }
}

#[Object]
impl File {
    /// Global id.
    async fn id(&self) -> ID {
        match &self.stored {
            Some(stored) => stored.id.to_node_id().into(),
            None => format!("{}/{}", RunId::to_node_id(self.run.id), self.name).into(),
        }
    }

    /// Its name, with forward slashes.
    async fn name(&self) -> &str {
        &self.name
    }

    /// Its name.
    async fn display_name(&self) -> &str {
        &self.name
    }

    /// Where to get it when signed in; with `upload`, where to put it.
    async fn url(&self, ctx: &Context<'_>, upload: Option<bool>) -> Result<Option<String>> {
        if upload == Some(true) { self.upload(ctx).map(Some) } else { self.lasting(ctx).await.map(Some) }
    }

    /// Where to get it without signing in, for a while.
    async fn direct_url(&self, ctx: &Context<'_>) -> Result<String> {
        match &self.stored {
            Some(stored) => ctx.request()?.links.signed(&Grant::Download { file_id: stored.id }).or_graphql(),
            None => self.lasting(ctx).await,
        }
    }

    /// Its size.
    async fn size_bytes(&self) -> Int64 {
        Int64(self.stored.as_ref().map_or(0, |stored| stored.size_bytes))
    }

    /// Guessed from its name.
    async fn mimetype(&self) -> String {
        mime_guess::from_path(&self.name).first_or_octet_stream().to_string()
    }

    /// When its bytes last changed; none while nothing was uploaded.
    async fn updated_at(&self) -> Option<DateTime> {
        self.stored.as_ref().map(|stored| DateTime(stored.updated_at))
    }

    /// MD5 of its bytes in base64.
    async fn md5(&self) -> Option<&str> {
        self.stored.as_ref()?.md5.as_deref()
    }

    /// Same as `md5`.
    async fn digest(&self) -> Option<&str> {
        self.stored.as_ref()?.md5.as_deref()
    }

    /// Where to put it, for a while, without signing in.
    async fn upload_url(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        self.upload(ctx).map(Some)
    }

    /// Headers to send with an upload, `Name:value`. None are needed.
    async fn upload_headers(&self) -> Vec<String> {
        Vec::new()
    }
}
