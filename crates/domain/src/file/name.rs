//! Names of run files. Pure.

use std::fmt;

use crate::error::{Error, Result};

/// A relative path with forward slashes. It names a row, never a path of the store, and may still not look like a
/// way out: clients write it below a folder when they download.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileName(String);

impl FileName {
    const LONGEST: usize = 1024;

    /// Checks a name; `field` says where it stood.
    pub fn parse(field: impl Into<String>, name: &str) -> Result<Self> {
        let reason = if name.is_empty() {
            "a file name must not be empty".to_owned()
        } else if name.len() > Self::LONGEST {
            format!("a file name has at most {} bytes", Self::LONGEST)
        } else if name.chars().any(char::is_control) {
            "a file name must not contain control characters".to_owned()
        } else if name.starts_with('/') || name.contains('\\') || name.as_bytes().get(1) == Some(&b':') {
            "a file name is a relative path with forward slashes".to_owned()
        } else if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            "a file name must not have empty, . or .. parts".to_owned()
        } else {
            return Ok(Self(name.to_owned()));
        };
        Err(Error::invalid("FILE_NAME_INVALID", field, reason))
    }

    /// The name that is meant by one that was asked for: `./x` is `x`, as it is for the client's own file.
    pub fn meant_by(name: &str) -> &str {
        name.trim_start_matches("./")
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_asked_for_from_the_folder_that_it_is_in() {
        for (asked, meant) in
            [("./a", "a"), ("././a/b", "a/b"), (".a", ".a"), ("../a", "../a"), ("a/./b", "a/./b")]
        {
            assert_eq!(FileName::meant_by(asked), meant);
        }
    }

    #[test]
    fn names_that_lead_outside_or_mean_nothing_are_refused() {
        for good in
            ["config.yaml", "media/images/x_0_ab.png", "test with_special-characters.txt", "é/…", "..a/b.."]
        {
            assert_eq!(FileName::parse("f", good).unwrap().as_str(), good);
        }
        let long = "a".repeat(2000);
        for bad in
            ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", "a\0b", "a\\b", "C:x", long.as_str()]
        {
            assert_eq!(FileName::parse("f", bad).unwrap_err().code(), "FILE_NAME_INVALID", "{bad:?}");
        }
    }
}
