//! What the edge keeps of one upstream response.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// Rough cost of an entry beyond its body: key, header map, counters. Used only to weigh entries.
const ENTRY_OVERHEAD_BYTES: usize = 1024;

/// The head of an upstream response, as it is kept and sent on.
///
/// Connection-specific fields, `Age`, `Date` and `Content-Length` are already gone from `headers`:
/// they describe one hop, one moment or one answer, and are written anew each time.
#[derive(Clone, Debug)]
pub struct ObjectHead {
    /// Status of the parent's answer.
    pub status: StatusCode,
    /// The fields that travel with the object.
    pub headers: HeaderMap,
    /// `Content-Length` of the parent's answer, when it announced one.
    pub content_length: Option<u64>,
    /// Age of the response when this edge received it (RFC 9111 §4.2.3).
    pub age_at_receipt: Duration,
    /// When this edge received the head.
    pub received_at: Instant,
    /// How long after `received_at` the response may be used without asking again.
    pub fresh_for: Duration,
    /// The edge wrote this answer itself because its parents failed (an error memo).
    pub own_error: bool,
}

impl ObjectHead {
    /// `Age` of the object at `now` (RFC 9111 §4.2.3: corrected initial age + resident time).
    pub fn age(&self, now: Instant) -> Duration {
        self.age_at_receipt + now.saturating_duration_since(self.received_at)
    }

    /// How much longer the object is fresh at `now`; zero when it is stale.
    pub fn fresh_left(&self, now: Instant) -> Duration {
        self.fresh_for
            .saturating_sub(now.saturating_duration_since(self.received_at))
    }
}

/// A whole object in memory.
#[derive(Debug)]
pub struct Object {
    /// Head of the response.
    pub head: ObjectHead,
    /// The whole body in one piece, shared by every viewer.
    pub body: Bytes,
}

impl Object {
    /// What this entry counts for against the memory tier's bound, in bytes.
    pub fn weight(&self) -> u32 {
        u32::try_from(self.body.len() + ENTRY_OVERHEAD_BYTES).unwrap_or(u32::MAX)
    }
}
