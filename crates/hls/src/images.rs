//! The image playlist: pictures to seek by, several to a file (the HLS image media playlist that Roku
//! specified; Shaka reads it).
//!
//! A document only, and an extension to HLS: players that do not know it ignore the tag that leads here.

use std::fmt::{self, Formatter};
use std::time::Duration;

use crate::{Msn, ObjectName, ProgramDateTime, time::DecimalSeconds};

/// EXT-X-VERSION that the format asks for.
const VERSION: u8 = 7;

/// A whole image playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePlaylist {
    /// EXT-X-MEDIA-SEQUENCE of the first tile.
    pub media_sequence: u64,
    /// EXT-X-DISCONTINUITY-SEQUENCE.
    pub discontinuity_sequence: u64,
    /// The longest that a tile may span: EXT-X-TARGETDURATION, rounded up.
    pub target_duration: Duration,
    /// The complete tiles, oldest first.
    pub tiles: Vec<Tile>,
    /// The one that still gets pictures. It is told in a tag of our own, EXT-X-WEIR-OPEN-TILE, because a
    /// listed URI must not change; other players see it when it is complete.
    pub open: Option<Tile>,
    /// EXT-X-ENDLIST.
    pub end_list: bool,
}

/// One file of pictures, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// The Segment of its first picture.
    pub msn: Msn,
    /// How many pictures it has.
    pub count: u32,
    /// Wall-clock time of the first.
    pub time: ProgramDateTime,
    /// From the first picture to the one after the last.
    pub duration: Duration,
    /// From each picture to the next.
    pub interval: Duration,
    /// Width and height of each picture, in pixels.
    pub size: (u32, u32),
    /// Columns and rows.
    pub layout: (u32, u32),
    /// It does not go on where the one before ended.
    pub discontinuity: bool,
}

impl fmt::Display for ImagePlaylist {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let target =
            self.target_duration.as_secs() + u64::from(self.target_duration.subsec_nanos() > 0);
        write!(
            f,
            "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}\n\
             #EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-DISCONTINUITY-SEQUENCE:{}\n#EXT-X-IMAGES-ONLY\n",
            self.media_sequence, self.discontinuity_sequence,
        )?;
        for tile in &self.tiles {
            if tile.discontinuity {
                f.write_str("#EXT-X-DISCONTINUITY\n")?;
            }
            writeln!(f, "#EXT-X-PROGRAM-DATE-TIME:{}", tile.time)?;
            writeln!(f, "#EXTINF:{},", DecimalSeconds(tile.duration))?;
            write!(f, "#EXT-X-TILES:")?;
            write_tiles(f, tile)?;
            writeln!(f, "\n{}", ObjectName::Image(tile.msn, tile.count))?;
        }
        if let Some(tile) = &self.open {
            let uri = ObjectName::Image(tile.msn, tile.count);
            write!(f, "#EXT-X-WEIR-OPEN-TILE:URI=\"{uri}\",")?;
            write!(
                f,
                "PROGRAM-DATE-TIME=\"{}\",COUNT={},",
                tile.time, tile.count
            )?;
            write_tiles(f, tile)?;
            f.write_str("\n")?;
        }
        if self.end_list {
            f.write_str("#EXT-X-ENDLIST\n")?;
        }
        Ok(())
    }
}

fn write_tiles(f: &mut Formatter<'_>, tile: &Tile) -> fmt::Result {
    let ((width, height), (columns, rows)) = (tile.size, tile.layout);
    write!(
        f,
        "RESOLUTION={width}x{height},LAYOUT={columns}x{rows},DURATION={}",
        DecimalSeconds(tile.interval)
    )
}
