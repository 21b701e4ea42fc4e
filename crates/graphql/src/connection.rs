//! Pages: how many, from where, and the opaque cursors between them.

use async_graphql::SimpleObject;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use counterweight_domain as domain;

use crate::error::{OrGraphql, Result};

const DEFAULT_PAGE: i32 = 50;
const LARGEST_PAGE: i32 = 1000;

/// Where a page ends.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct PageInfo {
    /// The cursor of the last edge.
    pub(crate) end_cursor: Option<String>,
    /// Whether there is more after it.
    pub(crate) has_next_page: bool,
}

/// How many items a page holds; none means 50, and more than 1 000 means 1 000.
pub(crate) fn page_size(first: Option<i32>) -> Result<u64> {
    let first = first.unwrap_or(DEFAULT_PAGE);
    let invalid = || domain::Error::invalid("PAGE_SIZE_INVALID", "first", "must not be negative");
    u64::try_from(first.min(LARGEST_PAGE)).map_err(|_| invalid()).or_graphql()
}

/// What a page of this size costs, times what each of its items costs.
pub(crate) fn cost(first: Option<i32>, child: usize) -> usize {
    let items = usize::try_from(first.unwrap_or(DEFAULT_PAGE).clamp(1, LARGEST_PAGE)).unwrap_or(1);
    items.saturating_mul(child).saturating_add(1)
}

/// Refuses a list that is longer than anyone needs.
pub(crate) fn at_most(most: usize, length: usize, field: &str) -> Result<()> {
    if length <= most {
        return Ok(());
    }
    Err(domain::Error::invalid("TOO_MANY", field, format!("at most {most} at once"))).or_graphql()
}

/// A cursor that stands for the position `at` in the list called `list`, by a name that tells it from those of other
/// parents.
pub(crate) fn encode<T: Serialize>(list: &str, at: &T) -> Result<String> {
    let text = serde_json::to_vec(&(list, at)).map_err(domain::Error::internal).or_graphql()?;
    Ok(URL_SAFE_NO_PAD.encode(text))
}

/// Reads a cursor of the list called `list`; an empty one means the beginning.
pub(crate) fn decode<T: DeserializeOwned>(list: &str, cursor: Option<&str>) -> Result<Option<T>> {
    let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) else { return Ok(None) };
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (name, at): (String, T) = serde_json::from_slice(&bytes).ok()?;
        (name == list).then_some(at)
    };
    let invalid = || domain::Error::invalid("CURSOR_INVALID", "after", "is not a cursor of this list");
    read().map(Some).ok_or_else(invalid).or_graphql()
}

/// Cuts a list that was fetched with one item more than wanted.
pub(crate) fn cut<T>(mut items: Vec<T>, wanted: u64) -> (Vec<T>, bool) {
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let more = items.len() > wanted;
    items.truncate(wanted);
    (items, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_only_in_its_own_list() {
        let cursor = encode("files of run 1", &"a.txt").unwrap();
        assert_eq!(decode::<String>("files of run 1", Some(&cursor)).unwrap().as_deref(), Some("a.txt"));
        assert!(decode::<String>("files of run 2", Some(&cursor)).is_err());
        assert!(decode::<String>("files of run 1", Some("!")).is_err());
        assert_eq!(decode::<String>("files of run 1", Some("")).unwrap(), None);
    }

    #[test]
    fn page_sizes_are_capped() {
        assert_eq!(page_size(None).unwrap(), 50);
        assert_eq!(page_size(Some(1_000_000)).unwrap(), 1000);
        assert!(page_size(Some(-1)).is_err());
        assert_eq!(cut(vec![1, 2, 3], 2), (vec![1, 2], true));
    }
}
