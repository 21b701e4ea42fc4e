//! Pages of a list, and the cursors between them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// A page never has more items.
pub(crate) const MOST_ITEMS: u64 = 1000;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, each with the cursor behind it.
    pub items: Vec<(T, String)>,
    /// Whether there are more.
    pub has_next: bool,
}

/// A value that a list is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SortValue {
    /// Missing.
    #[serde(rename = "-")]
    Missing,
    /// A moment, a span of time, an id.
    #[serde(rename = "i")]
    Integer(i64),
    /// The bits of a number: decimal digits may not read back exactly.
    #[serde(rename = "n")]
    Number(u64),
    /// A string.
    #[serde(rename = "t")]
    Text(String),
    /// A truth value.
    #[serde(rename = "b")]
    Bool(bool),
}

/// Changes when the meaning of a cursor's values does.
const VERSION: u8 = 2;

/// Names a list, so that a cursor is not used in another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListId([u8; 8]);

impl ListId {
    /// The list that `parts` define together.
    pub(crate) fn new(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut id = [0; 8];
        id.copy_from_slice(&hash.finalize()[..8]);
        Self(id)
    }
}

/// The cursor behind the item with these sort values, the last of which is its id.
pub(crate) fn encode_cursor(list: ListId, values: &[SortValue]) -> Result<String> {
    let json = serde_json::to_vec(&(VERSION, list, values)).map_err(Error::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// The sort values of the item that a cursor stands behind.
pub(crate) fn decode_cursor(list: ListId, cursor: &str) -> Result<Vec<SortValue>> {
    let json = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| cursor_invalid())?;
    let (version, of, values): (u8, ListId, Vec<SortValue>) =
        serde_json::from_slice(&json).map_err(|_| cursor_invalid())?;
    if version != VERSION {
        return Err(cursor_invalid());
    }
    if of != list {
        let reason =
            "this cursor belongs to another list; it goes with the filter and the order it was made for";
        return Err(Error::invalid("CURSOR_FOREIGN", "after", reason));
    }
    Ok(values)
}

/// What is not a cursor of ours.
pub(crate) fn cursor_invalid() -> Error {
    Error::invalid("CURSOR_INVALID", "after", "not a cursor of this server")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_exactly_and_only_in_its_list() {
        let list = ListId::new(&["a", "b"]);
        let values = [
            SortValue::Missing,
            SortValue::Integer(i64::MIN),
            SortValue::Number(0.1_f64.to_bits()),
            SortValue::Text("é\"".into()),
            SortValue::Bool(true),
        ];
        let cursor = encode_cursor(list, &values).unwrap();
        assert_eq!(decode_cursor(list, &cursor).unwrap(), values);
        let foreign = decode_cursor(ListId::new(&["ab", ""]), &cursor).unwrap_err();
        assert_eq!(foreign.code(), "CURSOR_FOREIGN");
    }

    #[test]
    fn what_is_not_a_cursor_is_refused() {
        let list = ListId::new(&[]);
        let old = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&(0, list, [0_u8; 0])).unwrap());
        for text in ["", "!", "e30", &old] {
            assert_eq!(decode_cursor(list, text).unwrap_err().code(), "CURSOR_INVALID", "{text}");
        }
    }
}
