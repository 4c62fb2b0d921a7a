//! Writes a Media Playlist as text.
//!
//! Tag order follows the checklist: MEDIA-SEQUENCE and DISCONTINUITY-SEQUENCE before SKIP (hls.js
//! #7905), DISCONTINUITY, MAP and PROGRAM-DATE-TIME before the Segment's first PART, and the
//! Parts before the EXTINF of their own Segment (mediamtx#997).

use std::fmt::{self, Formatter, Write as _};

use super::{MediaPlaylist, Part, Segment, SegmentHead, ServerControl};
use crate::time::DecimalSeconds;

/// A live playlist without its settled Segments: room for it saves moving the text about.
const TEXT_BYTES_USUAL: usize = 4 * 1024;

impl fmt::Display for MediaPlaylist {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Text {
            playlist: self,
            first: &self.segments,
            settled: "",
            later: &[],
        }
        .fmt(f)
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_segment(f, self)
    }
}

impl MediaPlaylist {
    /// Its text, with these Segments in place of its own: some, those whose text is there already, and
    /// then some more.
    pub(crate) fn render_with(
        &self,
        first: &[Segment],
        settled: &str,
        later: &[Segment],
    ) -> String {
        let mut text = String::with_capacity(settled.len() + TEXT_BYTES_USUAL);
        let whole = Text {
            playlist: self,
            first,
            settled,
            later,
        };
        // Writing to a String cannot fail.
        let _ = write!(text, "{whole}");
        text
    }
}

/// A playlist whose Segments stand elsewhere.
struct Text<'a> {
    playlist: &'a MediaPlaylist,
    first: &'a [Segment],
    settled: &'a str,
    later: &'a [Segment],
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_header(f, self.playlist)?;
        self.first.iter().try_for_each(|s| write_segment(f, s))?;
        f.write_str(self.settled)?;
        self.later.iter().try_for_each(|s| write_segment(f, s))?;
        write_end(f, self.playlist)
    }
}

fn write_header(f: &mut Formatter<'_>, playlist: &MediaPlaylist) -> fmt::Result {
    f.write_str("#EXTM3U\n")?;
    writeln!(f, "#EXT-X-VERSION:{}", playlist.version)?;
    writeln!(
        f,
        "#EXT-X-TARGETDURATION:{}",
        playlist.target_duration.as_secs()
    )?;
    if let Some(control) = &playlist.server_control {
        write_server_control(f, control)?;
    }
    if let Some(part_target) = playlist.part_target {
        writeln!(
            f,
            "#EXT-X-PART-INF:PART-TARGET={}",
            DecimalSeconds(part_target)
        )?;
    }
    writeln!(f, "#EXT-X-MEDIA-SEQUENCE:{}", playlist.media_sequence)?;
    writeln!(
        f,
        "#EXT-X-DISCONTINUITY-SEQUENCE:{}",
        playlist.discontinuity_sequence
    )?;
    if playlist.skipped_segments > 0 {
        writeln!(
            f,
            "#EXT-X-SKIP:SKIPPED-SEGMENTS={}",
            playlist.skipped_segments
        )?;
    }
    Ok(())
}

fn write_end(f: &mut Formatter<'_>, playlist: &MediaPlaylist) -> fmt::Result {
    write_head(f, &playlist.open)?;
    for hint in &playlist.preload_hints {
        writeln!(
            f,
            "#EXT-X-PRELOAD-HINT:TYPE={},URI=\"{}\"",
            hint.kind.as_str(),
            hint.uri
        )?;
    }
    for report in &playlist.rendition_reports {
        let (uri, msn) = (&report.uri, report.last_msn);
        write!(f, "#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={msn}")?;
        if let Some(part) = report.last_part {
            write!(f, ",LAST-PART={part}")?;
        }
        f.write_str("\n")?;
    }
    if playlist.end_list {
        f.write_str("#EXT-X-ENDLIST\n")?;
    }
    Ok(())
}
fn write_server_control(f: &mut Formatter<'_>, control: &ServerControl) -> fmt::Result {
    let mut separator = "#EXT-X-SERVER-CONTROL:";
    let mut attribute = |name: &str, value: fmt::Arguments<'_>| {
        let result = write!(f, "{separator}{name}={value}");
        separator = ",";
        result
    };
    if control.can_block_reload {
        attribute("CAN-BLOCK-RELOAD", format_args!("YES"))?;
    }
    if let Some(boundary) = control.can_skip_until {
        attribute(
            "CAN-SKIP-UNTIL",
            format_args!("{}", DecimalSeconds(boundary)),
        )?;
    }
    if control.can_skip_dateranges {
        attribute("CAN-SKIP-DATERANGES", format_args!("YES"))?;
    }
    if let Some(hold_back) = control.hold_back {
        attribute("HOLD-BACK", format_args!("{}", DecimalSeconds(hold_back)))?;
    }
    if let Some(hold_back) = control.part_hold_back {
        attribute(
            "PART-HOLD-BACK",
            format_args!("{}", DecimalSeconds(hold_back)),
        )?;
    }
    // An empty attribute list would not parse: leave the tag out.
    if separator == "," {
        f.write_str("\n")
    } else {
        Ok(())
    }
}

fn write_segment(f: &mut Formatter<'_>, segment: &Segment) -> fmt::Result {
    write_head(f, &segment.head)?;
    if segment.gap {
        f.write_str("#EXT-X-GAP\n")?;
    }
    writeln!(f, "#EXTINF:{},", DecimalSeconds(segment.duration))?;
    writeln!(f, "{}", segment.uri)
}

fn write_head(f: &mut Formatter<'_>, head: &SegmentHead) -> fmt::Result {
    if head.discontinuity {
        f.write_str("#EXT-X-DISCONTINUITY\n")?;
    }
    if let Some(uri) = &head.map {
        writeln!(f, "#EXT-X-MAP:URI=\"{uri}\"")?;
    }
    if let Some(time) = head.program_date_time {
        writeln!(f, "#EXT-X-PROGRAM-DATE-TIME:{time}")?;
    }
    head.parts.iter().try_for_each(|part| write_part(f, part))
}

fn write_part(f: &mut Formatter<'_>, part: &Part) -> fmt::Result {
    let (duration, uri) = (DecimalSeconds(part.duration), &part.uri);
    write!(f, "#EXT-X-PART:DURATION={duration},URI=\"{uri}\"")?;
    if part.independent {
        f.write_str(",INDEPENDENT=YES")?;
    }
    if part.gap {
        f.write_str(",GAP=YES")?;
    }
    f.write_str("\n")
}
