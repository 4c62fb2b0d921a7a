//! `[relay]`: streams that parents hand on as they are made.

use std::time::Duration;

use serde::Deserialize;
use settings::{Invalid, KeyPath};

use crate::relay::RelaySettings;

/// From a second, in which a player asks several times, to an hour.
const IDLE_MS: std::ops::RangeInclusive<u64> = 1_000..=3_600_000;
/// Edges below at most, whatever the file says.
const CHILDREN_MAX: usize = 1_000_000;

/// `[relay]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RelayConfig {
    /// Whether parents are asked to hand streams on.
    pub follow: bool,
    /// A rendition that nobody asked for in so long is not followed any more.
    pub idle_ms: u64,
    /// Edges below, each counted once per stream.
    pub children_max: usize,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            follow: true,
            idle_ms: 10_000,
            children_max: 1_000,
        }
    }
}

impl RelayConfig {
    pub(super) fn resolve(&self) -> Result<RelaySettings, Invalid> {
        let at = |key| KeyPath::new("relay").key(key);
        if !IDLE_MS.contains(&self.idle_ms) {
            let (least, most) = (IDLE_MS.start(), IDLE_MS.end());
            let reason = format!("has to be from {least} to {most}");
            return Err(Invalid::new(at("idle_ms"), reason));
        }
        if self.children_max > CHILDREN_MAX {
            let reason = format!("has to be from 0 to {CHILDREN_MAX}");
            return Err(Invalid::new(at("children_max"), reason));
        }
        Ok(RelaySettings {
            follow: self.follow,
            idle: Duration::from_millis(self.idle_ms),
            children_max: self.children_max,
        })
    }
}
