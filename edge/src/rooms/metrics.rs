//! Figures of rooms.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};
use rooms::schema::Outcome;
use telemetry::metrics::{self, RegisterError};

/// Codes of filters that are labels; filters do not make labels, so any other one is `filter`.
const CODES: [&str; 10] = [
    "done",
    "slow-mode",
    "too-fast",
    "link",
    "blocked-word",
    "duplicate",
    "unknown-command",
    "not-allowed",
    "unknown-message",
    "needs-id",
];

/// Everything that rooms count.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// `edge_rooms`: rooms that are open here.
    pub rooms: IntGauge,
    /// `edge_room_connections`: sockets and event streams.
    pub connections: IntGauge,
    /// `edge_room_members`: connections that are in a room.
    pub members: IntGauge,
    /// `edge_room_messages_sent_total`.
    pub sent: IntCounter,
    /// `edge_room_bytes_sent_total`.
    pub sent_bytes: IntCounter,
    /// `edge_room_connections_ended_total{reason}`.
    pub ended: IntCounterVec,
    /// `edge_room_publishes_total{outcome}`.
    pub publishes: IntCounterVec,
    /// `edge_room_joins_refused_total{reason}`.
    pub refused: IntCounterVec,
    /// `edge_room_link_nonsense_total`.
    pub link_nonsense: IntCounter,
    /// `edge_room_link_full_total`.
    pub link_full: IntCounter,
    /// `edge_room_presence_calls_skipped_total`.
    pub presence_skipped: IntCounter,
    /// `edge_room_commands_malformed_total`.
    pub commands_malformed: IntCounter,
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// A name that is already taken: a bug.
    pub fn new(r: &Registry) -> Result<Self, RegisterError> {
        Ok(Self {
            rooms: metrics::gauge(r, "edge_rooms", "Rooms that are open on this edge.")?,
            connections: metrics::gauge(
                r,
                "edge_room_connections",
                "WebSockets and event streams of rooms.",
            )?,
            members: metrics::gauge(
                r,
                "edge_room_members",
                "Connections that are in a room, as rooms count them.",
            )?,
            sent: metrics::counter(
                r,
                "edge_room_messages_sent_total",
                "Messages written to connections; one holds all that a tick brought.",
            )?,
            sent_bytes: metrics::counter(
                r,
                "edge_room_bytes_sent_total",
                "Bytes written to connections, with their framing.",
            )?,
            ended: metrics::counter_vec(
                r,
                "edge_room_connections_ended_total",
                "Connections that ended, by the reason.",
                &["reason"],
            )?,
            publishes: metrics::counter_vec(
                r,
                "edge_room_publishes_total",
                "What became of messages and acts of people here (unknown codes of filters: filter).",
                &["outcome"],
            )?,
            refused: metrics::counter_vec(
                r,
                "edge_room_joins_refused_total",
                "Connections that were not let in, by the reason.",
                &["reason"],
            )?,
            link_nonsense: metrics::counter(
                r,
                "edge_room_link_nonsense_total",
                "Messages of hubs that could not be read.",
            )?,
            link_full: metrics::counter(
                r,
                "edge_room_link_lost_total",
                "Messages to hubs that the bus did not take.",
            )?,
            presence_skipped: metrics::counter(
                r,
                "edge_room_presence_calls_skipped_total",
                "Joins and leaves that filters were not told of, because too many came at once.",
            )?,
            commands_malformed: metrics::counter(
                r,
                "edge_room_commands_malformed_total",
                "Commands of filters that could not be carried out.",
            )?,
        })
    }

    /// Counts the answer to a publish.
    pub(super) fn outcome(&self, outcome: &Outcome) {
        let label = match outcome {
            Outcome::Accepted { seq: Some(_), .. } => "accepted",
            Outcome::Accepted { seq: None, .. } => "author_only",
            Outcome::Refused { code, .. } => code.as_str(),
            Outcome::Rejected { code, .. } => {
                let known = CODES.into_iter().find(|known| known == code);
                known.unwrap_or("filter")
            }
            Outcome::Held => "held",
        };
        self.publishes.with_label_values(&[label]).inc();
    }

    /// Counts somebody who was not let in.
    pub fn refuse(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// Counts the end of a connection.
    pub(super) fn ended(&self, reason: &str) {
        self.ended.with_label_values(&[reason]).inc();
    }
}
