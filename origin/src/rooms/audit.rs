//! What the log of rooms says: what moderators and filters did.
//!
//! It names people by their ids alone: neither names nor addresses, nor what was said.

use bus::RoomName;
use rooms::schema::{Act, Moderation, Review};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) at_ms: u64,
    pub(super) room: String,
    /// Of its event; none for what has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<u64>,
    /// User id; "filter" is a filter by itself.
    pub(super) actor: String,
    pub(super) act: Value,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) reason: String,
}

impl Line {
    pub(super) fn acted(room: &RoomName, seq: u64, at_ms: u64, moderation: Moderation) -> Self {
        let Moderation { actor, reason, act } = moderation;
        // What was pinned is somebody's words; its id says which.
        let act = match act {
            Act::Pin { id, .. } => Act::Pin { id, message: None },
            act => act,
        };
        Self {
            at_ms,
            room: room.as_str().to_owned(),
            seq: Some(seq),
            actor,
            act: serde_json::to_value(act).unwrap_or_default(),
            reason,
        }
    }

    /// An operator gave somebody an identity.
    pub(super) fn given(
        room: &RoomName,
        at_ms: u64,
        user: &str,
        roles: &[String],
        seconds: u64,
    ) -> Self {
        Self {
            at_ms,
            room: room.as_str().to_owned(),
            seq: None,
            actor: super::OPERATOR.to_owned(),
            act: serde_json::json!({
                "type": "token",
                "user": user,
                "roles": roles,
                "seconds": seconds,
            }),
            reason: String::new(),
        }
    }

    pub(super) fn reviewed(room: &RoomName, seq: u64, at_ms: u64, review: &Review) -> Self {
        Self {
            at_ms,
            room: room.as_str().to_owned(),
            seq: Some(seq),
            actor: if review.by.is_empty() {
                "filter".to_owned()
            } else {
                review.by.clone()
            },
            act: serde_json::json!({
                "type": "review",
                "kind": review.kind,
                "id": review.id,
                "author": review.message.author.id,
            }),
            reason: review.reason.clone(),
        }
    }

    pub(super) fn said(
        room: &RoomName,
        at_ms: u64,
        edge: String,
        actor: String,
        text: String,
    ) -> Self {
        // The chat filter's are JSON, another one's may be anything.
        let said = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self {
            at_ms,
            room: room.as_str().to_owned(),
            seq: None,
            actor: if actor.is_empty() {
                "filter".to_owned()
            } else {
                actor
            },
            act: serde_json::json!({ "type": "filter", "edge": edge, "said": said }),
            reason: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pinned_is_not_logged() {
        let room = RoomName::new("a").unwrap();
        let message = rooms::schema::Message {
            text: "a secret".to_owned(),
            ..Default::default()
        };
        let moderation = Moderation {
            actor: "ann".to_owned(),
            reason: String::new(),
            act: Act::Pin {
                id: "m1".to_owned(),
                message: Some(message),
            },
        };
        let line = Line::acted(&room, 1, 2, moderation);
        let text = serde_json::to_string(&line).unwrap();
        assert!(text.contains("m1") && !text.contains("secret"), "{text}");
    }
}
