//! A chain that was touched anywhere says where.

use super::*;
use crate::clock::Timestamp;
use crate::id::{AuditEntryId, EntityId, UserId};

fn entry(id: i64) -> AuditEntry {
    AuditEntry {
        id: AuditEntryId(id),
        recorded_at: Timestamp(1000 * id),
        actor_id: (id % 2 == 0).then_some(UserId(id)),
        action: Action::Delete,
        kind: SubjectKind::Run,
        subject_id: id,
        entity_id: Some(EntityId(1)),
        path: format!("ada/demo/r{id}"),
        reason: (id % 3 == 0).then(|| "too \"large\"\n\u{1F600}".to_owned()),
        counts: Counts::of(&[("files", id), ("bytes", 10 * id)]),
        digest: None,
        position: None,
        previous: None,
        hash: None,
    }
}

fn lines(count: i64) -> Vec<String> {
    let mut previous = chain::BEGINNING.to_owned();
    let sealed = (1..=count).map(|position| {
        let sealed = SealedEntry::seal(&entry(position), position, previous.clone()).unwrap();
        previous.clone_from(&sealed.hash);
        sealed.line().unwrap()
    });
    let mut lines: Vec<String> = sealed.collect();
    lines.push(serde_json::to_string(&Checked { entries: lines.len(), head: previous }).unwrap());
    lines
}

fn text(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()
}

#[test]
fn an_untouched_chain_fits() {
    assert_eq!(verify(&text(&lines(4))).unwrap().entries, 4);
    assert_eq!(verify(&text(&lines(0))).unwrap().entries, 0);
    let part = lines(4)[2..].to_vec();
    assert_eq!(verify(&text(&part)).unwrap_err().line, 3, "its last line counts four");
}

#[test]
fn any_byte_that_is_changed_is_found_where_it_is() {
    let whole = text(&lines(4));
    for at in 0..whole.len() {
        for flip in [1_u8, 32, 128] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            let line = bytes[..at].split(|byte| *byte == b'\n').count();
            let fault = verify(&bytes).unwrap_err();
            assert!(fault.line == line, "byte {at} of line {line}: {fault}");
        }
    }
}

#[test]
fn a_missing_or_misplaced_entry_is_found() {
    let whole = lines(4);
    for gone in 1..4 {
        let mut less = whole.clone();
        less.remove(gone);
        assert_eq!(verify(&text(&less)).unwrap_err().line, gone + 1, "{gone}");
    }
    let beginning_gone = verify(&text(&whole[1..])).unwrap_err();
    assert_eq!(beginning_gone.line, 4, "the last line counts one more");
    for first in 0..3 {
        let mut swapped = whole.clone();
        swapped.swap(first, first + 1);
        let at = verify(&text(&swapped)).unwrap_err().line;
        assert_eq!(at, (first + 1).max(2), "{first}");
    }
    let mut twice = whole.clone();
    twice.insert(2, whole[1].clone());
    assert_eq!(verify(&text(&twice)).unwrap_err().line, 3);
    assert_eq!(verify(&text(&whole[..4])).unwrap_err().line, 4, "the end is gone");
    assert!(verify(b"").is_err());
}
