//! What edges, the control API and rooms tell each other about gifts, and the rules that decide
//! whether a filter's plan is money. This crate's README is the summary.
//!
//! It does no I/O and reads no clock.

mod announce;
mod order;
mod rules;
mod signals;

pub use announce::Announcement;
pub use order::{Currency, Order, Plan, Transfer};
pub use rules::{Move, OrderError, Rules, is_issue};
pub use signals::{Giver, SignalRules, Signals};

/// Most transfers of a plan; a ledger's batch holds as many.
pub const TRANSFERS_MAX: usize = 64;
/// Longest owner of an account, in bytes: with the currency before it, it fits a ledger's id.
pub const OWNER_BYTES_MAX: usize = 112;
/// Longest id of a gift, in bytes.
pub const ID_BYTES_MAX: usize = 64;
/// Longest name of an item, in bytes.
pub const ITEM_BYTES_MAX: usize = 64;
/// Longest note, in bytes.
pub const NOTE_BYTES_MAX: usize = 512;
/// Most of one item in one gift.
pub const COUNT_MAX: u32 = 1_000_000;
/// Largest amount: what a ledger counts.
pub const AMOUNT_MAX: u64 = i64::MAX as u64;
