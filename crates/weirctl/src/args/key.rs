//! `weirctl key`, as typed.

use clap::{Args, Subcommand};

/// What to do with the keys that sign access tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Replace the signing key, as the origin does every 30 days
    Rotate(KeyRotate),
}

/// `key rotate`
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct KeyRotate {
    /// Others know it: the new one signs at once, and access tokens of before count no longer
    #[arg(long)]
    pub(crate) compromised: bool,
}
