//! What a run told its owner.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use counterweight_domain::alert;
use counterweight_domain::id::RunId;

use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::loaders::AlertPage;
use crate::scalars::DateTime;

/// What a run told its owner.
pub(crate) struct Alert(alert::Alert);

/// How urgent an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "alert::AlertSeverity")]
pub(crate) enum AlertSeverity {
    /// Good to know.
    Info,
    /// To look at.
    Warn,
    /// Something went wrong.
    Error,
}

/// A page of alerts.
#[derive(SimpleObject)]
pub(crate) struct AlertConnection {
    /// One for each alert, the newest first.
    edges: Vec<AlertEdge>,
    /// Where the page ends.
    page_info: PageInfo,
}

/// An alert in a list.
#[derive(SimpleObject)]
struct AlertEdge {
    /// The alert.
    node: Alert,
    /// Its place in the list.
    cursor: String,
}

#[Object]
impl Alert {
    /// Global id.
    async fn id(&self) -> ID {
        self.0.id.to_node_id().into()
    }

    /// What it is about.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// What there is to say.
    async fn text(&self) -> &str {
        &self.0.text
    }

    /// How urgent it is.
    async fn severity(&self) -> AlertSeverity {
        self.0.severity.into()
    }

    /// When it was told.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }
}

impl AlertConnection {
    /// The alerts of a run after a cursor.
    pub(super) async fn page(
        ctx: &Context<'_>,
        run: RunId,
        after: Option<&str>,
        first: Option<i32>,
    ) -> Result<Self> {
        let wanted = connection::page_size(first)?;
        let list = format!("alerts of run {run}");
        let page = AlertPage { run, before: connection::decode(&list, after)?, limit: wanted + 1 };
        let rows = ctx.request()?.loader.load_one(page).await.or_graphql()?.unwrap_or_default();
        let (rows, has_next_page) = connection::cut(rows, wanted);
        let mut edges = Vec::with_capacity(rows.len());
        for row in rows {
            edges.push(AlertEdge { cursor: connection::encode(&list, &row.id)?, node: Alert(row) });
        }
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Ok(Self { edges, page_info: PageInfo { end_cursor, has_next_page } })
    }
}
