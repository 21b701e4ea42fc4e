//! Beginning a version (protocol reference 5.9).

use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, NotSet, QueryFilter as _, QueryOrder as _, Set,
};
use serde_json::Value;

use super::collections::{self, Wanted};
use super::name::{LATEST, check_alias, check_count};
use super::{
    Aliases, Artifact, ArtifactRole, ArtifactState, Collection, CollectionKind, DigestAlgorithm,
    RequestedAlias, Ttl, aliases, ensure_type, lineage, queries, tags,
};
use crate::account::{self, Caller, Role};
use crate::db::{Source as _, WriteTx};
use crate::entity::artifact::{ActiveModel, Column, Entity};
use crate::error::{Error, Result};
use crate::project;
use crate::run::{self, Run};

/// The longest id that a client gives.
const LONGEST_CLIENT_ID: usize = 256;
/// What a version's metadata may take.
const MOST_METADATA: usize = 4 << 20;

/// A version to begin.
#[derive(Clone, Debug, Default)]
pub struct NewArtifact {
    /// The project's owner.
    pub entity_name: String,
    /// The project.
    pub project_name: String,
    /// The run that makes it.
    pub run_name: Option<String>,
    /// Its type, made where there is none.
    pub type_name: String,
    /// Its sequence, made where there is none.
    pub collection_name: String,
    /// Of its entries, in hex.
    pub digest: String,
    /// How the digest was made.
    pub digest_algorithm: DigestAlgorithm,
    /// Words about it.
    pub description: Option<String>,
    /// A JSON object.
    pub metadata: Option<String>,
    /// Aliases that it gets once it is committed.
    pub aliases: Vec<RequestedAlias>,
    /// Tags.
    pub tags: Vec<String>,
    /// How long it is kept.
    pub ttl: Option<Ttl>,
    /// The run's step.
    pub history_step: Option<i64>,
    /// Whether a version with the same digest will do.
    pub deduplicate: bool,
    /// Shared by the writers that make it together.
    pub distributed_id: Option<String>,
    /// What its writer calls it.
    pub client_id: Option<String>,
    /// What its writer calls its sequence.
    pub sequence_client_id: Option<String>,
}

/// Begins a version. Answers a committed one where there is one with the same content, and the one that was begun where
/// the same client, or one of the writers that make it together, comes again.
pub async fn create(tx: &WriteTx, caller: &Caller, new: NewArtifact) -> Result<Artifact> {
    check(&new)?;
    let (owner, name) = (new.entity_name.as_str(), new.project_name.as_str());
    let project = project::find(tx, caller, Some(owner), Some(name)).await?;
    let project = project.ok_or_else(|| Error::not_found("project", format!("{owner}/{name}")))?;
    project::authorize(tx, caller, project.id, Role::Member).await?;
    let run = match new.run_name.as_deref().filter(|run| !run.is_empty()) {
        Some(run) => {
            let found = run::resolve(tx, caller, owner, name, run).await?;
            // A version and the deletion of its run meet here.
            Some(run::hold_reachable(tx, found.id).await?)
        }
        None => None,
    };
    let artifact_type = ensure_type(tx, project.id, &new.type_name, None).await?;
    let wanted = Wanted {
        kind: CollectionKind::Sequence,
        name: &new.collection_name,
        artifact_type: &artifact_type,
        algorithm: new.digest_algorithm,
    };
    let collection = collections::ensure(tx, &project, wanted).await?;
    if let Some(found) = again(tx, &collection, &new).await? {
        if found.state == ArtifactState::Committed {
            let wanted = requested(&new, &collection, &[]);
            aliases::assign(tx, &project, &collection, found.id, &wanted, caller).await?;
            tags::add(tx, found.id, &new.tags).await?;
        }
        if let Some(run) = &run {
            lineage::note(tx, run.id, found.id, ArtifactRole::Output, None).await?;
        }
        return Ok(found);
    }
    let made = insert(tx, caller, &collection, run.as_ref(), &new).await?;
    tags::add(tx, made.id, &new.tags).await?;
    Ok(made)
}

fn check(new: &NewArtifact) -> Result<()> {
    let hex = new.digest.len() == 32 && new.digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hex {
        let reason = "the digest of a version is thirty-two hexadecimal digits";
        return Err(Error::invalid("DIGEST_INVALID", "digest", reason));
    }
    check_metadata(new.metadata.as_deref())?;
    check_count("aliases", new.aliases.len())?;
    for RequestedAlias { alias, .. } in &new.aliases {
        check_alias(alias)?;
    }
    tags::check(&new.tags)?;
    for (field, id) in [
        ("clientID", &new.client_id),
        ("sequenceClientID", &new.sequence_client_id),
        ("distributedID", &new.distributed_id),
    ] {
        if id.as_ref().is_some_and(|id| id.len() > LONGEST_CLIENT_ID) {
            let reason = format!("has at most {LONGEST_CLIENT_ID} bytes");
            return Err(Error::invalid("ID_TOO_LONG", field, reason));
        }
    }
    Ok(())
}

/// Metadata is a JSON object.
pub(super) fn check_metadata(metadata: Option<&str>) -> Result<()> {
    let Some(metadata) = metadata.filter(|metadata| !metadata.is_empty()) else { return Ok(()) };
    if metadata.len() > MOST_METADATA {
        let reason = format!("has at most {} MiB", MOST_METADATA >> 20);
        return Err(Error::invalid("METADATA_INVALID", "metadata", reason));
    }
    match serde_json::from_str(metadata) {
        Ok(Value::Object(_) | Value::Null) => Ok(()),
        _ => Err(Error::invalid("METADATA_INVALID", "metadata", "is not a JSON object")),
    }
}

/// The version that this call means once more. The collection is held.
async fn again(tx: &WriteTx, collection: &Collection, new: &NewArtifact) -> Result<Option<Artifact>> {
    let pending = queries::of_collection(collection.id).filter(Column::State.eq(ArtifactState::Pending));
    for (column, id) in [(Column::DistributedId, &new.distributed_id), (Column::ClientId, &new.client_id)] {
        let Some(id) = id.as_ref().filter(|id| !id.is_empty()) else { continue };
        let found = pending.clone().filter(column.eq(id.as_str())).one(tx.connection()).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    if !new.deduplicate {
        return Ok(None);
    }
    // Plan: ix_artifact_digest.
    let same = queries::of_collection(collection.id)
        .filter(Column::Digest.eq(new.digest.as_str()))
        .filter(Column::DigestAlgorithm.eq(new.digest_algorithm))
        .filter(Column::State.eq(ArtifactState::Committed))
        .order_by_desc(Column::Id);
    Ok(same.one(tx.connection()).await?)
}

/// The aliases that `new` asks for in its own sequence, and these.
fn requested(new: &NewArtifact, collection: &Collection, also: &[&str]) -> Vec<String> {
    let own = new.aliases.iter().filter(|wanted| wanted.collection == collection.name);
    own.map(|wanted| wanted.alias.clone()).chain(also.iter().map(|alias| (*alias).to_owned())).collect()
}

async fn insert(
    tx: &WriteTx,
    caller: &Caller,
    collection: &Collection,
    run: Option<&Run>,
    new: &NewArtifact,
) -> Result<Artifact> {
    let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let aliases = requested(new, collection, &[LATEST]);
    let aliases =
        aliases.into_iter().map(|alias| RequestedAlias { collection: collection.name.clone(), alias });
    let fresh = ActiveModel {
        id: NotSet,
        collection_id: Set(collection.id),
        state: Set(ArtifactState::Pending),
        digest: Set(new.digest.clone()),
        digest_algorithm: Set(new.digest_algorithm),
        client_id: Set(some(&new.client_id)),
        sequence_client_id: Set(some(&new.sequence_client_id)),
        distributed_id: Set(some(&new.distributed_id)),
        run_id: Set(run.map(|run| run.id)),
        user_id: Set(account::find_author(tx, caller).await?),
        description: Set(some(&new.description)),
        metadata: Set(some(&new.metadata)),
        requested_aliases: Set(Aliases(aliases.collect())),
        history_step: Set(new.history_step),
        commit_hash: Set(None),
        size_bytes: Set(0),
        file_count: Set(0),
        ttl_seconds: Set(new.ttl.and_then(Ttl::stored)),
        expires_at: Set(None),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
        committed_at: Set(None),
        deleted_at: Set(None),
        purge_after: Set(None),
        revived_at: Set(None),
    };
    Ok(fresh.insert(tx.connection()).await?)
}

/// The version that a client calls so, also before it is committed, if the caller may see its project.
pub async fn find_by_client_id(
    db: &impl crate::db::Source,
    caller: &Caller,
    client_id: &str,
) -> Result<Option<Artifact>> {
    // Plan: ix_artifact_client_id. Whoever has several of that name, the newest of them.
    let query = Entity::find().filter(Column::ClientId.eq(client_id)).order_by_desc(Column::Id);
    for found in query.all(db.connection()).await? {
        match queries::locate(db, caller, found.id).await {
            Ok(located) => return Ok(Some(located.artifact)),
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
