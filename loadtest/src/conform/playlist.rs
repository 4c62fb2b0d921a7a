//! A tolerant reader of Media Playlists: keeps what it understands and notes what it does not, so
//! that checks can say what is wrong. Tags: RFC 8216bis section 4.4.

mod reader;

use reader::Reader;

/// An attribute list (section 4.2). Values are without their quotes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes(Vec<(String, String)>);

impl Attributes {
    /// Reads `NAME=VALUE,NAME="VALUE"`.
    pub fn parse(text: &str) -> Self {
        let mut rest = text;
        let mut found = Vec::new();
        while let Some((name, after)) = rest.split_once('=') {
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => {
                    let (value, after) = quoted.split_once('"').unwrap_or((quoted, ""));
                    (value, after.strip_prefix(',').unwrap_or(after))
                }
                None => after.split_once(',').unwrap_or((after, "")),
            };
            found.push((name.trim().to_owned(), value.trim().to_owned()));
            rest = after;
        }
        Self(found)
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value)
    }

    /// A number; `None` also when it is none.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.parse().ok()
    }

    /// A whole number; `None` also when it is none.
    pub fn integer(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// Whether the value of `name` is YES.
    pub fn yes(&self, name: &str) -> bool {
        self.get(name) == Some("YES")
    }
}

/// Bytes of a resource: `BYTERANGE` of a part or a map, `EXT-X-BYTERANGE` (section 4.4.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub first: u64,
    /// How many bytes.
    pub length: u64,
}

impl ByteRange {
    /// Reads `<n>[@<o>]`; without `o` it begins at `follows`, where the range before ended.
    pub fn parse(text: &str, follows: Option<u64>) -> Option<Self> {
        let (length, first) = match text.split_once('@') {
            Some((length, first)) => (length, Some(first.parse().ok()?)),
            None => (text, follows),
        };
        Some(Self {
            first: first?,
            length: length.parse().ok()?,
        })
    }

    /// The first byte behind it.
    pub fn end(self) -> u64 {
        self.first.saturating_add(self.length)
    }

    /// The value of a `Range` field (RFC 9110 section 14.2).
    pub fn field(self) -> String {
        format!("bytes={}-{}", self.first, self.end().saturating_sub(1))
    }
}

/// `EXT-X-PART` (section 4.4.4.9).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Part {
    /// Its URI, as written.
    pub uri: String,
    /// Seconds.
    pub duration: f64,
    /// INDEPENDENT=YES.
    pub independent: bool,
    /// GAP=YES.
    pub gap: bool,
    /// BYTERANGE.
    pub byte_range: Option<ByteRange>,
}

/// A Media Segment, or the tail of a playlist that is not one yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Segment {
    /// Media Sequence Number.
    pub msn: u64,
    /// EXTINF, in seconds.
    pub duration: f64,
    /// Its URI; empty in the tail.
    pub uri: String,
    /// Its Partial Segments, as far as listed.
    pub parts: Vec<Part>,
    /// EXT-X-PROGRAM-DATE-TIME, in seconds since 1970.
    pub date: Option<f64>,
    /// EXT-X-DISCONTINUITY.
    pub discontinuity: bool,
    /// EXT-X-GAP.
    pub gap: bool,
    /// EXT-X-BYTERANGE.
    pub byte_range: Option<ByteRange>,
    /// URI of the EXT-X-MAP that applies.
    pub map: Option<String>,
    /// Its BYTERANGE.
    pub map_range: Option<ByteRange>,
    /// Tags that stand behind the first part, and must not.
    pub misplaced: Vec<String>,
}

/// What a Media Playlist says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Playlist {
    /// EXT-X-VERSION.
    pub version: Option<u64>,
    /// EXT-X-TARGETDURATION.
    pub target_duration: Option<f64>,
    /// PART-TARGET of EXT-X-PART-INF.
    pub part_target: Option<f64>,
    /// EXT-X-SERVER-CONTROL.
    pub control: Attributes,
    /// EXT-X-MEDIA-SEQUENCE; 0 when absent.
    pub media_sequence: u64,
    /// EXT-X-DISCONTINUITY-SEQUENCE.
    pub discontinuity_sequence: Option<u64>,
    /// EXT-X-SKIP.
    pub skip: Option<Attributes>,
    /// Whole Media Segments.
    pub segments: Vec<Segment>,
    /// What follows the last of them.
    pub open: Segment,
    /// EXT-X-PRELOAD-HINT.
    pub hints: Vec<Attributes>,
    /// EXT-X-RENDITION-REPORT.
    pub reports: Vec<Attributes>,
    /// EXT-X-DATERANGE, whole lines.
    pub date_ranges: Vec<String>,
    /// EXT-X-PLAYLIST-TYPE.
    pub kind: Option<String>,
    /// EXT-X-ENDLIST.
    pub ended: bool,
    /// Lines that cannot be read, and tags that may stand once only.
    pub faults: Vec<String>,
    /// All lines.
    pub lines: Vec<String>,
}

impl Playlist {
    /// Reads what can be read.
    pub fn parse(text: &str) -> Self {
        let mut reader = Reader::default();
        let lines: Vec<String> = text
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        if lines.first().map(String::as_str) != Some("#EXTM3U") {
            reader.fault("does not begin with #EXTM3U");
        }
        for line in lines.iter().filter(|line| !line.is_empty()) {
            reader.line(line);
        }
        let mut playlist = reader.playlist;
        playlist.open = reader.segment;
        (playlist.open.map, playlist.open.map_range) = reader.map;
        let mut msn = playlist.media_sequence + reader.skipped;
        for segment in &mut playlist.segments {
            segment.msn = msn;
            msn += 1;
        }
        playlist.open.msn = msn;
        playlist.lines = lines;
        playlist
    }

    /// The EXT-X-PRELOAD-HINT of this TYPE that has a URI.
    pub fn hint(&self, kind: &str) -> Option<&Attributes> {
        let mut hints = self.hints.iter();
        hints.find(|it| it.get("TYPE") == Some(kind) && it.get("URI").is_some())
    }

    /// The part to ask for next: Media Sequence Number and index.
    pub fn next(&self) -> (u64, usize) {
        (self.open.msn, self.open.parts.len())
    }

    /// The last part listed.
    pub fn last(&self) -> Option<(u64, usize)> {
        let mut all = std::iter::once(&self.open).chain(self.segments.iter().rev());
        let segment = all.find(|segment| !segment.parts.is_empty())?;
        Some((segment.msn, segment.parts.len() - 1))
    }

    /// The segments, and the tail.
    pub fn all(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().chain(std::iter::once(&self.open))
    }

    /// The segment with this number, if it is whole.
    pub fn segment(&self, msn: u64) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.msn == msn)
    }

    /// The part at this place.
    pub fn part(&self, (msn, index): (u64, usize)) -> Option<&Part> {
        self.all()
            .find(|segment| segment.msn == msn)?
            .parts
            .get(index)
    }

    /// Seconds from the end of each whole segment to the end of the playlist.
    pub fn distances(&self) -> Vec<f64> {
        let mut behind: f64 = self.open.parts.iter().map(|part| part.duration).sum();
        let mut distances: Vec<f64> = Vec::with_capacity(self.segments.len());
        for segment in self.segments.iter().rev() {
            distances.push(behind);
            behind += segment.duration;
        }
        distances.reverse();
        distances
    }

    /// Seconds that all of it plays.
    pub fn length(&self) -> f64 {
        let open: f64 = self.open.parts.iter().map(|part| part.duration).sum();
        open + self
            .segments
            .iter()
            .map(|segment| segment.duration)
            .sum::<f64>()
    }
}

#[cfg(test)]
mod tests;
