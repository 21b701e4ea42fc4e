//! The files of versions that are being made: announced, and put together where they are sent in parts.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::WriteTx;
use counterweight_domain::artifact::{self, DigestAlgorithm, FileSpec};
use counterweight_domain::file::FileName;
use counterweight_domain::id::{ArtifactId, UploadId};
use counterweight_storage::{CompletedPart, MOST_PARTS, Md5Digest};

use super::artifact::artifact_id;
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::{ArtifactDigestAlgorithm, ArtifactFile, FileConnection};
use crate::scalars::Int64;

#[derive(Debug, Default)]
pub(super) struct ArtifactFileMutation;

/// How stored files are laid out. Of no effect here.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
enum ArtifactStorageLayout {
    /// By digest.
    V1,
    /// By version.
    V2,
}

/// A file to be sent.
#[derive(InputObject)]
struct CreateArtifactFileSpecInput {
    /// Its version.
    #[graphql(name = "artifactID")]
    artifact_id: ID,
    /// Its path.
    name: String,
    /// MD5 of its bytes in base64.
    md5: Option<String>,
    /// Of its bytes in base64, as the call's algorithm makes it.
    digest: Option<String>,
    /// What its bytes are. Guessed from its name when it is read.
    #[graphql(name = "mimetype")]
    _mimetype: Option<String>,
    /// The manifest that lists it.
    #[graphql(name = "artifactManifestID")]
    _artifact_manifest_id: Option<ID>,
    /// Its parts, where it is to be sent in parts.
    upload_parts_input: Option<Vec<UploadPartsInput>>,
}

/// One part of a file.
#[derive(InputObject)]
struct UploadPartsInput {
    /// Its number, from 1.
    part_number: Int64,
    /// MD5 of its bytes in hex; once it was sent, the tag that came back.
    #[graphql(name = "hexMD5")]
    hex_md5: String,
}

/// Files to be sent.
#[derive(InputObject)]
struct CreateArtifactFilesInput {
    /// The files.
    artifact_files: Vec<CreateArtifactFileSpecInput>,
    /// How stored files are laid out.
    #[graphql(name = "storageLayout")]
    _storage_layout: Option<ArtifactStorageLayout>,
    /// How their digests are made.
    digest_algorithm: Option<ArtifactDigestAlgorithm>,
    /// Where to store them. There is one place.
    #[graphql(name = "cloudRegionID")]
    _cloud_region_id: Option<ID>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// Where to send files.
#[derive(SimpleObject)]
struct CreateArtifactFilesPayload {
    /// One for each file, in their order; without an upload URL where its bytes are here already.
    files: FileConnection,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// What to do with the parts of a file.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
enum CompleteMultipartAction {
    /// Put them together.
    #[graphql(name = "Complete")]
    Complete,
    /// Forget them.
    #[graphql(name = "Abort")]
    Abort,
}

/// Parts that were sent.
#[derive(InputObject)]
struct CompleteMultipartUploadArtifactInput {
    /// What to do with them.
    complete_multipart_action: CompleteMultipartAction,
    /// All of them, each with the tag that came back.
    completed_parts: Vec<UploadPartsInput>,
    /// The version.
    #[graphql(name = "artifactID")]
    artifact_id: ID,
    /// The file, by its `storagePath`.
    storage_path: String,
    /// What the server calls the upload.
    #[graphql(name = "uploadID")]
    _upload_id: String,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// Parts put together.
#[derive(SimpleObject)]
struct CompleteMultipartUploadArtifactPayload {
    /// Of the file's bytes in base64; none where they were forgotten.
    digest: Option<String>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

fn parts_invalid(at: &str, reason: &str) -> domain::Error {
    domain::Error::invalid("PARTS_INVALID", at, reason)
}

/// Reads the MD5 of each part, from the first.
fn parse_parts(mut parts: Vec<UploadPartsInput>, at: &str) -> domain::Result<Vec<Md5Digest>> {
    if parts.len() > MOST_PARTS as usize {
        return Err(parts_invalid(at, &format!("at most {MOST_PARTS} parts")));
    }
    parts.sort_by_key(|part| part.part_number.0);
    if !parts.iter().map(|part| part.part_number.0).eq(1..=i64::try_from(parts.len()).unwrap_or(0)) {
        return Err(parts_invalid(at, "parts are numbered from 1, each once"));
    }
    let md5 = |part: UploadPartsInput| {
        let bytes = hex::decode(&part.hex_md5).ok().and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Md5Digest)
            .ok_or_else(|| parts_invalid(at, "the MD5 of a part is thirty-two hexadecimal digits"))
    };
    parts.into_iter().map(md5).collect()
}

impl CreateArtifactFileSpecInput {
    /// Reads the `index`-th of a call.
    fn parse(self, index: usize, algorithm: DigestAlgorithm) -> domain::Result<(FileSpec, Vec<Md5Digest>)> {
        let at = |field: &str| format!("artifactFiles[{index}].{field}");
        let artifact = ArtifactId::from_node_id(&self.artifact_id);
        let artifact =
            artifact.ok_or_else(|| domain::Error::not_found("artifact", self.artifact_id.as_str()))?;
        let md5 = self.md5.filter(|md5| !md5.is_empty());
        let digest = self.digest.filter(|digest| !digest.is_empty());
        // Older clients send the MD5 alone.
        let (algorithm, digest) = match (digest, &md5) {
            (Some(digest), _) => (algorithm, digest),
            (None, Some(md5)) => (DigestAlgorithm::Md5, md5.clone()),
            (None, None) => {
                return Err(domain::Error::invalid("DIGEST_INVALID", at("digest"), "a digest is missing"));
            }
        };
        let digest = artifact::ContentDigest::parse(algorithm, &digest, &at("digest"))?;
        let md5 = md5.map(|md5| artifact::ContentDigest::parse(DigestAlgorithm::Md5, &md5, &at("md5")));
        let parts = parse_parts(self.upload_parts_input.unwrap_or_default(), &at("uploadPartsInput"))?;
        let spec = FileSpec {
            artifact,
            path: FileName::parse(at("name"), &self.name)?,
            digest,
            md5: md5.transpose()?,
        };
        Ok((spec, parts))
    }
}

#[Object]
impl ArtifactFileMutation {
    /// Announces files, and hands out a URL for each whose bytes are not here yet.
    async fn create_artifact_files(
        &self,
        ctx: &Context<'_>,
        input: CreateArtifactFilesInput,
    ) -> Result<Option<CreateArtifactFilesPayload>> {
        let request = ctx.request()?;
        let algorithm = input.digest_algorithm.map(DigestAlgorithm::from).unwrap_or_default();
        let files = input.artifact_files.into_iter().enumerate();
        let specs =
            files.map(|(index, file)| file.parse(index, algorithm)).collect::<domain::Result<Vec<_>>>();
        let (specs, parts): (Vec<FileSpec>, Vec<_>) = specs.or_graphql()?.into_iter().unzip();
        let announce = async |tx: &WriteTx| artifact::announce_files(tx, &request.caller, &specs).await;
        let announced = request.write(announce).await?;
        let mut files = Vec::with_capacity(specs.len());
        for ((spec, parts), announced) in specs.iter().zip(parts).zip(&announced) {
            let file = if parts.len() > 1 && !announced.stored {
                let count = parts.len();
                artifact::begin_parts(&request.db, &request.blobs, announced.id, parts).await.or_graphql()?;
                ArtifactFile::in_parts(spec, announced, count)
            } else {
                ArtifactFile::announced(spec, announced)
            };
            files.push((announced.id.to_node_id(), file));
        }
        let files = FileConnection::of_artifact(files, false, None);
        Ok(Some(CreateArtifactFilesPayload { files, client_mutation_id: input.client_mutation_id }))
    }

    /// Puts the parts of a file together, or forgets them.
    async fn complete_multipart_upload_artifact(
        &self,
        ctx: &Context<'_>,
        input: CompleteMultipartUploadArtifactInput,
    ) -> Result<Option<CompleteMultipartUploadArtifactPayload>> {
        let request = ctx.request()?;
        let (db, blobs, caller) = (&request.db, &request.blobs, &request.caller);
        let artifact = artifact_id(&input.artifact_id)?;
        let missing = || domain::Error::not_found("upload", input.storage_path.as_str());
        let upload = UploadId::from_node_id(&input.storage_path).ok_or_else(missing).or_graphql()?;
        let digest = match input.complete_multipart_action {
            CompleteMultipartAction::Abort => {
                artifact::abort_parts(db, blobs, caller, artifact, upload).await.or_graphql()?;
                None
            }
            CompleteMultipartAction::Complete => {
                let part = |part: UploadPartsInput| {
                    let number = u32::try_from(part.part_number.0);
                    let number =
                        number.map_err(|_| parts_invalid("completedParts", "parts are numbered from 1"))?;
                    Ok(CompletedPart { number, etag: part.hex_md5 })
                };
                let parts = input.completed_parts.into_iter().map(part).collect::<domain::Result<Vec<_>>>();
                let parts = parts.or_graphql()?;
                let done = artifact::complete_parts(db, blobs, caller, artifact, upload, &parts);
                Some(done.await.or_graphql()?)
            }
        };
        Ok(Some(CompleteMultipartUploadArtifactPayload {
            digest,
            client_mutation_id: input.client_mutation_id,
        }))
    }
}
