//! `weirctl gift`, as typed.

use clap::{Args, Subcommand, ValueEnum};

use super::ledger::Paging;

/// What to do with gifts.
#[derive(Debug, Subcommand)]
pub(crate) enum GiftCommand {
    /// What was given, the newest first
    List(GiftList),
    /// One gift: its transfers, and why it is held
    Show(Gift),
    /// Let a held gift through
    Approve(Gift),
    /// Give a held gift's coins back
    Reject(Gift),
    /// Take a gift back: coins and diamonds return where they came from
    Refund(GiftRefund),
}

/// One gift.
#[derive(Debug, Args)]
pub(crate) struct Gift {
    /// Its id
    pub(crate) id: String,
}

/// `gift list`
#[derive(Debug, Args)]
pub(crate) struct GiftList {
    /// Only in this room
    #[arg(long, value_name = "NAME")]
    pub(crate) room: Option<String>,
    /// Only those that are
    #[arg(long, value_enum)]
    pub(crate) state: Option<GiftState>,
    #[command(flatten)]
    pub(crate) paging: Paging,
}

/// How far a gift has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GiftState {
    /// It was seen, and is paid
    Given,
    /// It waits for staff
    Held,
    /// Staff, or time, gave it back before it was seen
    Rejected,
    /// It was taken back
    Refunded,
}

impl GiftState {
    /// As in the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Held => "held",
            Self::Rejected => "rejected",
            Self::Refunded => "refunded",
        }
    }
}

/// `gift refund`
#[derive(Debug, Args)]
pub(crate) struct GiftRefund {
    #[command(flatten)]
    pub(crate) gift: Gift,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}
