//! How a parent stands: up, fallen, or about to be tried again. A circuit breaker, pure.
//!
//! What counts is what happens in a row. A parent that cannot be reached, or that gives no sign of life, falls at once: nothing
//! is gained by asking it again. One that closes connections, stays silent or answers for a
//! parent of its own that it lacks falls after [`FAILURES_MAX`] of these. Who has fallen is left alone, for
//! [`DOWN_MIN`] and twice as long after each failed trial, up to [`DOWN_MAX`]; then one request at a time tries.

use std::time::{Duration, Instant};

/// Failures in a row with which a parent falls.
pub const FAILURES_MAX: u32 = 3;
/// For so long a parent that fell is left alone at first.
pub const DOWN_MIN: Duration = Duration::from_secs(1);
/// And never longer than that.
pub const DOWN_MAX: Duration = Duration::from_secs(30);

/// How a request to a parent failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or no sign of life on those there are.
    Unreachable,
    /// A connection, and no answer of its own.
    NoAnswer,
}

/// Whether to ask a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Availability {
    /// It answers.
    Up,
    /// It fell, and it is time for somebody to try.
    Trial,
    /// It fell, or somebody tries just now.
    Down,
}

/// What is remembered of one parent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    failures: u32,
    fallen: Option<Fallen>,
}

#[derive(Clone, Copy, Debug)]
struct Fallen {
    until: Instant,
    for_how_long: Duration,
    /// Somebody tries, since then.
    tried: Option<Instant>,
}

impl Standing {
    /// Whether to ask it at `now`.
    pub fn availability(&self, now: Instant) -> Availability {
        match self.fallen {
            None => Availability::Up,
            // Who tries and never tells how it went does not block the others for ever.
            Some(fallen) if now < fallen.until => Availability::Down,
            Some(Fallen {
                tried: Some(at), ..
            }) if now.saturating_duration_since(at) < DOWN_MAX => Availability::Down,
            Some(_) => Availability::Trial,
        }
    }

    /// Takes the one turn to try that a parent gives which is [`Availability::Trial`].
    pub fn tries(&mut self, now: Instant) -> bool {
        let due = self.availability(now) == Availability::Trial;
        if let Some(fallen) = self.fallen.as_mut().filter(|_| due) {
            fallen.tried = Some(now);
        }
        due
    }

    /// It answered. `true` if it had fallen.
    pub fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.fallen.take().is_some()
    }

    /// It did not. `true` if it falls now, and had not before.
    pub fn failed(&mut self, failure: Failure, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        if failure == Failure::NoAnswer && self.failures < FAILURES_MAX && self.fallen.is_none() {
            return false;
        }
        let for_how_long = match self.fallen {
            // The requests that were under way when it fell say nothing new.
            Some(fallen) if now < fallen.until => return false,
            Some(fallen) => fallen.for_how_long.saturating_mul(2).min(DOWN_MAX),
            None => DOWN_MIN,
        };
        let fell = self.fallen.is_none();
        self.fallen = Some(Fallen {
            until: now + for_how_long,
            for_how_long,
            tried: None,
        });
        fell
    }
}

#[cfg(test)]
mod tests;
