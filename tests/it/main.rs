//! What the server does, seen from outside: the real router, a real database (`SQLite` and `PostgreSQL`), a clock that
//! stands still until it is moved.

mod slice;
mod support;
