//! Figures of hubs.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};
use rooms::HubFigures;
use telemetry::metrics::{self, RegisterError};

/// Everything that hubs count.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// `weir_rooms`.
    pub rooms: IntGauge,
    /// `weir_room_connections`.
    pub connections: IntGauge,
    /// `weir_room_users`.
    pub users: IntGauge,
    /// `weir_room_events_total`.
    pub events: IntCounter,
    /// `weir_room_sampled_total`.
    pub sampled: IntCounter,
    /// `weir_room_duplicates_total`.
    pub duplicates: IntCounter,
    /// `weir_room_refused_total{reason}`.
    pub refused: IntCounterVec,
    /// `weir_room_fills_total{kind}`.
    pub fills: IntCounterVec,
    /// `weir_room_saves_failed_total`.
    pub saves_failed: IntCounter,
    /// `weir_room_loads_failed_total`.
    pub loads_failed: IntCounter,
    /// `weir_room_audit_failed_total`.
    pub audit_failed: IntCounter,
    /// `weir_room_inputs_lost_total`.
    pub inputs_lost: IntCounter,
    /// `weir_room_nonsense_total`.
    pub nonsense: IntCounter,
    /// `weir_room_archive_lost_total`.
    pub archive_lost: IntCounter,
    /// `weir_room_archive_failed_total`.
    pub archive_failed: IntCounter,
    /// `weir_guests_total{outcome}`.
    pub guests: IntCounterVec,
    /// `weir_guest_names`.
    pub names: IntGauge,
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// A name that is already taken: a bug.
    #[expect(clippy::too_many_lines, reason = "a table, one entry per metric")]
    pub fn new(r: &Registry) -> Result<Self, RegisterError> {
        Ok(Self {
            rooms: metrics::gauge(r, "weir_rooms", "Rooms whose hub is here.")?,
            connections: metrics::gauge(
                r,
                "weir_room_connections",
                "Connections in all rooms, as edges report them.",
            )?,
            users: metrics::gauge(
                r,
                "weir_room_users",
                "People in all rooms, as edges report them.",
            )?,
            events: metrics::counter(
                r,
                "weir_room_events_total",
                "Messages, acts, gifts and notices that were accepted.",
            )?,
            sampled: metrics::counter(
                r,
                "weir_room_sampled_total",
                "Messages left out because of a room's cap; their authors see them.",
            )?,
            duplicates: metrics::counter(
                r,
                "weir_room_duplicates_total",
                "Messages and acts that came again, and were answered as the first time.",
            )?,
            refused: metrics::counter_vec(
                r,
                "weir_room_refused_total",
                "Messages and acts that hubs refused, by the reason.",
                &["reason"],
            )?,
            fills: metrics::counter_vec(
                r,
                "weir_room_fills_total",
                "What edges were given that missed something: all of it (fill), or the state (reset).",
                &["kind"],
            )?,
            saves_failed: metrics::counter(
                r,
                "weir_room_saves_failed_total",
                "Times that a room could not be saved; it goes on, and is saved later.",
            )?,
            loads_failed: metrics::counter(
                r,
                "weir_room_loads_failed_total",
                "Times that a room could not be read; it is not there until it can.",
            )?,
            audit_failed: metrics::counter(
                r,
                "weir_room_audit_failed_total",
                "Times that the log of acts could not be written; the process's log has them.",
            )?,
            inputs_lost: metrics::counter(
                r,
                "weir_room_inputs_lost_total",
                "What edges said that a busy hub did not take; they say it again.",
            )?,
            nonsense: metrics::counter(
                r,
                "weir_room_nonsense_total",
                "Messages of edges that could not be read, or said another edge's name.",
            )?,
            archive_lost: metrics::counter(
                r,
                "weir_room_archive_lost_total",
                "Batches of events that were not stored because the archive was behind.",
            )?,
            archive_failed: metrics::counter(
                r,
                "weir_room_archive_failed_total",
                "Times that the archive could not be written, swept or closed.",
            )?,
            guests: metrics::counter_vec(
                r,
                "weir_guests_total",
                "Identities that guests asked for, by what they were answered.",
                &["outcome"],
            )?,
            names: metrics::gauge(r, "weir_guest_names", "Names of guests that are in use.")?,
        })
    }

    /// Counts what a room has done since it was counted last.
    pub(super) fn room(&self, before: &HubFigures, now: &HubFigures) {
        self.connections
            .add(i64::from(now.connections) - i64::from(before.connections));
        self.users
            .add(i64::from(now.users) - i64::from(before.users));
        self.events.inc_by(now.head.saturating_sub(before.head));
        self.sampled
            .inc_by(now.sampled.saturating_sub(before.sampled));
        self.duplicates
            .inc_by(now.duplicates.saturating_sub(before.duplicates));
        for (label, was, is) in [
            ("fill", before.fills, now.fills),
            ("reset", before.resets, now.resets),
        ] {
            if is > was {
                self.fills.with_label_values(&[label]).inc_by(is - was);
            }
        }
        for (code, is) in &now.refused {
            let was = before.refused.get(code).copied().unwrap_or_default();
            if *is > was {
                let label = [code.as_str()];
                self.refused.with_label_values(&label).inc_by(is - was);
            }
        }
    }

    /// A room has closed.
    pub(super) fn gone(&self, last: &HubFigures) {
        self.rooms.dec();
        self.connections.sub(i64::from(last.connections));
        self.users.sub(i64::from(last.users));
    }
}
