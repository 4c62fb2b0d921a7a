//! How often a publisher may come with another configuration.

use std::time::Duration;

use tokio::time::Instant;

/// A publisher that changes its configuration so often, without a pause of [`RENEWALS_CALM`], is sent away.
const RENEWALS_MAX: u32 = 8;
/// After so long nobody remembers earlier changes.
const RENEWALS_CALM: Duration = Duration::from_secs(60);

/// How often a publisher came with another configuration of late.
#[derive(Debug, Default)]
pub(super) struct Renewals {
    count: u32,
    last: Option<Instant>,
}

impl Renewals {
    /// Whether it may once more: each makes viewers wait, and starts encoders.
    pub(super) fn may(&mut self, now: Instant) -> bool {
        let calm = self
            .last
            .is_none_or(|last| now.saturating_duration_since(last) >= RENEWALS_CALM);
        self.last = Some(now);
        self.count = if calm { 1 } else { self.count + 1 };
        self.count <= RENEWALS_MAX
    }
}
