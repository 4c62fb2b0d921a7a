//! Who people are: accounts with passwords, roles and grants; access tokens to show and refresh
//! tokens to get them by. Model, guarantees and threats are in this crate's README.
//!
//! **Nothing that is stored lets its reader sign in as somebody: passwords are argon2id, refresh
//! tokens SHA-256. (The signing keys are the exception, and stand in the same store.)**
//!
//! The cores are pure (`guard`, `keys`, `refresh`): time is always an argument, in milliseconds
//! since 1970. [`Accounts`] joins them with a [`Store`], which is in SQLite or PostgreSQL.

pub mod config;
pub mod limits;
pub mod postgres;
pub mod sqlite;

mod account;
mod crowd;
mod error;
mod guard;
mod keys;
mod password;
mod random;
mod refresh;
mod service;
mod store;
mod text;
mod token;

pub use account::{Account, Changed, Grant, GrantData, PersonalData, SessionData, State};
pub use error::{Error, Fault, Invalid, OpenError};
pub use keys::Rotation;
pub use password::Password;
pub use refresh::RefreshToken;
pub use service::{Accounts, AccountsOptions, NewAccount, Refreshed, SignIn, SignedIn, Tokens};
pub use store::{Found, Page, Store};
pub use text::{DisplayName, Login, Role, Room, UserId};
pub use token::{Claims, TokenError, TokenSettings};
