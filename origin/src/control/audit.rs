//! The log of what was done to people and money by others: `audit/log.jsonl`.
//!
//! It names people by their ids alone. A note is what its author wrote.

use accounts::UserId;
use serde::Serialize;
use serde_json::Value;

use super::Desk;
use crate::clock::unix_ms;

/// A line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    at_ms: u64,
    actor: &'a str,
    act: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    details: Value,
}

impl Desk {
    /// Writes down what was done. What cannot be written is in the process's log, and counted.
    pub(super) async fn log(&self, actor: &str, act: &str, user: &UserId, details: Value) {
        self.log_about(actor, act, user.as_str(), details).await;
    }

    /// The same about somebody whose account may be another issuer's.
    pub(super) async fn log_about(&self, actor: &str, act: &str, user: &str, details: Value) {
        self.write(Line {
            at_ms: unix_ms(),
            actor,
            act,
            user: Some(user),
            room: None,
            details,
        })
        .await;
    }

    /// The same, of a room; without one, of what belongs to none.
    pub(super) async fn log_room(&self, actor: &str, act: &str, room: &str, details: Value) {
        self.write(Line {
            at_ms: unix_ms(),
            actor,
            act,
            user: None,
            room: (!room.is_empty()).then_some(room),
            details,
        })
        .await;
    }

    async fn write(&self, line: Line<'_>) {
        if !self.audit.append(&[line]).await {
            self.metrics.audit_failed.inc();
        }
    }
}
