//! Gifts: people who give at a fixed rate over HTTP/2, whether or not the server keeps up, and
//! screens that watch over WebSocket. Latencies count from the moment a gift was meant to be given.
//!
//! Each gift that was answered "given" must be shown once on every screen that was there; what was
//! paid is written down, so that it can be held against the ledger. Judges no balances itself.

mod book;
mod course;
mod give;
mod report;
mod retry;
mod screen;
mod stage;
mod state;
mod till;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use rooms::Codec;

use crate::chat::{CONNECTIONS_MAX, DURATION_MAX, RATE_MAX};
use crate::client::Trust;

pub use crate::histogram::Spread;
pub use course::run;
pub use report::{Account, Report, Server, Taps};

/// Most gifts of one run.
pub const GIFTS_MAX: f64 = 1_000_000.0;

/// Most gifts times screens: a bit of memory for each, or two.
pub const SIGHTS_MAX: f64 = 4e9;

/// Most requests at once.
pub const IN_FLIGHT_MAX: usize = 10_000;

/// Most HTTP/2 connections to one edge.
pub const CONNECTIONS_PER_EDGE_MAX: usize = 1_000;

/// Who watches, who gives what, and for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The edges, as ws or wss URLs. Screens and givers are spread over them in turn.
    pub urls: Vec<String>,
    /// The room.
    pub room: String,
    /// What screens speak.
    pub codec: Codec,
    /// Whose certificate is good enough.
    pub trust: Trust,
    /// Connections that watch.
    pub screens: usize,
    /// Screens opened per second.
    pub ramp: f64,
    /// An access token for each giver.
    pub givers: Vec<String>,
    /// Of the catalogue.
    pub item: String,
    /// How many of it with each gift.
    pub count: u32,
    /// Gifts per second.
    pub rate: f64,
    /// Connections of givers to each edge: HTTP/2 over TLS, pools of HTTP/1.1 without.
    pub connections: usize,
    /// Requests at once; more wait.
    pub in_flight: usize,
    /// Load that does not count, before the load that does.
    pub warm_up: Duration,
    /// Load that counts.
    pub duration: Duration,
    /// Processes of the servers, which are charged with their children.
    pub server_pids: Vec<u32>,
    /// Where what was given is written down, every second and at the end.
    pub state: Option<PathBuf>,
}

impl Plan {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.urls.is_empty(), "no edge is named");
        ensure!(!self.givers.is_empty(), "nobody is there to give");
        ensure!(
            self.screens <= CONNECTIONS_MAX,
            "more than {CONNECTIONS_MAX} screens"
        );
        ensure!(
            self.rate > 0.0 && self.rate <= RATE_MAX,
            "the rate must be above 0 and at most {RATE_MAX}"
        );
        ensure!(
            self.ramp >= 1.0 && self.ramp <= RATE_MAX,
            "the ramp must be 1 to {RATE_MAX}"
        );
        ensure!(
            (1..=IN_FLIGHT_MAX).contains(&self.in_flight),
            "requests at once must be 1 to {IN_FLIGHT_MAX}"
        );
        ensure!(
            (1..=CONNECTIONS_PER_EDGE_MAX).contains(&self.connections),
            "connections must be 1 to {CONNECTIONS_PER_EDGE_MAX}"
        );
        ensure!(self.count > 0, "a gift of nothing");
        for part in [self.warm_up, self.duration] {
            ensure!(part <= DURATION_MAX, "longer than {DURATION_MAX:?}");
        }
        let gifts = self.rate * (self.warm_up + self.duration).as_secs_f64();
        ensure!(gifts <= GIFTS_MAX, "more than {GIFTS_MAX} gifts");
        ensure!(
            gifts * self.screens as f64 <= SIGHTS_MAX,
            "more than {SIGHTS_MAX} gifts times screens"
        );
        let is_name = |text: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !text.is_empty() && text.bytes().all(is_plain)
        };
        ensure!(is_name(&self.room), "a room's name is letters and digits");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            urls: vec!["ws://127.0.0.1:1".to_owned()],
            room: "demo".to_owned(),
            codec: Codec::Json,
            trust: Trust::Insecure,
            screens: 10,
            ramp: 100.0,
            givers: vec!["token".to_owned()],
            item: "rose".to_owned(),
            count: 1,
            rate: 10.0,
            connections: 2,
            in_flight: 16,
            warm_up: Duration::ZERO,
            duration: Duration::from_secs(1),
            server_pids: Vec::new(),
            state: None,
        }
    }

    #[test]
    fn a_plan_that_makes_no_sense_is_refused() {
        assert!(plan().check().is_ok());
        let changes: [fn(&mut Plan); 12] = [
            |plan| plan.urls.clear(),
            |plan| plan.givers.clear(),
            |plan| plan.screens = CONNECTIONS_MAX + 1,
            |plan| plan.rate = 0.0,
            |plan| plan.rate = f64::NAN,
            |plan| plan.ramp = 0.0,
            |plan| plan.in_flight = 0,
            |plan| plan.connections = 0,
            |plan| plan.count = 0,
            |plan| plan.duration = DURATION_MAX * 2,
            |plan| plan.rate = 2.0 * GIFTS_MAX,
            |plan| plan.room = "a/b".to_owned(),
        ];
        for (at, change) in changes.iter().enumerate() {
            let mut plan = plan();
            change(&mut plan);
            assert!(plan.check().is_err(), "{at}");
        }
        let mut plan = plan();
        (plan.screens, plan.rate) = (100_000, 90_000.0);
        assert!(plan.check().is_err());
    }
}
