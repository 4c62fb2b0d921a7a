//! From the state machine to a playlist document.

use super::{Entry, LivePlaylist, SKIP_TARGET_DURATIONS};
use crate::{
    Msn, ObjectName, PartIndex, RenditionReport, Skip,
    media::{
        HintKind, MediaPlaylist, Part, PreloadHint, Segment, SegmentHead, ServerControl, VERSION,
        VERSION_DELTA,
    },
};

/// What to render a playlist with, besides its own state.
#[derive(Clone, Copy, Debug, Default)]
pub struct RenderRequest<'a> {
    /// `_HLS_skip`. Both values give the same text, since no EXT-X-DATERANGE is ever listed.
    /// Ignored when nothing is older than the Skip Boundary, or with EXT-X-ENDLIST.
    pub skip: Option<Skip>,
    /// [`LivePlaylist::report`] of each *other* rendition. Left out with EXT-X-ENDLIST.
    pub reports: &'a [RenditionReport],
}

impl LivePlaylist {
    /// The current playlist as text, or a Playlist Delta Update of it.
    #[must_use]
    pub fn render(&self, request: &RenderRequest<'_>) -> String {
        self.snapshot(request).to_string()
    }

    /// The current playlist as a document.
    #[must_use]
    pub fn snapshot(&self, request: &RenderRequest<'_>) -> MediaPlaylist {
        let listed = self.window.listed();
        let skipped = match request.skip {
            Some(Skip::Yes | Skip::V2) if !self.ended => self.skippable(),
            _ => 0,
        };
        let mut init = None;
        let segments = listed
            .range(skipped..)
            .map(|entry| Segment {
                head: head(entry, &mut init),
                gap: entry.is_gap(),
                duration: entry.duration,
                uri: ObjectName::Segment(entry.msn).to_string(),
            })
            .collect();
        // Tags after the last Part would belong to a Segment that has nothing listed yet.
        let open = if self.open.part_count > 0 {
            head(&self.open, &mut init)
        } else {
            SegmentHead::default()
        };
        MediaPlaylist {
            version: if skipped > 0 { VERSION_DELTA } else { VERSION },
            target_duration: self.config.target_duration,
            server_control: Some(ServerControl {
                can_block_reload: true,
                can_skip_until: Some(self.config.target_duration * SKIP_TARGET_DURATIONS),
                can_skip_dateranges: false,
                hold_back: None,
                part_hold_back: Some(self.config.part_hold_back),
            }),
            part_target: Some(self.config.part_target),
            media_sequence: listed.front().map_or(self.open.msn, |first| first.msn),
            discontinuity_sequence: self.window.discontinuity_sequence(),
            skipped_segments: u64::try_from(skipped).unwrap_or(u64::MAX),
            segments,
            open,
            preload_hints: self.preload_hints(init),
            rendition_reports: if self.ended {
                Vec::new()
            } else {
                request.reports.to_vec()
            },
            end_list: self.ended,
        }
    }

    /// How many Segments are older than the Skip Boundary: they end at or before it, measured
    /// from the end of the last Part.
    fn skippable(&self) -> usize {
        let boundary = self.config.target_duration * SKIP_TARGET_DURATIONS;
        let end = self.timeline.position();
        let is_old = |entry: &Entry| end.saturating_sub(entry.end()) > boundary;
        self.window.listed().partition_point(is_old)
    }

    /// A hint for the next Part while the playlist is live: without one hls.js loops. If that
    /// Part needs an Initialization Section that is not listed yet, a hint for it as well.
    fn preload_hints(&self, listed_init: Option<Msn>) -> Vec<PreloadHint> {
        if self.ended {
            return Vec::new();
        }
        let hint = |kind, object: ObjectName| PreloadHint {
            kind,
            uri: object.to_string(),
        };
        let (msn, part) = self.next_part();
        let init = self.open.init;
        (listed_init != Some(init))
            .then(|| hint(HintKind::Map, ObjectName::Init(init)))
            .into_iter()
            .chain([hint(HintKind::Part, ObjectName::Part(msn, part))])
            .collect()
    }
}

/// The tags of one Segment. `init` is the Initialization Section in force so far: EXT-X-MAP
/// stands at the first Segment, which in a Playlist Delta Update is the first kept one, and
/// wherever it changes.
fn head(entry: &Entry, init: &mut Option<Msn>) -> SegmentHead {
    let is_new = init.replace(entry.init) != Some(entry.init);
    let parts = if entry.lists_parts() {
        entry.parts.as_slice()
    } else {
        &[]
    };
    SegmentHead {
        discontinuity: entry.discontinuity,
        map: is_new.then(|| ObjectName::Init(entry.init).to_string()),
        program_date_time: Some(entry.time),
        parts: (0..)
            .map(PartIndex::new)
            .zip(parts)
            .map(|(index, part)| Part {
                duration: part.duration,
                uri: ObjectName::Part(entry.msn, index).to_string(),
                independent: part.independent,
                gap: part.gap,
            })
            .collect(),
    }
}
