//! What may be sent to a room that the API made: rules of its own, where they are other than
//! `[ingest_rules]`. They are stored as the API takes them; what a limit means is [`crate::health`]'s.

use ::channels::{Room, Source};
use http::StatusCode;
use settings::{Invalid, KeyPath};

use super::Directory;
use crate::config::{IngestRulesConfig, StreamRulesConfig};
use crate::control::problem::Problem;
use crate::health::IngestRules;

impl Directory {
    /// As a room's rules are stored, if they can hold.
    pub(super) fn written(&self, own: &StreamRulesConfig) -> Result<String, Problem> {
        let over = own.over(self.everywhere());
        over.resolve(&KeyPath::new("rules")).map_err(refusal)?;
        if *own == StreamRulesConfig::default() {
            return Ok(String::new());
        }
        serde_json::to_string(own).map_err(|error| {
            tracing::error!(%error, "rules cannot be written");
            Problem::unavailable("unavailable", "the rules cannot be stored")
        })
    }
}

/// What a room has of its own. A configuration has that of its streams.
pub(super) fn own(room: &Room) -> Option<StreamRulesConfig> {
    if room.source != Source::Api || room.rules.is_empty() {
        return None;
    }
    let read = serde_json::from_str(&room.rules);
    let unreadable = |error: &serde_json::Error| {
        tracing::error!(
            room = room.name,
            %error,
            "the rules of a room cannot be read: those of [ingest_rules] hold"
        );
    };
    read.inspect_err(unreadable).ok()
}

/// What holds in a room that has rules of its own.
pub(super) fn holding(room: &Room, everywhere: &IngestRulesConfig) -> Option<IngestRules> {
    let resolved = own(room)?.over(everywhere).resolve(&KeyPath::new("rules"));
    let unfit = |invalid: &Invalid| {
        // They did go with those that the configuration had.
        tracing::error!(
            room = room.name,
            key = %invalid.key,
            reason = invalid.reason,
            "the rules of a room do not go with [ingest_rules], which hold alone"
        );
    };
    resolved.inspect_err(unfit).ok()
}

fn refusal(Invalid { key, reason }: Invalid) -> Problem {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Problem::new(status, "bad-rules", format!("{key}: {reason}"))
}
