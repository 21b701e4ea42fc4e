use sea_orm::DeriveValueType;

use crate::error::{Error, Result};

/// An address, in lower case: no two users share one, however it is written.
#[derive(Clone, Debug, PartialEq, Eq, DeriveValueType)]
pub struct Email(String);

impl Email {
    const LONGEST: usize = 254;

    /// Checks that it can be an address at all.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let has_parts = text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
        let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if has_parts && is_plain && text.len() <= Self::LONGEST {
            return Ok(Self(text.to_lowercase()));
        }
        let reason = format!("an address looks like name@host and has at most {} bytes", Self::LONGEST);
        Err(Error::invalid("EMAIL_INVALID", "email", reason))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`, as far as a name may have it.
    pub(super) fn local_part(&self) -> String {
        let local = self.0.split('@').next().unwrap_or_default();
        let allowed = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
        local.chars().take(100).map(allowed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_name_in_it() {
        assert_eq!(Email::parse("Grace.Hopper+wb@example.org").unwrap().local_part(), "grace.hopper-wb");
    }

    #[test]
    fn addresses_are_compared_in_lower_case() {
        assert_eq!(Email::parse(" Grace@Example.org ").unwrap().as_str(), "grace@example.org");
        for bad in
            ["", "grace", "@host", "grace@", "a b@host", "a\u{0}@host", &format!("a@{}", "h".repeat(253))]
        {
            assert_eq!(Email::parse(bad).unwrap_err().code(), "EMAIL_INVALID", "{bad:?}");
        }
    }
}
