//! Writes a Media Playlist as text.
//!
//! Tag order follows the checklist: MEDIA-SEQUENCE and DISCONTINUITY-SEQUENCE before SKIP (hls.js
//! #7905), DISCONTINUITY, MAP and PROGRAM-DATE-TIME before the Segment's first PART, and the
//! Parts before the EXTINF of their own Segment (mediamtx#997).

use std::fmt::{self, Formatter};

use super::{MediaPlaylist, Part, Segment, SegmentHead, ServerControl};
use crate::time::DecimalSeconds;

impl fmt::Display for MediaPlaylist {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("#EXTM3U\n")?;
        writeln!(f, "#EXT-X-VERSION:{}", self.version)?;
        writeln!(
            f,
            "#EXT-X-TARGETDURATION:{}",
            self.target_duration.as_secs()
        )?;
        if let Some(control) = &self.server_control {
            write_server_control(f, control)?;
        }
        if let Some(part_target) = self.part_target {
            writeln!(
                f,
                "#EXT-X-PART-INF:PART-TARGET={}",
                DecimalSeconds(part_target)
            )?;
        }
        writeln!(f, "#EXT-X-MEDIA-SEQUENCE:{}", self.media_sequence)?;
        writeln!(
            f,
            "#EXT-X-DISCONTINUITY-SEQUENCE:{}",
            self.discontinuity_sequence
        )?;
        if self.skipped_segments > 0 {
            writeln!(f, "#EXT-X-SKIP:SKIPPED-SEGMENTS={}", self.skipped_segments)?;
        }
        for segment in &self.segments {
            write_segment(f, segment)?;
        }
        write_head(f, &self.open)?;
        for hint in &self.preload_hints {
            writeln!(
                f,
                "#EXT-X-PRELOAD-HINT:TYPE={},URI=\"{}\"",
                hint.kind.as_str(),
                hint.uri
            )?;
        }
        for report in &self.rendition_reports {
            let (uri, msn) = (&report.uri, report.last_msn);
            write!(f, "#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={msn}")?;
            if let Some(part) = report.last_part {
                write!(f, ",LAST-PART={part}")?;
            }
            f.write_str("\n")?;
        }
        if self.end_list {
            f.write_str("#EXT-X-ENDLIST\n")?;
        }
        Ok(())
    }
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
