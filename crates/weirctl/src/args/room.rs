//! `weirctl room`, as typed.

use clap::{Args, Subcommand};

use super::ledger::Saving;
use super::user::Sure;

/// What to do with rooms.
#[derive(Debug, Subcommand)]
pub(crate) enum RoomCommand {
    /// The rooms that are open
    List,
    /// One room: who is there, its settings, its pin
    Show {
        /// The room; it has the name of its stream
        room: String,
    },
    /// An identity with roles, for a page's link
    Token(RoomToken),
    /// Moderate: {"type":"ban","user":"g-..."}
    Act(RoomAct),
    /// What moderators and filters did
    Audit(RoomAudit),
    /// What somebody wrote, as far as chat is stored, as JSON lines
    Export(RoomExport),
    /// Take what somebody wrote, and their name, out of all rooms
    Erase(RoomErase),
}

/// `room export`
#[derive(Debug, Args)]
pub(crate) struct RoomExport {
    /// Their id: g-... of a guest, u-... of an account
    pub(crate) user: String,
    #[command(flatten)]
    pub(crate) saving: Saving,
}

/// `room erase`
#[derive(Debug, Args)]
pub(crate) struct RoomErase {
    /// Their id: g-... of a guest, u-... of an account
    pub(crate) user: String,
    #[command(flatten)]
    pub(crate) sure: Sure,
}

/// `room token`
#[derive(Debug, Args)]
pub(crate) struct RoomToken {
    /// The room
    #[arg(long, value_name = "NAME")]
    pub(crate) room: String,
    /// broadcaster, moderator, staff, vip, subscriber, verified or bot; several times for several
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
    /// What the person is called [default: the first role]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Their id, if they have one [default: made up]
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<String>,
    /// How long it holds
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=8784))]
    pub(crate) hours: u64,
}

/// `room act`
#[derive(Debug, Args)]
pub(crate) struct RoomAct {
    /// The room
    pub(crate) room: String,
    /// The act, as JSON
    #[arg(value_name = "JSON", value_parser = json)]
    pub(crate) act: serde_json::Value,
    /// Why; people see it
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
}

/// `room audit`
#[derive(Debug, Args)]
pub(crate) struct RoomAudit {
    /// The room
    pub(crate) room: String,
    /// How many lines, the latest
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
}

fn json(text: &str) -> Result<serde_json::Value, String> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if value.get("type").is_some_and(serde_json::Value::is_string) {
        Ok(value)
    } else {
        Err("an act is an object with a \"type\"".to_owned())
    }
}
