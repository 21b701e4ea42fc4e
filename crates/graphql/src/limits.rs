//! Limits on documents, beside the depth and complexity that async-graphql counts itself.

use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery};
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{ServerError, ServerResult, Variables};

/// The longest document of the client has about 700 tokens.
const MOST_TOKENS: usize = 10_000;
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
        if count_tokens(query, MOST_TOKENS) > MOST_TOKENS {
            return Err(refused(format!("the document has more than {MOST_TOKENS} tokens")));
        }
        let document = next.run(ctx, query, variables).await?;
        let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
        let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
        if operations.chain(fragments).map(count_aliases).sum::<usize>() > MOST_ALIASES {
            return Err(refused(format!("the document has more than {MOST_ALIASES} aliases")));
        }
        Ok(document)
    }
}

fn refused(reason: String) -> ServerError {
    let mut error = ServerError::new(reason, None);
    error.extensions.get_or_insert_default().set("code", "DOCUMENT_TOO_LARGE");
    error
}

/// Names, numbers, punctuation and strings; stops counting beyond `most`.
fn count_tokens(text: &str, most: usize) -> usize {
    let mut count = 0;
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => continue,
            b'#' => {
                while bytes.next_if(|b| *b != b'\n').is_some() {}
                continue;
            }
            b'"' => {
                while let Some(inside) = bytes.next() {
                    match inside {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ if byte.is_ascii_alphanumeric() || byte == b'_' => {
                while bytes.next_if(|b| b.is_ascii_alphanumeric() || *b == b'_').is_some() {}
            }
            _ => {}
        }
        count += 1;
        if count > most {
            break;
        }
    }
    count
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
    fn tokens_are_counted_as_the_specification_splits_them() {
        assert_eq!(count_tokens("query Q($a: Int!) { f(x: \"a b \\\" c\") } # comment\n", 100), 17);
        assert_eq!(count_tokens(&"{".repeat(50), 10), 11);
    }

    #[test]
    fn aliases_are_counted_at_every_level() {
        let text = "{ a: x { b: y ... { c: z } } d }";
        let document = async_graphql::parser::parse_query(text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        assert_eq!(count_aliases(&operation.node.selection_set.node), 3);
    }
}
