//! Receipts: what a deletion took away for good, down to each object, until nothing of it is outstanding.
//!
//! Whatever removes rows for a deletion notes, in the same transaction, to which objects they referred; the sweep notes what
//! the store said to their removal. What something else still refers to is noted as kept. Then the receipt is issued: its
//! lines get a digest, which the chain of audit entries holds.

mod document;
mod issue;
mod note;
mod queries;

pub use self::document::{Proven, verify, write};
pub use self::issue::issue;
pub(crate) use self::note::{Rows, deletion_of, items, open, purged, remove_rows, removed, withdraw};
pub use self::queries::{find, get, list_items, list_objects};
pub use crate::entity::receipt::Model as Receipt;
pub use crate::entity::receipt_item::Model as ReceiptItem;
pub use crate::entity::receipt_object::Model as ReceiptObject;
