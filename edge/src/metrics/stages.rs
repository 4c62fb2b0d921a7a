//! How long the stages of a request for a stream's object take.

use std::time::{Duration, Instant};

use prometheus::{Histogram, Registry};
use telemetry::metrics::{self, RegisterError};

/// Upper bounds in seconds: from a look into a table to a held reload, and a viewer who takes its time.
const BUCKETS: &[f64] = &[
    1e-6, 5e-6, 25e-6, 1e-4, 5e-4, 0.002, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0,
];

/// `edge_stage_seconds{stage}`. Two neighbouring spans and three from the request on.
#[derive(Clone, Debug)]
pub struct Stages {
    admission: Histogram,
    lookup: Histogram,
    flight_head: Histogram,
    first_byte: Histogram,
    last_byte: Histogram,
}

impl Stages {
    /// Registers the metric.
    ///
    /// # Errors
    /// A name that is already taken: a bug.
    pub fn new(r: &Registry) -> Result<Self, RegisterError> {
        let stages = metrics::histogram_vec(
            r,
            "edge_stage_seconds",
            "Stages of a request for a stream's object: admission (filters and tokens), lookup (in the cache), \
             flight_head (waiting for a parent's head); from the request read: first_byte (head handed to HTTP), \
             last_byte (all of the answer).",
            &["stage"],
            BUCKETS,
        )?;
        let stage = |name| stages.with_label_values(&[name]);
        Ok(Self {
            admission: stage("admission"),
            lookup: stage("lookup"),
            flight_head: stage("flight_head"),
            first_byte: stage("first_byte"),
            last_byte: stage("last_byte"),
        })
    }

    /// The cache has just been asked, for a request that was read at `started` and admitted at `admitted`.
    pub fn looked_up(&self, started: Instant, admitted: Instant) {
        observe(&self.admission, admitted.saturating_duration_since(started));
        observe(&self.lookup, admitted.elapsed());
    }

    /// A flight's head has just come, for a request that waits since `since`.
    pub fn flight_head(&self, since: Instant) {
        observe(&self.flight_head, since.elapsed());
    }

    /// An answer has ended; `first_byte` and `last_byte` since the request was read.
    pub fn answered(&self, first_byte: Option<Duration>, last_byte: Duration) {
        if let Some(first_byte) = first_byte {
            observe(&self.first_byte, first_byte);
            observe(&self.last_byte, last_byte);
        }
    }
}

fn observe(histogram: &Histogram, took: Duration) {
    histogram.observe(took.as_secs_f64());
}
