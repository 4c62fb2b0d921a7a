//! `weirctl` as a process: against a registry on a real socket, and as an author uses it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod author;
mod control;
mod harness;
mod registry;
