//! One file a row of the table.

pub(crate) mod chart;
pub(crate) mod collect;
pub(crate) mod delete;
pub(crate) mod ingest;
pub(crate) mod killed;
pub(crate) mod many_writers;
pub(crate) mod run_list;
pub(crate) mod scan;
pub(crate) mod start;
pub(crate) mod upload;

/// Sizes of which each is ten times the one before.
pub(crate) fn decades(first: usize) -> Vec<usize> {
    vec![first, 10 * first, 100 * first]
}

/// Sizes in the order in which data grows.
fn ascending(sizes: &[usize]) -> Vec<usize> {
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}
