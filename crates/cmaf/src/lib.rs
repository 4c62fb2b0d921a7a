//! Demuxed H.264, HEVC, AV1, AAC and Opus samples in, CMAF initialisation sections and chunks out, on a part grid
//! that is fixed when the stream starts and that every track of the stream shares.
//!
//! Pure: no sockets, files, clock or randomness. It writes no playlist (crate `hls` does), opens
//! no container but its own (crate `rtmp` reads FLV), and re-encodes nothing.
//!
//! A *part* in HLS terms is one CMAF chunk here (one `moof` and its `mdat`); an HLS segment is a
//! run of chunks.
//!
//! 1. Feed the first samples to a [`Probe`]: frame rate, GOP, whether the source may pass through.
//! 2. [`GridPlan::choose`] fixes TARGETDURATION, PART-TARGET and PART-HOLD-BACK for good.
//! 3. A [`Packager`] takes the samples of all tracks and gives [`Output`]s.
//!
//! **A timestamp is never trusted to be sane and never re-derived: video keeps the decode
//! timestamps of its source, and a jump becomes a discontinuity.**

mod aac;
mod audio_clock;
mod av1;
mod avc;
mod bits;
mod chunk;
mod cursor;
mod grid;
mod hevc;
mod init;
mod opus;
mod packager;
mod probe;
mod sample;
mod time;
mod video;
mod vui;

pub use aac::{ASC_BYTES_MAX, AacProfile, AscError, AudioConfig};
pub use av1::{AV1C_BYTES_MAX, Av1cError, without_temporal_delimiter};
pub use avc::{AVCC_BYTES_MAX, AvccError, FrameRate};
pub use grid::{GridError, GridInput, GridPlan, Latency, TARGET_DURATION};
pub use hevc::{HVCC_BYTES_MAX, HvccError};
pub use init::TrackConfig;
pub use opus::{OPUS_HEADER_BYTES_MAX, OpusError, opus_packet_samples};
pub use packager::{
    DropReason, Event, GapOutput, InitOutput, Output, PackageError, Packager, PartOutput,
    SegmentEndOutput, StartOutput, TrackId, TrackKind, TrackSpec,
};
pub use probe::{Passthrough, Probe, ProbeReport};
pub use sample::Sample;
pub use time::{MediaTime, TICKS_PER_SECOND};
pub use video::{Colour, VideoCodec, VideoConfig, VideoRange};
