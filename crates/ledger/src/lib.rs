//! Double entry for coins and diamonds: immutable transfers, committed in linked batches together
//! with what the world is told of them. Model, guarantees and failures are in this crate's README.
//!
//! It knows no gifts, no prices and no people: ids are opaque. It logs nothing about money.
//!
//! **Not one unit is lost, doubled or invented: every currency sums to zero after every commit,
//! whatever was killed in between.**
//!
//! `rules` decides, without I/O; [`sqlite`] and [`postgres`] load what it needs and write what it
//! says; [`Store`] is what the rest of Weir sees.

pub mod config;
pub mod limits;
pub mod postgres;
pub mod sqlite;

mod account;
mod audit;
mod batch;
mod error;
mod export;
mod ledger;
mod migrations;
mod money;
mod op;
mod rows;
mod rules;
mod store;
mod summary;
mod text;
mod writer;

pub use database::OpenError;

pub use account::{Balance, Hold, HoldState, NewAccount, NewHold};
pub use audit::{Difference, Progress, Report, Sequence, Sum};
pub use batch::{Batch, Message, Posted, Transfer};
pub use error::{Error, Fault, HoldProblem, Invalid, ReversalProblem};
pub use export::Export;
pub use ledger::Ledger;
pub use money::{Amount, Currency, Timestamp};
pub use op::{Outcome, Receipt};
pub use store::{Page, Queued, Store};
pub use summary::{Issued, Summary};
pub use text::{AccountId, HoldId, Kind, Reference, TransferId};
