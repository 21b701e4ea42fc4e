//! Domain errors as GraphQL errors: the message, and a stable code in the extensions.

use async_graphql::{Error, ErrorExtensions as _};

use counterweight_domain as domain;

/// Result of a resolver.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Turns a domain error into what the caller may know. What only the operator may know goes to the log.
pub(crate) fn to_graphql(error: &domain::Error) -> Error {
    if let domain::Error::Internal { source } | domain::Error::Unavailable { source, .. } = error {
        let cause = domain::chain(source.as_ref());
        tracing::error!(code = error.code(), cause, "a request failed");
    }
    Error::new(error.to_string()).extend_with(|_, extensions| {
        extensions.set("code", error.code());
        if let domain::Error::Unavailable { retry_after, .. } = error {
            extensions.set("retryAfter", retry_after.as_secs());
        }
    })
}

/// `?` for domain results inside resolvers.
pub(crate) trait OrGraphql<T> {
    /// The value, or the error as the caller may see it.
    fn or_graphql(self) -> Result<T>;
}

impl<T> OrGraphql<T> for domain::Result<T> {
    fn or_graphql(self) -> Result<T> {
        self.map_err(|error| to_graphql(&error))
    }
}

impl<T> OrGraphql<T> for std::result::Result<T, std::sync::Arc<domain::Error>> {
    fn or_graphql(self) -> Result<T> {
        self.map_err(|error| to_graphql(&error))
    }
}
