//! What a hub gives its driver.

use std::collections::BTreeMap;

use crate::schema::{Moderation, RefusalCode, Review, ToEdge};

/// What the driver sends, and what it writes down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubOutput {
    /// To every edge.
    All(ToEdge),
    /// To one edge.
    One {
        /// Its name.
        edge: String,
        /// What it is told.
        message: ToEdge,
    },
    /// For the log: an act was accepted. Once, and before it is sent.
    Acted {
        /// Of its event.
        seq: u64,
        /// Of its event.
        at_ms: u64,
        /// With what the hub filled in.
        moderation: Moderation,
    },
    /// For the log: a review was opened. Once, and before it is sent.
    Reviewed {
        /// Of its event.
        seq: u64,
        /// Of its event.
        at_ms: u64,
        /// With what the hub filled in.
        review: Review,
    },
    /// For the log: what an edge wants to be there.
    Audit {
        /// Name of the edge.
        edge: String,
        /// User id of who did it; empty if that is a filter.
        actor: String,
        /// What.
        text: String,
    },
}

/// What a hub holds and has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HubFigures {
    /// `seq` of the last event.
    pub head: u64,
    /// Events in the window.
    pub window_events: usize,
    /// Weight of the window, bytes.
    pub window_bytes: usize,
    /// Publishes that are remembered.
    pub dedup_entries: usize,
    /// Users with a sanction.
    pub sanctions: usize,
    /// Open reviews.
    pub reviews: usize,
    /// Users with points.
    pub scores: usize,
    /// Edges that report.
    pub edges: usize,
    /// Members kept, of all lists.
    pub members: usize,
    /// Users in the room, as published.
    pub users: u32,
    /// Connections in the room, as published.
    pub connections: u32,
    /// Likes.
    pub likes: u64,
    /// Messages left out by sampling.
    pub sampled: u64,
    /// Messages of the shadow-banned.
    pub shadowed: u64,
    /// Publishes that came again.
    pub duplicates: u64,
    /// Fills that were complete.
    pub fills: u64,
    /// Edges that had to begin anew, or began.
    pub resets: u64,
    /// Reports of edges beyond the bound, or of former lives.
    pub reports_refused: u64,
    /// What edges had relayed.
    pub relays: u64,
    /// What edges had written down.
    pub audits: u64,
    /// Relays and lines of the log that were out of bounds.
    pub malformed: u64,
    /// Refused publishes, by reason.
    pub refused: BTreeMap<RefusalCode, u64>,
}
