//! What an operator sees of a Weir process: its logs, its traces, its metrics, its health, and the admin
//! listener that serves the latter two.
//!
//! It knows nothing of streams or caches. Each component registers its own metrics in the
//! [`Registry`] and names its own conditions in [`Health`].

pub mod admin;
pub mod log;
pub mod metrics;
pub mod traces;

mod health;
mod process;

pub use health::{Health, Readiness};
pub use metrics::BuildInfo;
pub use prometheus::Registry;
