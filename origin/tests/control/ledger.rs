//! The ledger, as operators and staff ask for it.

mod audit;
mod book;
mod doors;
mod reads;
