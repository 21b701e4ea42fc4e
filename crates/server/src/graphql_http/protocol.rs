//! The messages of `graphql-transport-ws`, by which results are told as they come. Pure.

use async_graphql::ServerError;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The name of the protocol.
pub const PROTOCOL: &str = "graphql-transport-ws";

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// The first message.
    ConnectionInit {
        /// May say who it is.
        payload: Option<Map<String, Value>>,
    },
    /// Begins an operation.
    Subscribe {
        /// The client's name for it.
        id: String,
        /// What a body of a `POST` would have.
        payload: Map<String, Value>,
    },
    /// Ends an operation.
    Complete {
        /// The client's name for it.
        id: String,
    },
    /// Asks for a pong.
    Ping {},
    /// Answers a ping.
    Pong {},
}

/// Why a connection is closed: the code, and words for whoever reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close(pub u16, pub &'static str);

impl Close {
    /// The server stops.
    pub const GOING_AWAY: Self = Self(1001, "the server stops");
    /// Nothing was asked for.
    pub const IDLE: Self = Self(1000, "nothing was asked for");
    /// There is no place for it.
    pub const TRY_LATER: Self = Self(1013, "too many connections are open");
    /// A message that is none.
    pub const BAD_REQUEST: Self = Self(4400, "the message is not one of graphql-transport-ws");
    /// An operation before the acknowledgement.
    pub const UNAUTHORIZED: Self = Self(4401, "Unauthorized");
    /// The key is not valid.
    pub const FORBIDDEN: Self = Self(4403, "Forbidden: the API key is missing or not valid");
    /// There was no first message.
    pub const INIT_TIMEOUT: Self = Self(4408, "Connection initialisation timeout");
    /// Two operations of one name.
    pub const ID_TAKEN: Self = Self(4409, "Subscriber for this id already exists");
    /// Two first messages.
    pub const INIT_TWICE: Self = Self(4429, "Too many initialisation requests");
}

/// Answers the first message.
pub fn ack() -> String {
    json!({ "type": "connection_ack" }).to_string()
}

/// Answers a ping.
pub fn pong() -> String {
    json!({ "type": "pong" }).to_string()
}

/// An operation has told everything.
pub fn complete(id: &str) -> String {
    json!({ "id": id, "type": "complete" }).to_string()
}

/// An operation did not begin.
pub fn refused(id: &str, errors: &[ServerError]) -> String {
    json!({ "id": id, "type": "error", "payload": errors }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: Value) -> serde_json::Result<ClientMessage> {
        serde_json::from_value(message)
    }

    #[test]
    fn what_a_client_says_is_understood() {
        for message in [
            json!({"type": "connection_init"}),
            json!({"type": "connection_init", "payload": null}),
            json!({"type": "connection_init", "payload": {"Authorization": "Bearer k"}}),
            json!({"type": "subscribe", "id": "1", "payload": {"query": "{ a }"}}),
            json!({"type": "complete", "id": "1"}),
            json!({"type": "ping", "payload": {"any": 1}}),
            json!({"type": "pong"}),
        ] {
            assert!(read(message.clone()).is_ok(), "{message}");
        }
        for message in [
            json!({}),
            json!([]),
            json!({"type": "start", "id": "1", "payload": {"query": "{ a }"}}),
            json!({"type": "subscribe", "id": 1, "payload": {}}),
            json!({"type": "subscribe", "id": "1"}),
        ] {
            assert!(read(message.clone()).is_err(), "{message}");
        }
    }
}
