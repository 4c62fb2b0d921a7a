//! A crowd in a chat room: many WebSocket connections, messages at a fixed rate whether or not the
//! server keeps up, and latencies from the moment that a message was meant to be sent.
//!
//! Every connection checks what it gets: each event once and in order, or told that it is missing.
//! A sample of them decodes everything and measures; the others read only what the check needs, so
//! that the crowd fits beside the server. Other servers than Weir get the same crowd.

pub(crate) mod aside;
mod crowd;
pub(crate) mod dialect;
mod ledger;
mod listen;
mod post;
mod report;
mod scan;
pub(crate) mod socket;
pub(crate) mod stamp;
mod swarm;
mod talk;
pub(crate) mod websocket;

use std::time::Duration;

use anyhow::ensure;

use crate::client::Trust;

pub use crowd::run;
pub use dialect::{Dialect, http_url};
pub use ledger::{Control, Tally};
pub use report::{Latency, Reconnect, Report, Server, Talk};

/// Most connections of one run.
pub const CONNECTIONS_MAX: usize = 200_000;

/// Most messages, or acts, per second.
pub const RATE_MAX: f64 = 100_000.0;

/// Longest part of a run: idle, warm-up, measured time.
pub const DURATION_MAX: Duration = Duration::from_secs(3_600);

/// Longest message.
pub const MESSAGE_BYTES_MAX: usize = 2_000;

/// Who comes, what is said, and for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server, as a ws or wss URL; of other servers than Weir with the path to connect to.
    pub url: String,
    /// What it speaks.
    pub dialect: Dialect,
    /// The room.
    pub room: String,
    /// Whose certificate is good enough.
    pub trust: Trust,
    /// Connections, those of publishers and moderators included.
    pub connections: usize,
    /// Connections opened per second.
    pub ramp: f64,
    /// Connections that publish; for nchan, those that post.
    pub publishers: usize,
    /// A token for each publisher, as far as they go.
    pub tokens: Vec<String>,
    /// A token for each moderator.
    pub moderators: Vec<String>,
    /// Where messages are posted to, if not on a connection of the crowd: nchan.
    pub post_url: Option<String>,
    /// Messages per second.
    pub rate: f64,
    /// Acts per second.
    pub control_rate: f64,
    /// Bytes of an event, as Weir renders it in JSON; of the payload for others.
    pub message_bytes: usize,
    /// Of a hundred connections so many read a byte per second, until the end.
    pub slow_percent: usize,
    /// Connections that decode everything and measure latencies.
    pub samples: usize,
    /// Time in which nothing is said, before the memory of idle connections is read.
    pub idle: Duration,
    /// Load that does not count, before the load that does.
    pub warm_up: Duration,
    /// Load that counts.
    pub duration: Duration,
    /// All listeners are dropped so long after the start of the measured time, and come back at
    /// once. CPU and latencies are measured up to then.
    pub drop_all_at: Option<Duration>,
    /// Processes of the server, which are charged with their children.
    pub server_pids: Vec<u32>,
}

impl Plan {
    fn check(&self) -> anyhow::Result<()> {
        let is_rate = |rate: f64| (0.0..=RATE_MAX).contains(&rate);
        ensure!(
            (1..=CONNECTIONS_MAX).contains(&self.connections),
            "connections must be 1 to {CONNECTIONS_MAX}"
        );
        ensure!(
            is_rate(self.rate) && is_rate(self.control_rate),
            "rates must be 0 to {RATE_MAX}"
        );
        ensure!(
            self.ramp >= 1.0 && self.ramp <= RATE_MAX,
            "the ramp must be 1 to {RATE_MAX}"
        );
        for part in [self.idle, self.warm_up, self.duration] {
            ensure!(part <= DURATION_MAX, "longer than {DURATION_MAX:?}");
        }
        ensure!(
            self.message_bytes <= MESSAGE_BYTES_MAX,
            "messages longer than {MESSAGE_BYTES_MAX}"
        );
        ensure!(self.slow_percent <= 100, "more than a hundred percent");
        ensure!(
            self.drop_all_at.is_none_or(|at| at < self.duration),
            "the drop lies after the end"
        );
        ensure!(
            self.rate == 0.0 || self.publishers > 0,
            "nobody is there to publish"
        );
        ensure!(
            self.control_rate == 0.0 || !self.moderators.is_empty(),
            "nobody is there to moderate"
        );
        ensure!(
            self.talkers() <= self.connections,
            "more publishers and moderators than connections"
        );
        let seconds = (self.warm_up + self.duration).as_secs_f64();
        ensure!(
            self.control_rate * seconds <= ledger::CONTROL_MAX as f64,
            "more acts than a connection notes"
        );
        ensure!(
            (self.dialect == Dialect::Nchan) == self.post_url.is_some(),
            "nchan, and nothing else, needs a URL to post to"
        );
        Ok(())
    }

    /// Connections that say something.
    fn talkers(&self) -> usize {
        let publishers = match self.post_url {
            Some(_) => 0,
            None => self.publishers,
        };
        publishers + self.moderators.len()
    }
}
