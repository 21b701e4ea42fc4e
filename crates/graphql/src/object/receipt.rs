//! Receipts of deletions.

use async_graphql::{Context, ID, Object, SimpleObject};

use counterweight_domain::Error;
use counterweight_domain::receipt;

use super::User;
use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::scalars::{DateTime, Int64};

/// What a deletion took away for good.
pub(crate) struct Receipt(pub(crate) receipt::Receipt);

/// An object to which what was deleted referred.
#[derive(SimpleObject)]
struct ReceiptObject {
    /// Its key in the store.
    key: String,
    /// What its bytes were.
    digest: Option<String>,
    /// How many.
    size_bytes: Int64,
    /// When the store had removed them.
    removed_at: Option<DateTime>,
    /// What the store said, or why they are kept; none: outstanding.
    answer: Option<String>,
}

/// A page of objects.
#[derive(SimpleObject)]
struct ReceiptObjectConnection {
    /// One for each object.
    edges: Vec<ReceiptObjectEdge>,
    /// Where the page ends.
    page_info: PageInfo,
}

/// An object in a list.
#[derive(SimpleObject)]
struct ReceiptObjectEdge {
    /// The object.
    node: ReceiptObject,
    /// Its place in the list.
    cursor: String,
}

#[Object]
impl Receipt {
    /// The id of the deletion.
    async fn deletion_id(&self) -> ID {
        self.0.deletion_id.clone().into()
    }

    /// The global id of the project that it was in.
    async fn project_id(&self) -> ID {
        self.0.project_id.to_node_id().into()
    }

    /// Who asked for it.
    async fn actor(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(ctx.request()?.loader.load_one(self.0.actor_id).await.or_graphql()?.map(User))
    }

    /// As they gave it.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// When it was asked for.
    async fn requested_at(&self) -> DateTime {
        DateTime(self.0.requested_at)
    }

    /// When its rows were gone.
    async fn purged_at(&self) -> DateTime {
        DateTime(self.0.purged_at)
    }

    /// When nothing was outstanding any more; none: something is.
    async fn issued_at(&self) -> Option<DateTime> {
        self.0.issued_at.map(DateTime)
    }

    /// SHA-256 of its lines, in hex, which the chain of audit entries holds.
    async fn digest(&self) -> Option<&str> {
        self.0.digest.as_deref()
    }

    /// All lines, as `counterweight receipt verify` checks them; none while it is not issued, or its entry waits for its
    /// place in the chain. `RECEIPT_TOO_LARGE` where it is longer than 16 MB: the program exports those.
    async fn document(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        const MOST: usize = 16 << 20;
        let mut text = Vec::new();
        let too_large =
            || Error::invalid("RECEIPT_TOO_LARGE", "document", "use counterweight receipt export");
        let mut sink = |line: &[u8]| {
            text.extend_from_slice(line);
            if text.len() > MOST { Err(too_large()) } else { Ok(()) }
        };
        match receipt::write(&ctx.request()?.db, &self.0, &mut sink).await {
            Err(Error::Precondition { .. }) => return Ok(None),
            written => written.or_graphql()?,
        }
        String::from_utf8(text).map(Some).map_err(Error::internal).or_graphql()
    }

    /// The objects to which what was deleted referred.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn objects(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<ReceiptObjectConnection> {
        let list = format!("objects of deletion {}", self.0.deletion_id);
        let wanted = connection::page_size(first)?;
        let after = connection::decode(&list, after.as_deref())?;
        let rows = receipt::list_objects(&ctx.request()?.db, &self.0.deletion_id, after, wanted + 1).await;
        let (rows, has_next_page) = connection::cut(rows.or_graphql()?, wanted);
        let mut edges = Vec::with_capacity(rows.len());
        for row in rows {
            let cursor = connection::encode(&list, &row.blob_id)?;
            let node = ReceiptObject {
                key: row.object_key,
                digest: row.digest,
                size_bytes: Int64(row.size_bytes),
                removed_at: row.removed_at.map(DateTime),
                answer: row.answer,
            };
            edges.push(ReceiptObjectEdge { node, cursor });
        }
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Ok(ReceiptObjectConnection { edges, page_info: PageInfo { end_cursor, has_next_page } })
    }
}
