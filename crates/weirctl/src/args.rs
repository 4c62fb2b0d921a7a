//! The command line, as typed.
//!
//! It is checked where that needs no file and no server; [`crate::config`] adds the rest.

mod filter;
mod gift;
mod key;
mod ledger;
mod node;
mod room;
mod user;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use reqwest::Url;

pub(crate) use filter::{
    Activate, Audit, Component, FilterCommand, Language, Logs, New, NewHook, Push, Revoke,
    Rollback, Run, Shadow, Sign, Signing, Switch, Test, Waiting,
};
pub(crate) use gift::{GiftCommand, GiftList, GiftRefund};
pub(crate) use key::{KeyCommand, KeyRotate};
pub(crate) use ledger::{LedgerCommand, LedgerHistory, LedgerVerify, Saving};
pub(crate) use node::{Purge, Status, Streams};
pub(crate) use room::{RoomAct, RoomAudit, RoomCommand, RoomErase, RoomExport, RoomToken};
pub(crate) use user::{UserCommand, UserCredit, UserErase, UserExport, UserList, UserRole};

use crate::config::base_url;

/// Operates Weir: nodes, filters, rooms, people, gifts and the ledger; helps to write filters.
#[derive(Debug, Parser)]
#[command(name = "weirctl", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// For every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command. Those left out come from the environment, then from the file.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// The registry: the origin's admin listener [WEIR_REGISTRY; default: http://127.0.0.1:9080]
    #[arg(long, global = true, value_name = "URL", value_parser = base_url)]
    pub(crate) registry: Option<Url>,
    /// Bearer token; others on this machine can see a command line, so better use the next [WEIR_TOKEN]
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        conflicts_with = "token_file"
    )]
    pub(crate) token: Option<String>,
    /// File with the bearer token
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// PEM certificates to trust besides the system's
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Write JSON, one document a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// These options in TOML: registry, token, token_file, ca_file, json, nodes [default: ~/.config/weir/weirctl.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write, test, push and operate filters
    #[command(subcommand)]
    Filter(Box<FilterCommand>),
    /// Rooms: who is there, identities, moderation, the log
    #[command(subcommand)]
    Room(RoomCommand),
    /// People's accounts: roles, blocks, coins, passwords, their data
    #[command(subcommand)]
    User(UserCommand),
    /// Gifts: what was given, what is held, refunds
    #[command(subcommand)]
    Gift(GiftCommand),
    /// The ledger: balances, history, audit, export
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// The keys that sign access tokens
    #[command(subcommand)]
    Key(KeyCommand),
    /// What the nodes do
    Status(Status),
    /// What is being broadcast
    Streams(Streams),
    /// Take objects out of edges' caches
    Purge(Purge),
}

#[cfg(test)]
mod tests;
