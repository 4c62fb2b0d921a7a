//! The harness of the end-to-end tests: real processes on free ports, a programmable parent, a
//! publisher and a browser. The tests themselves are in `tests/`, one file per behaviour.
//!
//! Nothing here sleeps to let something happen: a test waits for a condition, and fails by name
//! when the condition does not come within its time ([`wait::until`]).

pub mod browser;
pub mod collector;
pub mod disk;
pub mod edge;
pub mod filters;
pub mod herds;
pub mod metrics;
pub mod node;
pub mod origin;
pub mod parent;
pub mod playlist;
pub mod publisher;
pub mod raw;
pub mod rooms;
pub mod shop;
pub mod steady;
pub mod storm;
pub mod tls;
pub mod wait;
