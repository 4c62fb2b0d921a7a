//! Who takes too much: rates, tables of keys with their debts, and what an HTTP/2 peer may send.
//!
//! Nothing here has a clock, a socket or randomness: the caller says what time it is, as the span
//! since a moment of its own choice that never changes, and which key is meant.

pub mod frames;
pub mod rate;
pub mod table;

pub use frames::{Flood, Frames};
pub use rate::{Debt, Rate};
pub use table::{Counts, Key, Table, Untaken};
