//! The wall's time as shows ask for it: dates of playlists count from it, and numbers of streams begin at it.

use std::time::SystemTime;

use tokio::time::Instant;

/// See the module's documentation. An origin's is the [system's](Self::System), which may be set at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WallClock {
    /// What the system says.
    #[default]
    System,
    /// One that nobody sets and that goes as tokio's does: where a test pauses and advances that, dates do
    /// what they would do in so much real time.
    Counting {
        /// What it was when it began.
        start: SystemTime,
        /// When that was.
        since: Instant,
    },
}

impl WallClock {
    /// One that counts on from `start`.
    pub fn counting_from(start: SystemTime) -> Self {
        Self::Counting {
            start,
            since: Instant::now(),
        }
    }

    /// What time it is.
    pub fn now(&self) -> SystemTime {
        match self {
            Self::System => SystemTime::now(),
            // No test lasts until the end of time.
            Self::Counting { start, since } => start.checked_add(since.elapsed()).unwrap_or(*start),
        }
    }
}
