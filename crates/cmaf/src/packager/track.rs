//! [`TrackWriter`]: the output side of one track. It numbers parts, writes chunks and adds up
//! durations; where to cut is decided elsewhere.

use std::collections::VecDeque;

use super::output::{GapOutput, InitOutput, Output, PartOutput, SegmentEndOutput};
use super::{TrackId, TrackKind};
use crate::chunk::{self, ChunkSample};
use crate::{MediaTime, TrackConfig};

#[derive(Debug)]
pub(super) struct TrackWriter {
    id: TrackId,
    kind: TrackKind,
    config: Option<TrackConfig>,
    /// True once the playlist has an init section that fits `config`.
    initialised: bool,
    discontinuity: bool,
    /// `mfhd` sequence number of the next chunk.
    sequence: u32,
    segment: u64,
    part: u32,
    duration: MediaTime,
    has_media: bool,
}

impl TrackWriter {
    pub(super) fn new(id: TrackId, kind: TrackKind, config: Option<TrackConfig>) -> Self {
        Self {
            id,
            kind,
            config,
            initialised: false,
            discontinuity: false,
            sequence: 1,
            segment: 0,
            part: 0,
            duration: MediaTime::ZERO,
            has_media: false,
        }
    }

    /// Numbers go on where those of `before` ended, which was the same track of another source.
    pub(super) fn go_on_after(&mut self, before: &Self) {
        self.sequence = before.sequence;
        self.segment = before.segment;
        self.part = before.part;
        self.duration = before.duration;
        self.has_media = before.has_media;
    }

    pub(super) fn id(&self) -> TrackId {
        self.id
    }

    pub(super) fn kind(&self) -> TrackKind {
        self.kind
    }

    pub(super) fn config(&self) -> Option<&TrackConfig> {
        self.config.as_ref()
    }

    /// Whether parts can be written: a playlist needs its EXT-X-MAP before the first one.
    pub(super) fn is_initialised(&self) -> bool {
        self.initialised
    }

    pub(super) fn configure(&mut self, config: TrackConfig) {
        self.config = Some(config);
        self.initialised = false;
    }

    /// Opens the first segment of a run.
    pub(super) fn start(
        &mut self,
        segment: u64,
        discontinuity: bool,
        out: &mut VecDeque<Output>,
    ) -> mp4_atom::Result<()> {
        self.segment = segment;
        self.part = 0;
        self.duration = MediaTime::ZERO;
        self.has_media = false;
        self.initialised = false;
        self.discontinuity = discontinuity;
        self.initialise(out)
    }

    /// Writes a part. `decode_time` is in the track's timescale; `span` is start and duration.
    pub(super) fn part(
        &mut self,
        samples: &[ChunkSample],
        decode_time: i64,
        (start, duration): (MediaTime, MediaTime),
        out: &mut VecDeque<Output>,
    ) -> mp4_atom::Result<()> {
        let decode_time = u64::try_from(decode_time).unwrap_or(0);
        let (bytes, i_frame_bytes) = match samples {
            [first, rest @ ..] if self.begins_with_i_frame(first) => {
                let mut bytes = self.chunk(decode_time, std::slice::from_ref(first))?;
                let i_frame_bytes = bytes.len() as u64;
                if !rest.is_empty() {
                    let decode_time = decode_time.saturating_add(first.duration.into());
                    bytes.extend_from_slice(&self.chunk(decode_time, rest)?);
                }
                (bytes, Some(i_frame_bytes))
            }
            _ => (self.chunk(decode_time, samples)?, None),
        };
        out.push_back(Output::Part(PartOutput {
            track: self.id,
            segment_offset: self.segment,
            part: self.part,
            start,
            duration,
            independent: samples.iter().any(|sample| sample.sync),
            samples: samples.len() as u32,
            i_frame_bytes,
            bytes: bytes.into(),
        }));
        self.has_media = true;
        self.advance(duration);
        Ok(())
    }

    /// A Segment's first I-frame is a chunk of its own: an I-frame playlist lists it as a byte range, and
    /// whoever loads that has a whole chunk.
    fn begins_with_i_frame(&self, first: &ChunkSample) -> bool {
        let is_video = matches!(self.config, Some(TrackConfig::Video(_)));
        self.part == 0 && is_video && first.sync
    }

    fn chunk(&mut self, decode_time: u64, samples: &[ChunkSample]) -> mp4_atom::Result<Vec<u8>> {
        let bytes = chunk::write(self.sequence, decode_time, samples)?;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(bytes)
    }

    pub(super) fn gap(
        &mut self,
        (start, duration): (MediaTime, MediaTime),
        out: &mut VecDeque<Output>,
    ) {
        out.push_back(Output::Gap(GapOutput {
            track: self.id,
            segment_offset: self.segment,
            part: self.part,
            start,
            duration,
        }));
        self.advance(duration);
    }

    pub(super) fn end_segment(&mut self, out: &mut VecDeque<Output>) -> mp4_atom::Result<()> {
        out.push_back(Output::SegmentEnd(SegmentEndOutput {
            track: self.id,
            segment_offset: self.segment,
            duration: self.duration,
            gap: !self.has_media,
        }));
        self.segment += 1;
        self.part = 0;
        self.duration = MediaTime::ZERO;
        self.has_media = false;
        Ok(())
    }

    /// Gives the init section of a track that was configured since the last segment.
    pub(super) fn initialise(&mut self, out: &mut VecDeque<Output>) -> mp4_atom::Result<()> {
        let Some(config) = self.config.as_ref().filter(|_| !self.initialised) else {
            return Ok(());
        };
        out.push_back(Output::Init(InitOutput {
            track: self.id,
            segment_offset: self.segment,
            discontinuity: self.discontinuity,
            bytes: config.init_section()?,
        }));
        self.initialised = true;
        self.discontinuity = false;
        Ok(())
    }

    fn advance(&mut self, duration: MediaTime) {
        self.part += 1;
        self.duration = self.duration + duration;
    }
}
