//! `weirctl ledger`, as typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to ask of the ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// What is in circulation, how many accounts there are, what waits to be delivered
    Summary,
    /// Add everything up again; names each difference, and exits 1 if there is one
    Verify(LedgerVerify),
    /// What an account has
    Balance {
        /// The account: coin:u-..., diamond:room:demo, coin:filter:gifts, coin:topup
        account: String,
    },
    /// What an account paid and got, the newest first
    History(LedgerHistory),
    /// A transfer, and those that were committed with it
    Transfer {
        /// The transfer's id, or that of one beside it
        id: String,
    },
    /// The whole ledger as JSON lines
    Export(Saving),
}

/// `ledger verify`
#[derive(Debug, Args)]
pub(crate) struct LedgerVerify {
    /// Only show what the last one found since the origin was started
    #[arg(long)]
    pub(crate) last: bool,
}

/// `ledger history`
#[derive(Debug, Args)]
pub(crate) struct LedgerHistory {
    /// The account: coin:u-..., diamond:room:demo, coin:filter:gifts, coin:topup
    pub(crate) account: String,
    #[command(flatten)]
    pub(crate) paging: Paging,
}

/// Which part of a list.
#[derive(Clone, Debug, Args)]
pub(crate) struct Paging {
    /// Only what came before this number (SEQ, or what the page before says)
    #[arg(long, value_name = "SEQ")]
    pub(crate) before: Option<u64>,
    /// How many lines are asked for at once
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// All pages, to the end
    #[arg(long)]
    pub(crate) all: bool,
}

/// Where what is exported goes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Saving {
    /// Write it to this file, which is there when all of it is [default: stdout]
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// Overwrite the file
    #[arg(long, requires = "to")]
    pub(crate) force: bool,
}
