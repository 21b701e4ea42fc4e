//! Files of versions: stored ones, announced ones, and manifests.

use async_graphql::{Context, ID, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::Timestamp;
use counterweight_domain::artifact::{self, Announced, EntryFile, FileQuery, FileSpec, StoredManifest};
use counterweight_domain::file::Grant;
use counterweight_domain::id::{ArtifactId, UploadId};

use super::FileConnection;
use super::artifact::Artifact;
use super::file::File;
use crate::connection;
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::scalars::Int64;

/// Entries of a manifest in one answer: the client asks for 5 000.
pub(super) const MOST_ENTRIES: usize = 10_000;

/// A file of a version.
#[derive(Default)]
pub(crate) struct ArtifactFile {
    pub(super) id: ID,
    pub(super) name: String,
    pub(super) size_bytes: i64,
    pub(super) md5: Option<String>,
    pub(super) digest: Option<String>,
    pub(super) updated_at: Option<Timestamp>,
    read: Option<Read>,
    put: Option<Grant>,
    version: Option<ArtifactId>,
    parts: Option<(UploadId, u32)>,
}

/// Where a file's bytes are.
enum Read {
    /// Here, for who holds this.
    Here(Grant),
    /// Elsewhere.
    Reference(String),
}

/// Where the parts of a file are to be put.
#[derive(SimpleObject)]
pub(crate) struct UploadMultipartUrls {
    /// What the server calls the upload.
    #[graphql(name = "uploadID")]
    upload_id: String,
    /// One for each part.
    upload_url_parts: Vec<UploadUrlPart>,
}

/// Where one part is to be put.
#[derive(SimpleObject)]
struct UploadUrlPart {
    /// Its number, from 1.
    part_number: Int64,
    /// Where.
    upload_url: String,
}

/// The list of a version's files.
pub(crate) struct ArtifactManifest(pub(crate) StoredManifest);

#[Object]
impl ArtifactManifest {
    /// Global id.
    async fn id(&self) -> ID {
        self.0.id.to_node_id().into()
    }

    /// The file.
    async fn file(&self) -> File {
        File::Artifact(Box::new(ArtifactFile::manifest(&self.0)))
    }
}

impl From<EntryFile> for ArtifactFile {
    fn from(entry: EntryFile) -> Self {
        let read = match entry.reference {
            Some(reference) => Read::Reference(reference),
            None => Read::Here(Grant::ArtifactFile { entry_id: entry.id }),
        };
        Self {
            id: entry.id.to_node_id().into(),
            name: entry.path,
            size_bytes: entry.size_bytes,
            md5: entry.md5,
            digest: Some(entry.digest),
            updated_at: entry.stored_at,
            read: Some(read),
            put: None,
            version: Some(entry.artifact_id),
            parts: None,
        }
    }
}

impl ArtifactFile {
    /// A file that was announced: it is to be put, unless its bytes are here.
    pub(crate) fn announced(spec: &FileSpec, announced: &Announced) -> Self {
        let put = (!announced.stored).then_some(Grant::UploadArtifactFile { upload_id: announced.id });
        Self {
            id: announced.id.to_node_id().into(),
            name: spec.path.to_string(),
            md5: spec.md5.map(|md5| md5.to_string()),
            digest: Some(spec.digest.base64()),
            put,
            version: Some(spec.artifact),
            ..Self::default()
        }
    }

    /// A file that was announced, to be sent in so many parts.
    pub(crate) fn in_parts(spec: &FileSpec, announced: &Announced, count: usize) -> Self {
        let parts = u32::try_from(count).ok().map(|count| (announced.id, count));
        Self { parts, ..Self::announced(spec, announced) }
    }

    /// A manifest: to be read once its bytes are here, and to be put until its version is committed.
    fn manifest(manifest: &StoredManifest) -> Self {
        let manifest_id = manifest.id;
        Self {
            id: manifest_id.to_node_id().into(),
            name: manifest.name.clone(),
            md5: Some(manifest.digest.clone()),
            digest: Some(manifest.digest.clone()),
            updated_at: Some(manifest.created_at),
            read: Some(Read::Here(Grant::Manifest { manifest_id })),
            put: Some(Grant::UploadManifest { manifest_id }),
            ..Self::default()
        }
    }

    pub(super) fn direct(&self, ctx: &Context<'_>) -> Result<String> {
        match &self.read {
            Some(Read::Here(grant)) => ctx.request()?.links.signed(grant).or_graphql(),
            Some(Read::Reference(reference)) => Ok(reference.clone()),
            None => Err(domain::Error::Precondition {
                code: "ARTIFACT_NOT_COMMITTED",
                reason: "a file can be read once its version is committed".to_owned(),
            })
            .or_graphql(),
        }
    }

    pub(super) fn upload(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let links = &ctx.request()?.links;
        self.put.as_ref().map(|grant| links.signed(grant).or_graphql()).transpose()
    }

    pub(super) fn storage_path(&self) -> Option<String> {
        self.put.as_ref().map(|_| self.id.to_string())
    }

    pub(super) fn parts(&self, ctx: &Context<'_>) -> Result<Option<UploadMultipartUrls>> {
        let Some((upload_id, count)) = self.parts else { return Ok(None) };
        let links = &ctx.request()?.links;
        let part = |number: u32| {
            let upload_url = links.signed(&Grant::UploadPart { upload_id, number }).or_graphql()?;
            Ok(UploadUrlPart { part_number: Int64(number.into()), upload_url })
        };
        let upload_url_parts = (1..=count).map(part).collect::<Result<_>>()?;
        Ok(Some(UploadMultipartUrls { upload_id: upload_id.to_node_id(), upload_url_parts }))
    }

    pub(super) async fn version(&self, ctx: &Context<'_>) -> Result<Option<Artifact>> {
        let Some(version) = self.version else { return Ok(None) };
        Ok(ctx.request()?.loader.load_one(version).await.or_graphql()?.map(Artifact))
    }
}

/// A page of a version's files, by path; with names, only those.
pub(super) async fn entry_page(
    ctx: &Context<'_>,
    version: &artifact::Artifact,
    names: Option<Vec<String>>,
    after: Option<&str>,
    first: Option<i32>,
) -> Result<FileConnection> {
    let list = format!("files of artifact {}", version.id);
    let limit = connection::page_size(first)?;
    let paths = names.unwrap_or_default();
    connection::at_most(MOST_ENTRIES, paths.len(), "names")?;
    let wanted = FileQuery { paths, after: connection::decode(&list, after)? };
    let rows = artifact::list_entries(&ctx.request()?.db, version.id, &wanted, limit + 1).await;
    let (rows, has_next_page) = connection::cut(rows.or_graphql()?, limit);
    let with_cursor = |row: EntryFile| Ok((connection::encode(&list, &row.path)?, row.into()));
    let files = rows.into_iter().map(with_cursor).collect::<Result<Vec<_>>>()?;
    let total_count = i32::try_from(version.file_count).ok();
    Ok(FileConnection::of_artifact(files, has_next_page, total_count))
}

/// These files of a version, in one answer.
pub(super) async fn entries_by_name(
    ctx: &Context<'_>,
    version: &artifact::Artifact,
    paths: Vec<String>,
) -> Result<FileConnection> {
    if paths.is_empty() {
        return Ok(FileConnection::of_artifact(Vec::new(), false, Some(0)));
    }
    let wanted = FileQuery { paths, after: None };
    let rows = artifact::list_entries(&ctx.request()?.db, version.id, &wanted, MOST_ENTRIES as u64).await;
    let files: Vec<_> = rows.or_graphql()?.into_iter().map(|row| (row.path.clone(), row.into())).collect();
    let total_count = i32::try_from(files.len()).ok();
    Ok(FileConnection::of_artifact(files, false, total_count))
}
