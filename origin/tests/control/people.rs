//! Accounts, their tokens and names, what is kept of them, and what staff do with them.

mod credits;
mod guessing;
mod names;
mod outbox;
mod payments;
mod person;
mod refusals;
mod registration;
mod sessions;
mod staff;
mod tokens;
