//! A receipt as lines of JSON: what was deleted, by whom and when; each thing; each object; and the entry of the chain that
//! holds the digest of all lines before it.

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Receipt, list_items, list_objects};
use crate::audit::{Action, Fault, SealedEntry, SubjectKind, check_hash, parse};
use crate::clock::Timestamp;
use crate::db::Source;
use crate::entity::audit_entry::{Column, Entity};
use crate::error::{Error, Result};

/// Lines that are read at once.
const BATCH: u64 = 1000;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    receipt: String,
    project: String,
    actor: String,
    reason: Option<String>,
    requested_at: Timestamp,
    purge_after: Timestamp,
    purged_at: Timestamp,
    issued_at: Option<Timestamp>,
    software: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    kind: SubjectKind,
    id: String,
    path: String,
    purged_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    key: String,
    digest: Option<String>,
    bytes: i64,
    removed_at: Option<Timestamp>,
    answer: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Part {
    Item(Item),
    Object(Object),
}

/// What a receipt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The deletion.
    pub deletion_id: String,
    /// Objects that the store has removed.
    pub removed: usize,
    /// Objects that are kept.
    pub kept: usize,
    /// The place of its entry in the chain.
    pub position: i64,
    /// The hash of that entry.
    pub hash: String,
}

/// Where lines go, each with its end.
type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + Send + 'a;

/// Writes all lines of an issued receipt. `RECEIPT_INCOMPLETE` while something of the deletion is outstanding, or its entry
/// waits for its place in the chain.
pub async fn write(db: &impl Source, receipt: &Receipt, sink: &mut Sink<'_>) -> Result<()> {
    // Plan: ix_audit_entry_subject.
    let entry = Entity::find()
        .filter(Column::Kind.eq(SubjectKind::Project))
        .filter(Column::SubjectId.eq(receipt.project_id.0))
        .filter(Column::Action.eq(Action::Receipt))
        .filter(Column::Reason.eq(&receipt.deletion_id))
        .order_by_asc(Column::Id)
        .one(db.connection())
        .await?;
    let sealed = entry.map(|entry| SealedEntry::of(&entry)).transpose()?.flatten();
    let incomplete = || Error::Precondition {
        code: "RECEIPT_INCOMPLETE",
        reason: "something of this deletion is outstanding; its receipt is issued when that is gone"
            .to_owned(),
    };
    let sealed = sealed.ok_or_else(incomplete)?;
    write_lines(db, receipt, sink).await?;
    put(sink, &sealed)
}

/// The lines before the last.
pub(super) async fn write_lines(db: &impl Source, receipt: &Receipt, sink: &mut Sink<'_>) -> Result<()> {
    let Receipt { deletion_id, project_id, actor_id, .. } = receipt;
    let header = Header {
        receipt: deletion_id.clone(),
        project: project_id.to_node_id(),
        actor: actor_id.to_node_id(),
        reason: receipt.reason.clone(),
        requested_at: receipt.requested_at,
        purge_after: receipt.purge_after,
        purged_at: receipt.purged_at,
        issued_at: receipt.issued_at,
        software: receipt.software.clone(),
    };
    put(sink, &header)?;
    for kind in [SubjectKind::Project, SubjectKind::Run, SubjectKind::Artifact] {
        let mut after = None;
        loop {
            let items = list_items(db, deletion_id, kind, after, BATCH).await?;
            let Some(last) = items.last() else { break };
            after = Some(last.subject_id);
            for item in items {
                let id = kind.node_id(item.subject_id);
                put(sink, &Part::Item(Item { kind, id, path: item.path, purged_at: item.purged_at }))?;
            }
        }
    }
    let mut after = None;
    loop {
        let objects = list_objects(db, deletion_id, after, BATCH).await?;
        let Some(last) = objects.last() else { return Ok(()) };
        after = Some(last.blob_id);
        for object in objects {
            let part = Part::Object(Object {
                key: object.object_key,
                digest: object.digest,
                bytes: object.size_bytes,
                removed_at: object.removed_at,
                answer: object.answer,
            });
            put(sink, &part)?;
        }
    }
}

fn put(sink: &mut Sink<'_>, line: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec(line).map_err(Error::internal)?;
    text.push(b'\n');
    sink(&text)
}

/// Checks a receipt, without a database: it is what was issued, and the entry of the chain that it ends with says so.
/// Whether that entry is the one in the chain shows an export of the chain.
pub fn verify(text: &[u8]) -> Result<Proven, Fault> {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let fault = |line: usize, reason: String| Fault { line: line + 1, reason };
    if lines.pop() != Some(b"") || lines.len() < 2 {
        return Err(fault(lines.len(), "the file does not end with its last line".to_owned()));
    }
    let header: Header = parse(lines[0]).map_err(|reason| fault(0, reason))?;
    let end = lines.len() - 1;
    let (mut removed, mut kept) = (0, 0);
    for (number, line) in lines.iter().enumerate().take(end).skip(1) {
        match parse(line).map_err(|reason| fault(number, reason))? {
            Part::Object(Object { removed_at: Some(_), .. }) => removed += 1,
            Part::Object(_) => kept += 1,
            Part::Item(_) => {}
        }
    }
    let entry: SealedEntry = parse(lines[end]).map_err(|reason| fault(end, reason))?;
    check_hash(&entry).map_err(|reason| fault(end, reason))?;
    let before = text.len() - lines[end].len() - 1;
    let digest = hex::encode(Sha256::digest(&text[..before]));
    if entry.digest.as_ref() != Some(&digest) || entry.reason.as_ref() != Some(&header.receipt) {
        return Err(fault(
            end,
            "the lines above are not those of which this entry has the digest".to_owned(),
        ));
    }
    let (position, hash) = (entry.position, entry.hash);
    Ok(Proven { deletion_id: header.receipt, removed, kept, position, hash })
}
