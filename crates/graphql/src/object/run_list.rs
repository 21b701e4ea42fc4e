//! Lists of runs.

use async_graphql::SimpleObject;

use super::Run;
use crate::connection::PageInfo;

/// A page of runs.
#[derive(SimpleObject)]
pub(crate) struct RunConnection {
    /// One for each run.
    edges: Vec<RunEdge>,
    /// Where the page ends.
    page_info: PageInfo,
}

/// A run in a list.
#[derive(SimpleObject)]
pub(crate) struct RunEdge {
    /// The run.
    pub(crate) node: Run,
    /// Its place in the list.
    pub(crate) cursor: String,
}

impl RunConnection {
    /// A page of these.
    pub(crate) fn new(edges: Vec<RunEdge>, has_next_page: bool) -> Self {
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Self { edges, page_info: PageInfo { end_cursor, has_next_page } }
    }
}
