//! Limits on documents, beside the depth and complexity that async-graphql counts itself. The server has
//! counted its tokens before.

use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery};
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{ServerError, ServerResult, Variables};

/// Complexity prices what a document fetches; this bounds how often it may ask for the same.
const MOST_ALIASES: usize = 100;

/// Refuses documents that are out of proportion, before they are validated.
pub(crate) struct Limits;

impl ExtensionFactory for Limits {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for Limits {
    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let document = next.run(ctx, query, variables).await?;
        let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
        let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
        if operations.chain(fragments).map(count_aliases).sum::<usize>() > MOST_ALIASES {
            return Err(too_many_aliases());
        }
        Ok(document)
    }
}

fn too_many_aliases() -> ServerError {
    let reason = format!("the document has more than {MOST_ALIASES} aliases");
    let mut error = ServerError::new(reason, None);
    error.extensions.get_or_insert_default().set("code", "DOCUMENT_TOO_LARGE");
    error
}

fn count_aliases(set: &SelectionSet) -> usize {
    let count = |selection: &Selection| match selection {
        Selection::Field(field) => {
            usize::from(field.node.alias.is_some()) + count_aliases(&field.node.selection_set.node)
        }
        Selection::InlineFragment(fragment) => count_aliases(&fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => 0,
    };
    set.items.iter().map(|item| count(&item.node)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_counted_at_every_level() {
        let text = "{ a: x { b: y ... { c: z } } d }";
        let document = async_graphql::parser::parse_query(text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        assert_eq!(count_aliases(&operation.node.selection_set.node), 3);
    }
}
