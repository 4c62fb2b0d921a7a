//! Line by line.

use super::super::date;
use super::{Attributes, ByteRange, Part, Playlist, Segment};

/// More Media Sequence Numbers than any stream has, even one that begins with the microseconds since 1970.
const SEGMENTS_MAX: u64 = 1 << 52;

/// The playlist so far, and the segment whose URI has not come yet.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) playlist: Playlist,
    pub(super) segment: Segment,
    pub(super) map: (Option<String>, Option<ByteRange>),
    /// SKIPPED-SEGMENTS.
    pub(super) skipped: u64,
    /// EXT-X-BYTERANGE of the segment, as written.
    range: Option<String>,
    seen: Vec<&'static str>,
}

impl Reader {
    pub(super) fn fault(&mut self, text: &str) {
        self.playlist.faults.push(text.to_owned());
    }

    /// A tag that may stand once only.
    fn once(&mut self, tag: &'static str) {
        if self.seen.contains(&tag) {
            self.fault(&format!("{tag} twice"));
        }
        self.seen.push(tag);
    }

    fn number<T: std::str::FromStr>(&mut self, line: &str, text: &str) -> Option<T> {
        let number = text.trim().parse().ok();
        if number.is_none() {
            self.fault(line);
        }
        number
    }

    /// A number of segments: so low that sums with it fit.
    fn count(&mut self, line: &str, number: Option<u64>) -> u64 {
        let fits = number.filter(|number| *number <= SEGMENTS_MAX);
        if number.is_some() && fits.is_none() {
            self.fault(line);
        }
        fits.unwrap_or(0)
    }

    pub(super) fn line(&mut self, line: &str) {
        if !line.starts_with('#') {
            if let Some(range) = self.range.take() {
                let before = self.playlist.segments.last();
                let before = before.filter(|before| before.uri == line);
                let follows = before.and_then(|it| Some(it.byte_range?.end()));
                self.segment.byte_range = self.byte_range(&range, follows);
            }
            self.segment.uri = line.to_owned();
            (self.segment.map, self.segment.map_range) = self.map.clone();
            let whole = std::mem::take(&mut self.segment);
            self.playlist.segments.push(whole);
            return;
        }
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            "#EXTINF" => {
                let text = value.split(',').next().unwrap_or("");
                self.segment.duration = self.number(line, text).unwrap_or(0.0);
            }
            "#EXT-X-PART" => self.part(line, &Attributes::parse(value)),
            "#EXT-X-GAP" => self.segment.gap = true,
            "#EXT-X-BYTERANGE" => self.range = Some(value.to_owned()),
            "#EXT-X-DISCONTINUITY" | "#EXT-X-MAP" | "#EXT-X-KEY" | "#EXT-X-PROGRAM-DATE-TIME" => {
                self.segment_tag(line, tag, value);
            }
            _ => self.playlist_tag(line, tag, value),
        }
    }

    fn byte_range(&mut self, text: &str, follows: Option<u64>) -> Option<ByteRange> {
        let range = ByteRange::parse(text, follows);
        if range.is_none() {
            self.fault(&format!("byte range {text}"));
        }
        range
    }

    fn part(&mut self, line: &str, attributes: &Attributes) {
        let (Some(uri), Some(duration)) = (attributes.get("URI"), attributes.number("DURATION"))
        else {
            return self.fault(line);
        };
        let before = self.segment.parts.last().filter(|it| it.uri == uri);
        let follows = before.and_then(|it| Some(it.byte_range?.end()));
        let range = attributes.get("BYTERANGE");
        let byte_range = range.and_then(|range| self.byte_range(range, follows));
        self.segment.parts.push(Part {
            uri: uri.to_owned(),
            duration,
            independent: attributes.yes("INDEPENDENT"),
            gap: attributes.yes("GAP"),
            byte_range,
        });
    }

    fn segment_tag(&mut self, line: &str, tag: &str, value: &str) {
        if !self.segment.parts.is_empty() {
            self.segment.misplaced.push(line.to_owned());
        }
        match tag {
            "#EXT-X-DISCONTINUITY" => self.segment.discontinuity = true,
            "#EXT-X-MAP" => {
                let attributes = Attributes::parse(value);
                let range = attributes.get("BYTERANGE");
                let range = range.and_then(|range| self.byte_range(range, None));
                self.map = (attributes.get("URI").map(str::to_owned), range);
            }
            "#EXT-X-PROGRAM-DATE-TIME" => {
                self.segment.date = date::seconds(value);
                if self.segment.date.is_none() {
                    self.fault(line);
                }
            }
            _ => {}
        }
    }

    fn playlist_tag(&mut self, line: &str, tag: &str, value: &str) {
        match tag {
            "#EXT-X-VERSION" => {
                self.once("#EXT-X-VERSION");
                self.playlist.version = self.number(line, value);
            }
            "#EXT-X-TARGETDURATION" => {
                self.once("#EXT-X-TARGETDURATION");
                let whole: Option<u32> = self.number(line, value);
                self.playlist.target_duration = whole.map(f64::from);
            }
            "#EXT-X-MEDIA-SEQUENCE" => {
                self.once("#EXT-X-MEDIA-SEQUENCE");
                let number = self.number(line, value);
                self.playlist.media_sequence = self.count(line, number);
            }
            "#EXT-X-DISCONTINUITY-SEQUENCE" => {
                self.once("#EXT-X-DISCONTINUITY-SEQUENCE");
                self.playlist.discontinuity_sequence = self.number(line, value);
            }
            "#EXT-X-PART-INF" => {
                self.once("#EXT-X-PART-INF");
                self.playlist.part_target = Attributes::parse(value).number("PART-TARGET");
            }
            "#EXT-X-SERVER-CONTROL" => {
                self.once("#EXT-X-SERVER-CONTROL");
                self.playlist.control = Attributes::parse(value);
            }
            "#EXT-X-SKIP" => {
                self.once("#EXT-X-SKIP");
                let skip = Attributes::parse(value);
                self.skipped = self.count(line, skip.integer("SKIPPED-SEGMENTS"));
                self.playlist.skip = Some(skip);
            }
            "#EXT-X-PRELOAD-HINT" => self.playlist.hints.push(Attributes::parse(value)),
            "#EXT-X-RENDITION-REPORT" => self.playlist.reports.push(Attributes::parse(value)),
            "#EXT-X-DATERANGE" => self.playlist.date_ranges.push(line.to_owned()),
            "#EXT-X-PLAYLIST-TYPE" => self.playlist.kind = Some(value.to_owned()),
            "#EXT-X-ENDLIST" => self.playlist.ended = true,
            _ => {}
        }
    }
}
