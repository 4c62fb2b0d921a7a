//! The I-frame playlist: the same window, one frame per Segment (RFC 8216bis 4.4.3.6).
//!
//! Players seek and scrub by it. It lists complete Segments only and is never blocked on.

use std::fmt::{self, Write as _};

use crate::live::{Entry, LivePlaylist};
use crate::{Msn, ObjectName, media::VERSION, time::DecimalSeconds};

impl LivePlaylist {
    /// The I-frame playlist as text: each Segment under its own number, with the byte range of its first
    /// I-frame, which is a chunk of its own. A Segment that does not begin with one is a gap here.
    #[must_use]
    pub fn render_i_frames(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_i_frames(&mut text);
        text
    }

    fn write_i_frames(&self, f: &mut String) -> fmt::Result {
        let (first, discontinuity_sequence, listed) = self.listed();
        write!(
            f,
            "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{}\n\
             #EXT-X-MEDIA-SEQUENCE:{first}\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:{discontinuity_sequence}\n#EXT-X-I-FRAMES-ONLY\n",
            self.config().target_duration.as_secs(),
        )?;
        let mut init = None;
        for entry in listed {
            write_i_frame(f, entry, &mut init)?;
        }
        if self.is_ended() {
            f.push_str("#EXT-X-ENDLIST\n");
        }
        Ok(())
    }
}

fn write_i_frame(f: &mut String, entry: &Entry, init: &mut Option<Msn>) -> fmt::Result {
    if entry.discontinuity {
        f.push_str("#EXT-X-DISCONTINUITY\n");
    }
    if init.replace(entry.init) != Some(entry.init) {
        let uri = ObjectName::Init(entry.init);
        writeln!(f, "#EXT-X-MAP:URI=\"{uri}\"")?;
    }
    writeln!(f, "#EXT-X-PROGRAM-DATE-TIME:{}", entry.time)?;
    // "the Media Segment duration is the time between the presentation time of the I-frame in the Media
    // Segment and the presentation time of the next I-frame in the Playlist"
    writeln!(f, "#EXTINF:{},", DecimalSeconds(entry.duration))?;
    match entry.i_frame_bytes {
        Some(bytes) => writeln!(f, "#EXT-X-BYTERANGE:{bytes}@0")?,
        None => f.push_str("#EXT-X-GAP\n"),
    }
    writeln!(f, "{}", ObjectName::Segment(entry.msn))
}
