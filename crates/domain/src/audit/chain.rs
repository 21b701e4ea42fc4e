//! The chain itself, without a database: what an entry is as text, and whether texts fit together.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Action, AuditEntry, Counts, SubjectKind};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::UserId;

/// What stands before the first entry.
pub(super) const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A sealed entry, as it is exported: one line of JSON, its fields in this order and nothing between them. Its hash is
/// that of the same line with an empty hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedEntry {
    /// Its place in the chain, from 1.
    pub position: i64,
    /// When it was recorded, in microseconds since 1970.
    pub at: Timestamp,
    /// The global id of who did it; none: a deadline.
    pub actor: Option<String>,
    /// What was done.
    pub action: Action,
    /// What it was done to.
    pub kind: SubjectKind,
    /// Its global id.
    pub subject: String,
    /// What users called it.
    pub path: String,
    /// As the actor gave it.
    pub reason: Option<String>,
    /// How many of what went with it.
    pub counts: Counts,
    /// SHA-256 of a document that belongs to it, in hex.
    pub digest: Option<String>,
    /// The hash of the entry before it; zeros before the first.
    pub previous: String,
    /// SHA-256, in hex.
    pub hash: String,
}

impl SealedEntry {
    /// The entry at a place after the one that has this hash.
    pub(super) fn seal(entry: &AuditEntry, position: i64, previous: String) -> Result<Self> {
        let mut sealed = Self {
            position,
            at: entry.recorded_at,
            actor: entry.actor_id.map(UserId::to_node_id),
            action: entry.action,
            kind: entry.kind,
            subject: entry.kind.node_id(entry.subject_id),
            path: entry.path.clone(),
            reason: entry.reason.clone(),
            counts: entry.counts.clone(),
            digest: entry.digest.clone(),
            previous,
            hash: String::new(),
        };
        sealed.hash = sealed.hashed()?;
        Ok(sealed)
    }

    /// As it is stored, with the hash that it was given; none where it is not sealed yet.
    pub fn of(entry: &AuditEntry) -> Result<Option<Self>> {
        let AuditEntry { position: Some(position), previous: Some(previous), hash: Some(hash), .. } = entry
        else {
            return Ok(None);
        };
        let sealed = Self::seal(entry, *position, previous.clone())?;
        Ok(Some(Self { hash: hash.clone(), ..sealed }))
    }

    /// Its line, without an end.
    pub fn line(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::internal)
    }

    /// What its hash must be.
    pub(crate) fn hashed(&self) -> Result<String> {
        let open = Self { hash: String::new(), ..self.clone() };
        Ok(hex::encode(Sha256::digest(open.line()?)))
    }
}

/// The last line of an export: how many entries it has, and the hash of the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// Entries.
    pub entries: usize,
    /// The hash of the last one, or what the first one had to follow.
    pub head: String,
}

/// The first line of an export that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Fault {
    /// Which, from 1.
    pub line: usize,
    /// Why.
    pub reason: String,
}

/// Checks an export: every line is what was sealed, follows the one before, and none is missing up to the last line,
/// which says how many there are. What comes before its first entry is taken on trust, and so is that nobody made the
/// whole of it anew: compare the head with one that was written down elsewhere.
pub fn verify(text: &[u8]) -> Result<Checked, Fault> {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let fault = |line: usize, reason: String| Fault { line: line + 1, reason };
    if lines.pop() != Some(b"") {
        return Err(fault(lines.len(), "the file does not end with its last line".to_owned()));
    }
    let Some(last) = lines.pop() else { return Err(fault(0, "the file is empty".to_owned())) };
    let mut before: Option<SealedEntry> = None;
    for (number, line) in lines.iter().enumerate() {
        let entry = read(line, before.as_ref()).map_err(|reason| fault(number, reason))?;
        before = Some(entry);
    }
    let closing: Checked = parse(last).map_err(|reason| fault(lines.len(), reason))?;
    let head = before.map_or_else(|| BEGINNING.to_owned(), |entry| entry.hash);
    if closing == (Checked { entries: lines.len(), head }) {
        return Ok(closing);
    }
    let reason = "the last line does not fit the entries above it: some are missing, or it was changed";
    Err(fault(lines.len(), reason.to_owned()))
}

fn read(line: &[u8], before: Option<&SealedEntry>) -> Result<SealedEntry, String> {
    let entry: SealedEntry = parse(line)?;
    if let Some(before) = before {
        if entry.position != before.position + 1 {
            return Err(format!("entry {} follows entry {}", entry.position, before.position));
        }
        if entry.previous != before.hash {
            return Err(format!("entry {} does not follow the one above it", entry.position));
        }
    } else if entry.position == 1 && entry.previous != BEGINNING {
        return Err("entry 1 follows another".to_owned());
    }
    check_hash(&entry)?;
    Ok(entry)
}

/// That an entry is what was sealed.
pub(crate) fn check_hash(entry: &SealedEntry) -> Result<(), String> {
    let hash = entry.hashed().map_err(|error| error.to_string())?;
    if hash == entry.hash { Ok(()) } else { Err(format!("entry {} was changed", entry.position)) }
}

/// Reads what was written in the one way in which it is written.
pub(crate) fn parse<T: Serialize + for<'a> Deserialize<'a>>(text: &[u8]) -> Result<T, String> {
    let read: T =
        serde_json::from_slice(text).map_err(|error| format!("is not what was exported: {error}"))?;
    let written = serde_json::to_vec(&read).map_err(|error| error.to_string())?;
    if written == text { Ok(read) } else { Err("is not written as it was exported".to_owned()) }
}
