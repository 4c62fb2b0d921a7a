//! Reads a Media Playlist.
//!
//! Strict about what Weir's own playlists must keep, so that it serves as a check on them, and
//! indifferent to tags it does not know, as the draft demands. Input comes from outside: it never
//! panics, and memory is linear in the input, which is bounded.

use std::time::Duration;

use thiserror::Error;

use super::{
    HintKind, MediaPlaylist, Part, PreloadHint, RenditionReport, Segment, SegmentHead,
    ServerControl,
};
use crate::{
    Msn, PartIndex, ProgramDateTime,
    attribute::{Attributes, BadAttribute, required},
    sequence::parse_decimal_integer,
    time::{DURATION_MAX, parse_decimal_seconds},
};

/// The longest playlist that is read. Four hours of two-second Segments, with the Parts of the
/// last ones, are below 1 MiB.
pub const PLAYLIST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why a text is no Media Playlist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {kind}")]
pub struct ParseError {
    /// The line, from 1; the last one if something is missing.
    pub line: usize,
    /// What is wrong there.
    pub kind: ParseErrorKind,
}

/// What is wrong with a line of a Media Playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// An attribute is missing or malformed.
    #[error("bad or missing attribute {name} of {tag}")]
    Attribute {
        /// The tag.
        tag: &'static str,
        /// The attribute; empty if the list cannot be read at all.
        name: &'static str,
    },
    /// A control character: "Clients SHOULD fail to parse Playlists that contain [...] UTF-8
    /// control characters" other than CR and LF.
    #[error("a control character")]
    Control,
    /// EXT-X-PRELOAD-HINT in an ended playlist.
    #[error("EXT-X-PRELOAD-HINT with EXT-X-ENDLIST")]
    HintAfterEnd,
    /// A tag needs another one that is not there, or not yet.
    #[error("{tag} needs {needs}")]
    Missing {
        /// The tag, or `URI`.
        tag: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// A tag stands where it must not, such as EXT-X-MAP after a Part of the same Segment.
    #[error("{0} is out of place")]
    Misplaced(&'static str),
    /// It does not start with `#EXTM3U`.
    #[error("not a playlist")]
    NotAPlaylist,
    /// A tag is given twice.
    #[error("{0} is repeated")]
    Repeated(&'static str),
    /// EXTINF, rounded, exceeds TARGETDURATION; or a Part exceeds PART-TARGET.
    #[error("{0} exceeds its target duration")]
    TooLong(&'static str),
    /// The text is longer than [`PLAYLIST_BYTES_MAX`].
    #[error("longer than {PLAYLIST_BYTES_MAX} bytes")]
    TooManyBytes,
    /// A tag that changes what URIs mean, and that Weir does not use.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// A tag's value is malformed.
    #[error("bad value of {0}")]
    Value(&'static str),
}

use ParseErrorKind as Kind;

const BYTERANGE: &str = "EXT-X-BYTERANGE";
const DISCONTINUITY: &str = "EXT-X-DISCONTINUITY";
const DISCONTINUITY_SEQUENCE: &str = "EXT-X-DISCONTINUITY-SEQUENCE";
const ENDLIST: &str = "EXT-X-ENDLIST";
const EXTINF: &str = "EXTINF";
const GAP: &str = "EXT-X-GAP";
const MAP: &str = "EXT-X-MAP";
const MEDIA_SEQUENCE: &str = "EXT-X-MEDIA-SEQUENCE";
const PART: &str = "EXT-X-PART";
const PART_INF: &str = "EXT-X-PART-INF";
const PRELOAD_HINT: &str = "EXT-X-PRELOAD-HINT";
const PROGRAM_DATE_TIME: &str = "EXT-X-PROGRAM-DATE-TIME";
const RENDITION_REPORT: &str = "EXT-X-RENDITION-REPORT";
const SERVER_CONTROL: &str = "EXT-X-SERVER-CONTROL";
const SKIP: &str = "EXT-X-SKIP";
const STREAM_INF: &str = "EXT-X-STREAM-INF";
const TARGETDURATION: &str = "EXT-X-TARGETDURATION";
const VERSION: &str = "EXT-X-VERSION";

/// Reads a Media Playlist or a Playlist Delta Update.
///
/// # Errors
/// [`ParseError`] at the first line that is not as it has to be.
pub fn parse(text: &str) -> Result<MediaPlaylist, ParseError> {
    if text.len() > PLAYLIST_BYTES_MAX {
        return Err(ParseError {
            line: 1,
            kind: Kind::TooManyBytes,
        });
    }
    let mut lines = text.lines();
    if lines.next() != Some("#EXTM3U") {
        return Err(ParseError {
            line: 1,
            kind: Kind::NotAPlaylist,
        });
    }
    let mut reader = Reader::default();
    let mut line_number = 1;
    for line in lines {
        line_number += 1;
        reader.line(line).map_err(|kind| ParseError {
            line: line_number,
            kind,
        })?;
    }
    reader.finish().map_err(|kind| ParseError {
        line: line_number,
        kind,
    })
}

/// What has been read so far. `None` means that the tag was not seen.
#[derive(Debug, Default)]
struct Reader {
    version: Option<u8>,
    target_duration: Option<Duration>,
    server_control: Option<ServerControl>,
    part_target: Option<Duration>,
    media_sequence: Option<Msn>,
    discontinuity_sequence: Option<u64>,
    skipped_segments: Option<u64>,
    segments: Vec<Segment>,
    /// The Segment being read.
    head: SegmentHead,
    gap: bool,
    duration: Option<Duration>,
    preload_hints: Vec<PreloadHint>,
    rendition_reports: Vec<RenditionReport>,
    end_list: bool,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), Kind> {
        if line.is_empty() {
            return Ok(());
        }
        if line.contains(char::is_control) {
            return Err(Kind::Control);
        }
        let Some(tag) = line.strip_prefix('#') else {
            return self.uri(line);
        };
        let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
        match name {
            VERSION => {
                let version = parse_decimal_integer(value).and_then(|v| u8::try_from(v).ok());
                set(&mut self.version, VERSION, version)
            }
            TARGETDURATION => {
                let seconds = parse_decimal_integer(value).map(Duration::from_secs);
                let bounded = seconds.filter(|duration| *duration <= DURATION_MAX);
                set(&mut self.target_duration, TARGETDURATION, bounded)
            }
            SERVER_CONTROL => {
                let control = server_control(value).map_err(in_tag(SERVER_CONTROL))?;
                set(&mut self.server_control, SERVER_CONTROL, Some(control))
            }
            PART_INF => {
                let part_target = part_inf(value).map_err(in_tag(PART_INF))?;
                let positive = Some(part_target).filter(|target| !target.is_zero());
                set(&mut self.part_target, PART_INF, positive)
            }
            MEDIA_SEQUENCE => {
                self.check_before_media(MEDIA_SEQUENCE)?;
                set(&mut self.media_sequence, MEDIA_SEQUENCE, Msn::parse(value))
            }
            DISCONTINUITY_SEQUENCE => {
                self.check_before_media(DISCONTINUITY_SEQUENCE)?;
                let sequence = parse_decimal_integer(value);
                set(
                    &mut self.discontinuity_sequence,
                    DISCONTINUITY_SEQUENCE,
                    sequence,
                )
            }
            SKIP => {
                self.check_before_media(SKIP)?;
                let skipped = skip(value).map_err(in_tag(SKIP))?;
                set(&mut self.skipped_segments, SKIP, Some(skipped))
            }
            PRELOAD_HINT => self.preload_hint(value),
            RENDITION_REPORT => {
                let report = rendition_report(value).map_err(in_tag(RENDITION_REPORT))?;
                self.rendition_reports.push(report);
                Ok(())
            }
            ENDLIST => flag(&mut self.end_list, ENDLIST),
            _ => self.segment_tag(name, value),
        }
    }

    /// Tags that belong to the Segment whose URI follows.
    fn segment_tag(&mut self, name: &str, value: &str) -> Result<(), Kind> {
        match name {
            DISCONTINUITY => {
                self.check_before_parts(DISCONTINUITY)?;
                flag(&mut self.head.discontinuity, DISCONTINUITY)
            }
            MAP => {
                self.check_before_parts(MAP)?;
                let uri = map(value)?;
                set(&mut self.head.map, MAP, Some(uri))
            }
            PROGRAM_DATE_TIME => {
                self.check_before_parts(PROGRAM_DATE_TIME)?;
                let time = ProgramDateTime::parse(value);
                set(&mut self.head.program_date_time, PROGRAM_DATE_TIME, time)
            }
            PART => self.part(value),
            GAP => flag(&mut self.gap, GAP),
            EXTINF => {
                let seconds = value
                    .split_once(',')
                    .map_or(value, |(seconds, _title)| seconds);
                set(&mut self.duration, EXTINF, parse_decimal_seconds(seconds))
            }
            BYTERANGE => Err(Kind::Unsupported(BYTERANGE)),
            STREAM_INF => Err(Kind::Unsupported(STREAM_INF)),
            _ => Ok(()),
        }
    }

    fn uri(&mut self, uri: &str) -> Result<(), Kind> {
        let needs = |needs| Kind::Missing { tag: "URI", needs };
        let duration = self.duration.take().ok_or_else(|| needs(EXTINF))?;
        let target = self.target_duration.ok_or_else(|| needs(TARGETDURATION))?;
        if duration >= target + Duration::from_millis(500) {
            return Err(Kind::TooLong(EXTINF));
        }
        self.segments.push(Segment {
            head: std::mem::take(&mut self.head),
            gap: std::mem::take(&mut self.gap),
            duration,
            uri: uri.to_owned(),
        });
        Ok(())
    }

    fn part(&mut self, value: &str) -> Result<(), Kind> {
        let target = self.part_target.ok_or(Kind::Missing {
            tag: PART,
            needs: PART_INF,
        })?;
        // A Part after EXTINF would read as one of the next Segment.
        if self.duration.is_some() {
            return Err(Kind::Misplaced(PART));
        }
        let (part, has_byterange) = part(value).map_err(in_tag(PART))?;
        if has_byterange {
            return Err(Kind::Unsupported("BYTERANGE"));
        }
        if part.duration > target {
            return Err(Kind::TooLong(PART));
        }
        self.head.parts.push(part);
        Ok(())
    }

    fn preload_hint(&mut self, value: &str) -> Result<(), Kind> {
        let Some(hint) = preload_hint(value).map_err(in_tag(PRELOAD_HINT))? else {
            return Ok(());
        };
        // "A server SHOULD NOT add more than one hint of the same TYPE."
        if self
            .preload_hints
            .iter()
            .any(|other| other.kind == hint.kind)
        {
            return Err(Kind::Repeated(PRELOAD_HINT));
        }
        self.preload_hints.push(hint);
        Ok(())
    }

    fn check_before_media(&self, tag: &'static str) -> Result<(), Kind> {
        let is_started = self.duration.is_some() || self.gap || self.head != SegmentHead::default();
        let is_skip_first = self.skipped_segments.is_some() && tag != SKIP;
        if is_started || is_skip_first || !self.segments.is_empty() {
            return Err(Kind::Misplaced(tag));
        }
        Ok(())
    }

    /// DISCONTINUITY, MAP and PROGRAM-DATE-TIME "MUST come before the first EXT-X-PART of the
    /// parent".
    fn check_before_parts(&self, tag: &'static str) -> Result<(), Kind> {
        if self.head.parts.is_empty() {
            Ok(())
        } else {
            Err(Kind::Misplaced(tag))
        }
    }

    fn finish(self) -> Result<MediaPlaylist, Kind> {
        let needs = |tag, needs| Kind::Missing { tag, needs };
        let target_duration = self
            .target_duration
            .ok_or_else(|| needs("EXTM3U", TARGETDURATION))?;
        if self.duration.is_some() || self.gap {
            return Err(needs(EXTINF, "URI"));
        }
        if self.end_list && !self.preload_hints.is_empty() {
            return Err(Kind::HintAfterEnd);
        }
        let part_hold_back = self
            .server_control
            .and_then(|control| control.part_hold_back);
        if self.part_target.is_some() && part_hold_back.is_none() {
            return Err(needs(PART_INF, "PART-HOLD-BACK"));
        }
        Ok(MediaPlaylist {
            version: self.version.unwrap_or(1),
            target_duration,
            // A tag that says nothing we know says as much as no tag.
            server_control: self
                .server_control
                .filter(|control| *control != ServerControl::default()),
            part_target: self.part_target,
            media_sequence: self.media_sequence.unwrap_or_default(),
            discontinuity_sequence: self.discontinuity_sequence.unwrap_or_default(),
            skipped_segments: self.skipped_segments.unwrap_or_default(),
            segments: self.segments,
            open: self.head,
            preload_hints: self.preload_hints,
            rendition_reports: self.rendition_reports,
            end_list: self.end_list,
        })
    }
}

/// Stores a value that may be given once.
fn set<T>(slot: &mut Option<T>, tag: &'static str, value: Option<T>) -> Result<(), Kind> {
    match slot.replace(value.ok_or(Kind::Value(tag))?) {
        None => Ok(()),
        Some(_) => Err(Kind::Repeated(tag)),
    }
}

fn flag(slot: &mut bool, tag: &'static str) -> Result<(), Kind> {
    if std::mem::replace(slot, true) {
        Err(Kind::Repeated(tag))
    } else {
        Ok(())
    }
}

fn in_tag(tag: &'static str) -> impl Fn(BadAttribute) -> Kind {
    move |BadAttribute(name)| Kind::Attribute { tag, name }
}

fn uri(list: &Attributes<'_>) -> Result<String, BadAttribute> {
    let uri = required("URI", list.quoted("URI")?.filter(|uri| !uri.is_empty()))?;
    Ok(uri.to_owned())
}

fn server_control(value: &str) -> Result<ServerControl, BadAttribute> {
    let list = Attributes::parse(value)?;
    Ok(ServerControl {
        can_block_reload: list.yes("CAN-BLOCK-RELOAD")?,
        can_skip_until: list.seconds("CAN-SKIP-UNTIL")?,
        can_skip_dateranges: list.yes("CAN-SKIP-DATERANGES")?,
        hold_back: list.seconds("HOLD-BACK")?,
        part_hold_back: list.seconds("PART-HOLD-BACK")?,
    })
}

fn part_inf(value: &str) -> Result<Duration, BadAttribute> {
    required(
        "PART-TARGET",
        Attributes::parse(value)?.seconds("PART-TARGET")?,
    )
}

fn skip(value: &str) -> Result<u64, BadAttribute> {
    let skipped = Attributes::parse(value)?.integer("SKIPPED-SEGMENTS")?;
    // What a skip of nothing means, the draft does not say.
    required("SKIPPED-SEGMENTS", skipped.filter(|skipped| *skipped > 0))
}

fn map(value: &str) -> Result<String, Kind> {
    let list = Attributes::parse(value).map_err(in_tag(MAP))?;
    match list.quoted("BYTERANGE").map_err(in_tag(MAP))? {
        Some(_) => Err(Kind::Unsupported("BYTERANGE")),
        None => uri(&list).map_err(in_tag(MAP)),
    }
}

/// The Part, and whether it is only a range of its URI.
fn part(value: &str) -> Result<(Part, bool), BadAttribute> {
    let list = Attributes::parse(value)?;
    let part = Part {
        duration: required("DURATION", list.seconds("DURATION")?)?,
        uri: uri(&list)?,
        independent: list.yes("INDEPENDENT")?,
        gap: list.yes("GAP")?,
    };
    Ok((part, list.quoted("BYTERANGE")?.is_some()))
}

/// `None` for a TYPE that is not known, which is to be ignored.
fn preload_hint(value: &str) -> Result<Option<PreloadHint>, BadAttribute> {
    let list = Attributes::parse(value)?;
    let kind = match required("TYPE", list.word("TYPE")?)? {
        "MAP" => HintKind::Map,
        "PART" => HintKind::Part,
        _ => return Ok(None),
    };
    Ok(Some(PreloadHint {
        kind,
        uri: uri(&list)?,
    }))
}

fn rendition_report(value: &str) -> Result<RenditionReport, BadAttribute> {
    let list = Attributes::parse(value)?;
    let last_part = list
        .word("LAST-PART")?
        .map(|part| PartIndex::parse(part).ok_or(BadAttribute("LAST-PART")));
    Ok(RenditionReport {
        uri: uri(&list)?,
        last_msn: Msn::new(required("LAST-MSN", list.integer("LAST-MSN")?)?),
        last_part: last_part.transpose()?,
    })
}
