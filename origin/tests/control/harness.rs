//! An origin with the control API in this process, and who asks it.
//!
//! A test says what the origin is to have ([`Setup`]), and asks it by [`Call`]s.

mod asking;
mod origin;
mod people;
mod rooms;
mod setup;

pub(crate) use asking::{Answer, Call, at_once, call, edge, get, operator, post, stranger};
pub(crate) use origin::Origin;
pub(crate) use people::{HOME, PASSWORD, Someone, WRONG, credit};
pub(crate) use setup::{LINK, SECRETS, Setup, control_file};

pub(crate) use crate::support::{KEY, PATIENCE, Publisher, eventually, patiently};
