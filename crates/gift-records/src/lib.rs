//! The read model of gifts: who gave what, leaderboards, goals, earnings. What the ledger, which knows
//! no gifts, cannot answer. Model and guarantees are in this crate's README.
//!
//! It moves no money, and decides nothing about it: it is told by the ledger's outbox
//! ([`GiftRecords::apply_all`]). Names and rooms are checked by the caller.
//!
//! **Every message counts once: sums are always those of the records, whatever was killed in
//! between.**
//!
//! `book` counts, without I/O; `store` loads what it needs and writes what it says, in one
//! transaction.

pub mod limits;

mod book;
mod day;
mod record;
mod schema;
mod store;

pub use database::config::{DatabaseConfig, DatabaseSettings, Kind};
pub use database::{Error, OpenError};

pub use day::Day;
pub use record::{
    Applied, DaySum, Entry, GiftRecord, Goal, Leaderboard, Outcome, Page, Period, Reached, Spent,
    State,
};
pub use store::GiftRecords;
