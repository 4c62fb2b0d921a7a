//! From the state machine to a playlist document.

use std::ops::Range;

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
        let skipped = self.skipped(request);
        let (settled, count) = self.window.settled_after(skipped);
        let mut init = None;
        let segments = |range: Range<usize>, init: &mut Option<Msn>| -> Vec<Segment> {
            let entries = self.window.listed().range(range);
            entries.map(|entry| segment(entry, init)).collect()
        };
        let listed = self.window.listed().len();
        let (first, rest) = (skipped.min(listed), (skipped + 1).min(listed));
        // The first has to say which Initialization Section is in force, whatever it said when it settled.
        let first = segments(first..rest, &mut init);
        if let Some(last) = rest.checked_add(count).and_then(|end| end.checked_sub(1)) {
            let last = self.window.listed().get(last);
            init = last.map(|entry| entry.init).or(init);
        }
        let later = segments(rest + count..listed, &mut init);
        let document = self.document(request, skipped, Vec::new(), init);
        document.render_with(&first, settled, &later)
    }

    /// The current playlist as a document.
    #[must_use]
    pub fn snapshot(&self, request: &RenderRequest<'_>) -> MediaPlaylist {
        let skipped = self.skipped(request);
        let mut init = None;
        let listed = self.window.listed().range(skipped..);
        let segments = listed.map(|entry| segment(entry, &mut init)).collect();
        self.document(request, skipped, segments, init)
    }

    fn document(
        &self,
        request: &RenderRequest<'_>,
        skipped: usize,
        segments: Vec<Segment>,
        mut init: Option<Msn>,
    ) -> MediaPlaylist {
        let listed = self.window.listed();
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

    fn skipped(&self, request: &RenderRequest<'_>) -> usize {
        match request.skip {
            Some(Skip::Yes | Skip::V2) if !self.ended => self.skippable(),
            _ => 0,
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

/// One complete Segment; see [`head`] for `init`.
pub(super) fn segment(entry: &Entry, init: &mut Option<Msn>) -> Segment {
    Segment {
        head: head(entry, init),
        gap: entry.is_gap(),
        duration: entry.duration,
        uri: ObjectName::Segment(entry.msn).to_string(),
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
