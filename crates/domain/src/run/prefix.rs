//! Strings that start with others, as a range that an index can find.

use sea_orm::DbBackend;
use sea_orm::sea_query::{Expr, ExprTrait as _};

use crate::db::dialect;

/// The string starts with `prefix`; case matters.
pub(super) fn starts_with(backend: DbBackend, text: Expr, prefix: &str) -> Expr {
    let text = dialect::bytewise(backend, text);
    let from = text.clone().gte(prefix);
    match end(prefix) {
        Some(end) => from.and(text.lt(end)),
        None => from,
    }
}

/// The first string after all those that start with `prefix`, by their bytes; none where all that follow do.
fn end(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_prefix_skips_what_is_no_character() {
        for (prefix, expected) in [
            ("ab", Some("ac")),
            ("a\u{10FFFF}\u{10FFFF}", Some("b")),
            ("\u{D7FF}", Some("\u{E000}")),
            ("\u{10FFFF}", None),
            ("", None),
        ] {
            assert_eq!(end(prefix).as_deref(), expected, "{prefix:?}");
        }
    }
}
