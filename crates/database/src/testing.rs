//! Databases for tests: PostgreSQL, really running, and a kit for each kind, to run one suite against
//! both.
//!
//! Not for production: everything here panics when something is wrong.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod kits;
mod postgres;

pub use kits::{Kit, PostgresKit, SqliteKit};
pub use postgres::Server;
