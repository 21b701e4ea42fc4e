//! Versions of artifacts into the trash, by themselves or with their runs, and back.

use std::collections::{HashMap, HashSet};

use super::records::{self, Growth, NewItem};
use super::scope::{self, seen_places};
use super::{Deletion, DeletionKind, ItemKind, ItemState, Wish, deadline_passed};
use crate::account::{Caller, Role};
use crate::artifact::{self, Artifact, Collection, CollectionKind, NamedPlace, Restored};
use crate::audit::{Act, Action};
use crate::clock::Timestamp;
use crate::db::WriteTx;
use crate::error::{Error, Result};
use crate::hold::HoldKind;
use crate::id::{ArtifactId, CollectionId, ProjectId, UserId};
use crate::job::{self, JobKind};
use crate::project;
use crate::receipt;
use crate::retention::Retention;

/// Deletes a version; one that has aliases only with `with_aliases`. Answers it as it was.
pub async fn delete_version(
    tx: &WriteTx,
    caller: &Caller,
    id: ArtifactId,
    with_aliases: bool,
    reason: Option<String>,
    retention: Retention,
) -> Result<(Artifact, Deletion)> {
    let (found, project) = artifact::find_to_write(tx, caller, id).await?;
    if !with_aliases {
        artifact::check_unnamed(tx, id).await?;
    }
    let record = delete_all(tx, caller, project, &[id], reason, retention).await?;
    Ok((found, record))
}

/// Deletes all versions of a sequence that no alias names and that nothing links to.
pub async fn delete_unnamed(
    tx: &WriteTx,
    caller: &Caller,
    id: CollectionId,
    reason: Option<String>,
    retention: Retention,
) -> Result<Deletion> {
    let held = artifact::hold_to_clean(tx, caller, id).await?;
    let ids = artifact::of_sequence(tx, id, artifact::Which::Unnamed).await?;
    delete_all(tx, caller, held.project_id, &ids, reason, retention).await
}

/// Deletes versions of one project that no hold covers, for nobody's wish but a rule's, which `user_id` answers for; but not those
/// that a registry or a protected alias keeps. `settings` is what the settings say of periods. Answers how many.
pub(crate) async fn delete_versions_by_rule(
    tx: &WriteTx,
    user_id: UserId,
    reason: &str,
    settings: Retention,
    project: ProjectId,
    ids: &[ArtifactId],
) -> Result<usize> {
    let ids = artifact::hold_unkept(tx, ids).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let mut places = artifact::places_of(tx, &ids).await?;
    places.iter_mut().filter(|place| place.project_id != project).for_each(scope::mask);
    let purge_after = tx.now().after(settings.of_project(tx, project).await?.artifacts);
    let wish = Wish { reason: Some(reason.to_owned()), ..Wish::default() };
    let kind = DeletionKind::Artifacts;
    let record = records::open(tx, kind, user_id, project, &wish, None, purge_after).await?;
    let act = Act::of_itself(Action::Expire).because(Some(reason));
    put_away(tx, act, &record.id, &ids, &places, purge_after).await?;
    Ok(ids.len())
}

/// Deletes a collection of that kind: a portfolio with its links, a sequence with the versions that were made in it, by a
/// deletion where there are any.
pub async fn delete_collection(
    tx: &WriteTx,
    caller: &Caller,
    id: CollectionId,
    kind: CollectionKind,
    reason: Option<String>,
    retention: Retention,
) -> Result<(Collection, Option<Deletion>)> {
    let held = artifact::hold_to_delete(tx, caller, id, kind).await?;
    let versions = match kind {
        CollectionKind::Sequence => artifact::of_sequence(tx, id, artifact::Which::All).await?,
        CollectionKind::Portfolio => Vec::new(),
    };
    let record = if versions.is_empty() {
        None
    } else {
        Some(delete_all(tx, caller, held.project_id, &versions, reason.clone(), retention).await?)
    };
    Ok((artifact::bury_collection(tx, caller, held, reason.as_deref()).await?, record))
}

async fn delete_all(
    tx: &WriteTx,
    caller: &Caller,
    project: ProjectId,
    ids: &[ArtifactId],
    reason: Option<String>,
    retention: Retention,
) -> Result<Deletion> {
    let places = seen_places(tx, caller, ids).await?;
    let wish = Wish { reason, ..Wish::default() };
    let kind = DeletionKind::Artifacts;
    let retention = retention.of_project(tx, project).await?;
    let purge_after = tx.now().after(retention.artifacts);
    let record = records::open(tx, kind, caller.user_id, project, &wish, None, purge_after).await?;
    let act = Act::by(caller.user_id, Action::Delete).because(record.reason.as_deref());
    put_away(tx, act, &record.id, ids, &places, purge_after).await?;
    records::settle(tx, &record.id).await?;
    records::get(tx, &record.id).await
}

/// Puts versions into the trash by a deletion that is open. `places` are all that they have.
pub(super) async fn put_away(
    tx: &WriteTx,
    act: Act<'_>,
    deletion_id: &str,
    ids: &[ArtifactId],
    places: &[NamedPlace],
    purge_after: Timestamp,
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids = artifact::hold_to_put_away(tx, ids).await?;
    if ids.is_empty() {
        return Ok(());
    }
    receipt::items(tx, deletion_id, HoldKind::Artifact, &ids).await?;
    let gone = artifact::put_away(tx, act, &ids, purge_after).await?;
    let homes: HashMap<ArtifactId, &NamedPlace> =
        places.iter().filter(|place| !place.is_link).map(|place| (place.artifact_id, place)).collect();
    let item = |version: &Artifact| {
        let name = homes.get(&version.id).map_or_else(|| version.id.to_node_id(), |place| place.path.clone());
        let item = NewItem::new(ItemKind::Artifact, version.id.0, name, ItemState::Pending);
        NewItem { file_count: version.file_count, file_bytes: version.size_bytes, ..item }
    };
    // By a deletion that is repeated, after something of it was restored.
    let numbers: Vec<i64> = gone.iter().map(|version| version.id.0).collect();
    let again = records::count_restored(tx, deletion_id, ItemKind::Artifact, &numbers).await?;
    let went: HashSet<ArtifactId> = ids.into_iter().collect();
    let links = places.iter().filter(|place| place.is_link && went.contains(&place.artifact_id)).map(link);
    records::add_items(tx, deletion_id, gone.iter().map(item).chain(links).collect()).await?;
    let artifacts = i64::try_from(gone.len()).map_err(Error::internal)? - again;
    records::grow(tx, deletion_id, Growth { artifacts, ..Growth::default() }, purge_after).await?;
    if gone.iter().all(|version| version.purge_after.is_some()) {
        return Ok(());
    }
    job::hasten(tx, &JobKind::PurgeDeletion { deletion_id: deletion_id.to_owned() }, tx.now()).await
}

fn link(place: &NamedPlace) -> NewItem {
    let aliases = (!place.aliases.is_empty()).then(|| format!("aliases: {}", place.aliases.join(", ")));
    let item = NewItem::new(ItemKind::Link, place.id.0, place.path.clone(), ItemState::Pending);
    NewItem { detail: aliases, ..item }
}

/// Brings a version back from the trash, with its links and the aliases that nothing else has by now.
pub async fn restore_version(tx: &WriteTx, caller: &Caller, id: ArtifactId) -> Result<Restored> {
    let restored = artifact::bring_back(tx, caller, id).await?;
    let Some(record) = records::pending_of(tx, ItemKind::Artifact, id.0).await? else { return Ok(restored) };
    records::note(tx, &record.id, ItemKind::Artifact, &[id.0], ItemState::Restored).await?;
    let (back, lost) = (&restored.places, &restored.lost_places);
    records::note(tx, &record.id, ItemKind::Link, &numbers(back), ItemState::Restored).await?;
    records::note(tx, &record.id, ItemKind::Link, &numbers(lost), ItemState::Purged).await?;
    receipt::withdraw(tx, &record.id, HoldKind::Artifact, id.0).await?;
    records::settle(tx, &record.id).await?;
    Ok(restored)
}

fn numbers(places: &[crate::id::MembershipId]) -> Vec<i64> {
    places.iter().map(|id| id.0).collect()
}

/// Brings back all versions that a deletion has in the trash. `DEADLINE_PASSED` when nothing of it can come back any more.
pub(super) async fn restore_all(tx: &WriteTx, caller: &Caller, record: &Deletion) -> Result<()> {
    project::authorize(tx, caller, record.project_id, Role::Member).await?;
    let pending = records::pending(tx, &record.id, (ItemKind::Artifact, 0), None).await?;
    let is_over = pending.is_empty();
    let pending = if record.urgent { Vec::new() } else { pending };
    // All of them have the deadline of the deletion, where they have yet to get it.
    let is_later = record.extended_to.is_some_and(|deadline| deadline > tx.now());
    let after = if is_later { Timestamp::default() } else { tx.now() };
    let pending = pending.into_iter().map(ArtifactId).collect();
    let restorable = artifact::restorable(tx, pending, after).await?;
    if restorable.is_empty() && !is_over {
        return Err(deadline_passed("deletion"));
    }
    for id in restorable {
        restore_version(tx, caller, id).await?;
    }
    Ok(())
}

/// Removes up to `left` rows of versions of a deletion that are due and locked, and notes those of which nothing is left.
pub(super) async fn purge(tx: &WriteTx, deletion_id: &str, due: Vec<i64>, mut left: i64) -> Result<()> {
    for id in due {
        let places = artifact::forget_places(tx, ArtifactId(id)).await?;
        records::note(tx, deletion_id, ItemKind::Link, &numbers(&places), ItemState::Purged).await?;
        let Some(room) = artifact::purge(tx, ArtifactId(id), Some(deletion_id), left).await? else { break };
        records::note(tx, deletion_id, ItemKind::Artifact, &[id], ItemState::Purged).await?;
        left = room;
    }
    Ok(())
}
