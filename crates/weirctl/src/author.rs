//! The author's commands: a project from nothing to a filter that runs.

pub(crate) mod build;
mod cases;
mod check;
pub(crate) mod new;
pub(crate) mod project;
pub(crate) mod test;
pub(crate) mod watch;
