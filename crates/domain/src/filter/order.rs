//! Order strings: `[+|-]path[,…]`. Pure.

use super::field::Field;
use crate::error::{Error, Result};

const DEFAULT: &str = "+created_at";
const MOST_TERMS: usize = 8;

/// The order of a listing. Runs without a value come last, whichever the direction; ties go by age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOrder {
    source: String,
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) field: Field,
    pub(crate) descending: bool,
}

impl RunOrder {
    /// Reads an order; nothing means oldest first.
    pub fn parse(text: &str) -> Result<Self> {
        let source = if text.trim().is_empty() { DEFAULT } else { text };
        let terms = source.split(',').map(parse_term).collect::<Result<Vec<_>>>()?;
        if terms.len() > MOST_TERMS {
            return Err(invalid(format!("at most {MOST_TERMS} paths")));
        }
        Ok(Self { source: source.to_owned(), terms })
    }

    /// By what lies under a key of the summary, which may be any text.
    pub(crate) fn by_summary(key: &str, descending: bool) -> Self {
        let sign = if descending { '-' } else { '+' };
        let term = Term { field: Field::of_summary(key), descending };
        Self { source: format!("{sign}summary_metrics.{key}"), terms: vec![term] }
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn terms(&self) -> &[Term] {
        &self.terms
    }
}

fn parse_term(text: &str) -> Result<Term> {
    let text = text.trim();
    let descending = text.starts_with('-');
    let path = text.strip_prefix(['+', '-']).unwrap_or(text);
    if path.is_empty() {
        return Err(invalid("a path is missing; write for example -created_at,+config.lr"));
    }
    Ok(Term { field: Field::parse(path), descending })
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::invalid("ORDER_INVALID", "order", reason)
}

#[cfg(test)]
mod tests {
    use super::super::field::Column;
    use super::*;

    #[test]
    fn a_path_without_a_sign_ascends_and_nothing_means_oldest_first() {
        let created = |descending| Term { field: Field::Column(Column::CreatedAt), descending };
        for (text, descending) in
            [("", false), ("created_at", false), ("+createdAt", false), ("-created_at", true)]
        {
            assert_eq!(RunOrder::parse(text).unwrap().terms(), [created(descending)], "{text}");
        }
    }

    #[test]
    fn paths_are_listed_with_commas() {
        let order = RunOrder::parse("-config.lr, +name").unwrap();
        assert_eq!(order.terms()[0], Term { field: Field::parse("config.lr"), descending: true });
        assert_eq!(order.terms()[1], Term { field: Field::parse("name"), descending: false });
    }

    #[test]
    fn an_order_without_a_path_is_refused() {
        for text in ["-", "name,", ",", &"name,".repeat(8).repeat(2)] {
            assert_eq!(RunOrder::parse(text).unwrap_err().code(), "ORDER_INVALID", "{text}");
        }
    }
}
