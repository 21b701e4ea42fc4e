//! What a rule does with the versions that were made in a project.

use super::definition::VersionRule;
use super::{Kept, Retention, Rule, Seen};
use crate::artifact::{self, DueVersion, DueVersionPlace, DueVersions};
use crate::clock::Timestamp;
use crate::db::{Source, WriteTx};
use crate::deletion;
use crate::error::Result;
use crate::hold;
use crate::id::ArtifactId;
use crate::project::Project;

fn due<'a>(project: &Project, rule: &'a VersionRule, at: Timestamp) -> DueVersions<'a> {
    DueVersions {
        project_id: project.id,
        type_name: rule.type_name.as_deref(),
        collection_name: rule.collection_name.as_deref(),
        until: at.before(rule.age()),
        ranks: rule.keep.last.unwrap_or(1),
    }
}

/// A page of the versions that have reached the age at `at`, each with what keeps it, and where the page ends, if there
/// may be more.
pub(super) async fn look(
    db: &impl Source,
    project: &Project,
    rule: &VersionRule,
    at: Timestamp,
    after: Option<DueVersionPlace>,
    limit: u64,
) -> Result<(Vec<Seen<DueVersion>>, Option<DueVersionPlace>)> {
    let found = due(project, rule, at).list(db, after, limit).await?;
    let is_full = found.len() as u64 == limit;
    let end = found.last().filter(|_| is_full).map(|last| (last.collection_id, last.committed_at, last.id));
    Ok((judge(db, rule, found).await?, end))
}

/// Deletes those of these versions that the rule still takes. Answers how many.
pub(super) async fn take(
    tx: &WriteTx,
    settings: Retention,
    (rule, definition): (&Rule, &VersionRule),
    project: &Project,
    ids: &[ArtifactId],
) -> Result<usize> {
    hold::freeze(tx).await?;
    let found = due(project, definition, tx.now()).among(tx, ids).await?;
    let seen = judge(tx, definition, found).await?;
    let taken: Vec<ArtifactId> =
        seen.into_iter().filter(|seen| seen.kept.is_none()).map(|seen| seen.thing.id).collect();
    deletion::delete_versions_by_rule(tx, rule.user_id, &rule.reason(), settings, project.id, &taken).await
}

async fn judge(
    db: &impl Source,
    rule: &VersionRule,
    found: Vec<DueVersion>,
) -> Result<Vec<Seen<DueVersion>>> {
    let ids: Vec<ArtifactId> = found.iter().map(|version| version.id).collect();
    let tags = artifact::get_tags(db, &ids).await?;
    let reason = |version: &DueVersion| {
        let tags = tags.get(&version.id).map(Vec::as_slice).unwrap_or_default();
        if version.is_held {
            Some(Kept::Held)
        } else if version.is_kept {
            Some(Kept::Protected)
        } else if rule.keep.tagged.as_ref().is_some_and(|kept| kept.keeps(tags.iter().map(|tag| &*tag.name)))
        {
            Some(Kept::Tagged)
        } else if rule.keep.linked && version.is_linked {
            Some(Kept::Linked)
        } else if rule.keep.aliased && version.is_aliased {
            Some(Kept::Aliased)
        } else {
            let last = rule.keep.last.is_some_and(|count| version.younger < i64::from(count));
            last.then_some(Kept::Last)
        }
    };
    let seen = found.into_iter().map(|version| Seen {
        began: version.committed_at,
        kept: reason(&version),
        thing: version,
    });
    Ok(seen.collect())
}
