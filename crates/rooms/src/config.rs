//! What an operator may set.

use serde::Deserialize;
use thiserror::Error;

/// Settings of rooms on a node. The same values belong on the hub and on all edges.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A frame is closed every so many ms, in a crowd up to twice as many. 10 to 1,000; default 100.
    /// Less is sooner and dearer.
    pub tick_ms: u64,
    /// STATE is published every so many ms, if it changed. 100 to 10,000; default 500.
    pub state_tick_ms: u64,
    /// Events in a recovery window. 16 to 100,000; default 2,000.
    pub window_events: usize,
    /// Weight of a recovery window in bytes, of hub and edge each. 16 KiB to 256 MiB; default
    /// 1 MiB. The greatest of frames stays whatever this says. An edge keeps encoded frames, too:
    /// about as much again for each codec in use.
    pub window_bytes: usize,
    /// Events of the window shown to who comes. 0 to 10,000; default 50.
    pub history_events: usize,
    /// Publishes that are remembered as duplicates: so many of people, and as many of what else is
    /// published, gifts above all. 16 to 1,000,000; default 8,192.
    pub dedup_entries: usize,
    /// How long they are remembered, ms. 1,000 to a day; default 2 minutes.
    pub dedup_ms: u64,
    /// Lag of a reader above which CHAT is dropped, bytes. 4 KiB to 16 MiB; default 64 KiB.
    pub lag_bytes_max: u64,
    /// Lag of CONTROL above which a reader is closed, bytes. 4 KiB to 16 MiB; default 64 KiB.
    pub control_lag_bytes_max: u64,
    /// Answers and own messages that wait for one connection, bytes. 1 KiB to 1 MiB; default 16 KiB.
    pub direct_bytes_max: usize,
    /// Connections of one room on an edge. 1 to 10,000,000; default 200,000.
    pub connections_max: usize,
    /// Publishes of one room that wait for the hub on an edge. 16 to 1,000,000; default 4,096.
    pub pending_max: usize,
    /// An edge asks again after so many ms without an answer. 10 to 10,000; default 250.
    pub retry_ms: u64,
    /// A publish is given up after so many ms. 100 to 60,000; default 10,000.
    pub publish_timeout_ms: u64,
    /// An edge reports every so many ms. 100 to 60,000; default 2,000. Silent for three of them,
    /// it drops out.
    pub report_ms: u64,
    /// Leaving is announced so many ms late. 0 to 60,000; default 5,000.
    pub linger_ms: u64,
    /// Users up to whom the audience is a list. 0 to 10,000; default 1,000.
    pub presence_exact_max: usize,
    /// Users shown of a crowd. 0 to 100; default 20.
    pub presence_top: usize,
    /// Joins shown of a crowd, per change of STATE. 0 to 100; default 5.
    pub presence_joins: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tick_ms: 100,
            state_tick_ms: 500,
            window_events: 2_000,
            window_bytes: 1024 * 1024,
            history_events: 50,
            dedup_entries: 8_192,
            dedup_ms: 120_000,
            lag_bytes_max: 64 * 1024,
            control_lag_bytes_max: 64 * 1024,
            direct_bytes_max: 16 * 1024,
            connections_max: 200_000,
            pending_max: 4_096,
            retry_ms: 250,
            publish_timeout_ms: 10_000,
            report_ms: 2_000,
            linger_ms: 5_000,
            presence_exact_max: 1_000,
            presence_top: 20,
            presence_joins: 5,
        }
    }
}

/// A setting outside of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{name} is {value}, and may be {least} to {most}")]
pub struct ConfigError {
    /// Name of the setting.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// Least value.
    pub least: u64,
    /// Greatest value.
    pub most: u64,
}

impl Config {
    /// Checks each range.
    ///
    /// # Errors
    ///
    /// The first setting outside of its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        const KIB: u64 = 1024;
        const MIB: u64 = 1024 * KIB;
        let wide = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        let ranges = [
            ("tick_ms", self.tick_ms, 10, 1_000),
            ("state_tick_ms", self.state_tick_ms, 100, 10_000),
            ("window_events", wide(self.window_events), 16, 100_000),
            ("window_bytes", wide(self.window_bytes), 16 * KIB, 256 * MIB),
            ("history_events", wide(self.history_events), 0, 10_000),
            ("dedup_entries", wide(self.dedup_entries), 16, 1_000_000),
            ("dedup_ms", self.dedup_ms, 1_000, 86_400_000),
            ("lag_bytes_max", self.lag_bytes_max, 4 * KIB, 16 * MIB),
            (
                "control_lag_bytes_max",
                self.control_lag_bytes_max,
                4 * KIB,
                16 * MIB,
            ),
            ("direct_bytes_max", wide(self.direct_bytes_max), KIB, MIB),
            ("connections_max", wide(self.connections_max), 1, 10_000_000),
            ("pending_max", wide(self.pending_max), 16, 1_000_000),
            ("retry_ms", self.retry_ms, 10, 10_000),
            ("publish_timeout_ms", self.publish_timeout_ms, 100, 60_000),
            ("report_ms", self.report_ms, 100, 60_000),
            ("linger_ms", self.linger_ms, 0, 60_000),
            (
                "presence_exact_max",
                wide(self.presence_exact_max),
                0,
                10_000,
            ),
            ("presence_top", wide(self.presence_top), 0, 100),
            ("presence_joins", wide(self.presence_joins), 0, 100),
        ];
        for (name, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(ConfigError {
                    name,
                    value,
                    least,
                    most,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_range_and_others_are_named() {
        assert_eq!(Config::default().check(), Ok(()));
        let config = Config {
            tick_ms: 9,
            ..Config::default()
        };
        let error = config.check().unwrap_err();
        assert_eq!(error.to_string(), "tick_ms is 9, and may be 10 to 1000");
    }
}
