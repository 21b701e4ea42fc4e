//! What collections, aliases and tags may be called, and how a version is named. Pure.

use std::fmt;
use std::str::FromStr;

use sea_orm::DeriveValueType;

use crate::error::{Error, Result};

const LONGEST: usize = 128;
/// What an alias or a tag list may hold at once.
const MOST: usize = 100;
/// The alias that always means the newest version.
pub(crate) const LATEST: &str = "latest";

/// Checks the name of a collection or of a type.
pub(crate) fn check_collection_name(field: &'static str, name: &str) -> Result<()> {
    let fits = !name.is_empty()
        && name.chars().count() <= LONGEST
        && !name.chars().any(|c| c.is_control() || "/:".contains(c));
    if fits {
        return Ok(());
    }
    let reason = "a name has 1 to 128 characters, and none of / and :";
    Err(Error::invalid("ARTIFACT_NAME_INVALID", field, reason))
}

/// Checks an alias that someone wants to set. What looks like a version is one.
pub(crate) fn check_alias(alias: &str) -> Result<()> {
    let invalid =
        |reason: &str| Err(Error::invalid("ALIAS_INVALID", "alias", format!("{alias:?}: {reason}")));
    if alias.is_empty() || alias.chars().count() > LONGEST {
        return invalid("an alias has 1 to 128 characters");
    }
    if alias.chars().any(|c| c.is_control() || "/:".contains(c)) {
        return invalid("an alias has none of / and :");
    }
    if VersionName::parse(alias).is_index() {
        return invalid("this is what a version is called");
    }
    Ok(())
}

/// Checks a tag: words of letters, digits, `_` and `-`, with single spaces between them (protocol reference 5.9).
pub(crate) fn check_tag(tag: &str) -> Result<()> {
    let word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    if tag.chars().count() <= LONGEST && tag.split(' ').all(word) {
        return Ok(());
    }
    let reason = format!("{tag:?}: a tag is words of letters, digits, _ and -, 128 characters at most");
    Err(Error::invalid("TAG_INVALID", "tags", reason))
}

/// Checks how many aliases or tags come at once.
pub(crate) fn check_count(field: &'static str, count: usize) -> Result<()> {
    if count <= MOST {
        return Ok(());
    }
    Err(Error::invalid("TOO_MANY", field, format!("at most {MOST} at once")))
}

/// Aliases that are set when a version is committed, each in its collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct Aliases(pub Vec<RequestedAlias>);

/// An alias, and the collection it is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestedAlias {
    /// The collection's name.
    pub collection: String,
    /// The alias.
    pub alias: String,
}

impl fmt::Display for Aliases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<_> = self.0.iter().map(|one| (&one.collection, &one.alias)).collect();
        serde_json::to_string(&pairs).map_err(|_| fmt::Error)?.fmt(f)
    }
}

impl FromStr for Aliases {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let pairs: Vec<(String, String)> = serde_json::from_str(text)?;
        Ok(Self(pairs.into_iter().map(|(collection, alias)| RequestedAlias { collection, alias }).collect()))
    }
}

/// How a version of a collection is named: `v3`, an alias, or the version's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionName<'a> {
    /// Its place in the collection.
    Index(i64),
    /// An alias, or a digest.
    Word(&'a str),
}

impl<'a> VersionName<'a> {
    /// Reads a name; none means the latest version.
    pub fn parse(text: &'a str) -> Self {
        let digits = text.strip_prefix('v').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(index) => Self::Index(index),
            None if text.is_empty() => Self::Word(LATEST),
            None => Self::Word(text),
        }
    }

    fn is_index(self) -> bool {
        matches!(self, Self::Index(_))
    }
}

/// `collection:version`, taken apart; a name without a colon means the latest version.
pub fn split_name(name: &str) -> (&str, VersionName<'_>) {
    let (collection, version) = name.split_once(':').unwrap_or((name, ""));
    (collection, VersionName::parse(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_named_by_index_alias_or_digest() {
        assert_eq!(split_name("model:v12"), ("model", VersionName::Index(12)));
        assert_eq!(split_name("model:best"), ("model", VersionName::Word("best")));
        assert_eq!(split_name("model:vast"), ("model", VersionName::Word("vast")));
        assert_eq!(split_name("model"), ("model", VersionName::Word("latest")));
        assert_eq!(split_name("model:v"), ("model", VersionName::Word("v")));
    }

    #[test]
    fn names_that_would_be_read_otherwise_are_refused() {
        for good in ["latest", "best-so-far", "v", "version1", "é"] {
            check_alias(good).unwrap();
        }
        for bad in ["", "v0", "v17", "a/b", "a:b", "\n", &"a".repeat(129)] {
            assert_eq!(check_alias(bad).unwrap_err().code(), "ALIAS_INVALID", "{bad:?}");
        }
        for bad in ["", "a/b", "a:b", "\0", &"a".repeat(129)] {
            let refused = check_collection_name("name", bad).unwrap_err();
            assert_eq!(refused.code(), "ARTIFACT_NAME_INVALID", "{bad:?}");
        }
        for good in ["a", "two words", "x-y_z 1"] {
            check_tag(good).unwrap();
        }
        for bad in ["", " a", "a  b", "a:b", "a/b", &"a".repeat(129)] {
            assert_eq!(check_tag(bad).unwrap_err().code(), "TAG_INVALID", "{bad:?}");
        }
    }

    #[test]
    fn requested_aliases_read_back() {
        let wanted = Aliases(vec![RequestedAlias { collection: "m".into(), alias: "best".into() }]);
        assert_eq!(wanted.to_string(), r#"[["m","best"]]"#);
        assert_eq!(r#"[["m","best"]]"#.parse::<Aliases>().unwrap(), wanted);
    }
}
