//! One task per stream (`show`), which outlives its publishers: ties ingest, transcoder, packager and window together.
//!
//! ```text
//!  tags -> intake -> probe, then a plan: which renditions, which grid
//!                 -> aligner <- transcoder        no rendition far ahead of another
//!                      -> cmaf::Packager -> writer -> window::LiveStream
//! ```
//!
//! Nothing in the loop waits for anything but its next event, so ingest is never blocked by
//! ffmpeg, nor by viewers.

mod align;
mod broadcast;
mod drift;
mod intake;
mod plan;
mod renewals;
mod show;
mod slate;
mod source_clock;
mod stage;
mod studio;
mod variants;
mod wall_clock;
mod writer;

use std::time::Duration;

use cmaf::PackageError;

use crate::publish::EndReason;
use crate::transcode::SpawnError;

pub use intake::IntakeError;
pub use plan::PlanError;
pub use studio::{Shows, Studio};
pub use wall_clock::WallClock;
pub use writer::WriteError;

pub(crate) use intake::video_config;
pub(crate) use plan::Layout;

/// A publisher without a picture is not waited for longer.
const FIRST_PICTURE_TIMEOUT: Duration = Duration::from_secs(15);
/// Why a broadcast was ended from this side.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BroadcastError {
    /// What is sent cannot be taken.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// As many ladders are made as there may be, and this source has to be encoded.
    #[error(
        "all {max} transcode jobs of this server are taken, and without one the source cannot be \
         played: send H.264 with a keyframe every 1 or 2 s, or try again later"
    )]
    NoJob {
        /// How many there are.
        max: usize,
    },
    /// No picture came.
    #[error("no picture in {} s", FIRST_PICTURE_TIMEOUT.as_secs())]
    NoPicture,
    /// The packager failed.
    #[error("packaging failed: {0}")]
    Package(#[from] PackageError),
    /// No renditions, or no grid, for this source.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// ffmpeg could not be run at all.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// ffmpeg gives nothing.
    #[error("the transcoder gives nothing: {0}")]
    Transcode(String),
    /// ffmpeg gives what cannot be used.
    #[error("the transcoder's output cannot be used: {0}")]
    TranscodeOutput(String),
    /// The window failed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<&BroadcastError> for EndReason {
    fn from(error: &BroadcastError) -> Self {
        match error {
            BroadcastError::Intake(_)
            | BroadcastError::NoJob { .. }
            | BroadcastError::NoPicture
            | BroadcastError::Plan(_) => Self::Refused(error.to_string()),
            BroadcastError::Package(_)
            | BroadcastError::Spawn(_)
            | BroadcastError::Transcode(_)
            | BroadcastError::TranscodeOutput(_)
            | BroadcastError::Write(_) => Self::Internal(error.to_string()),
        }
    }
}
