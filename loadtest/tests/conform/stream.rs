//! A canned stream that is as it should be: segments of one second, four parts each, in the Media
//! Playlists `hi`, `lo` and `audio`.
//!
//! The unit tests of the checks use it too.

use std::fmt::Write as _;

/// Parts of a segment.
pub(crate) const PARTS: u64 = 4;

/// The first Media Sequence Number.
pub(crate) const FIRST: u64 = 100;

/// Whole segments in a playlist.
const WINDOW: u64 = 12;

/// The Media Playlists.
pub(crate) const NAMES: [&str; 3] = ["hi", "lo", "audio"];

/// The Multivariant Playlist.
pub(crate) const MULTIVARIANT: &str = "#EXTM3U\n#EXT-X-VERSION:6\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"audio/index.m3u8\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2000,AUDIO=\"a\"\nhi/index.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=1000,AUDIO=\"a\"\nlo/index.m3u8\n";

/// The Media Playlist `me` once `published` parts are there; `skip`: as a delta update.
pub(crate) fn playlist(published: u64, me: &str, skip: bool) -> String {
    let (whole, open) = (published / PARTS, published % PARTS);
    let first = whole.saturating_sub(WINDOW);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:{}\n#EXT-X-TARGETDURATION:1\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=6.0,PART-HOLD-BACK=0.75\n\
         #EXT-X-PART-INF:PART-TARGET=0.25\n#EXT-X-MEDIA-SEQUENCE:{}\n",
        if skip { 9 } else { 6 },
        FIRST + first
    );
    let kept = whole.saturating_sub(6).max(first);
    let from = if skip { kept } else { first };
    if skip && from > first {
        let _ = writeln!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={}", from - first);
    }
    text.push_str("#EXT-X-MAP:URI=\"init.mp4\"\n");
    for segment in from..=whole {
        let parts = if segment == whole { open } else { PARTS };
        let behind = published - (segment * PARTS + parts);
        if segment < whole || open > 0 {
            let _ = writeln!(
                text,
                "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T10:{:02}:{:02}.000Z",
                segment / 60,
                segment % 60
            );
        }
        for part in (0..parts).filter(|_| behind <= 3 * PARTS) {
            let independent = if part == 0 { ",INDEPENDENT=YES" } else { "" };
            let uri = uri(segment * PARTS + part);
            let _ = writeln!(text, "#EXT-X-PART:DURATION=0.25,URI=\"{uri}\"{independent}");
        }
        if segment < whole {
            let _ = write!(text, "#EXTINF:1.0,\ns{}.m4s\n", FIRST + segment);
        }
    }
    let _ = writeln!(
        text,
        "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}\"",
        uri(published)
    );
    let last = published - 1;
    for other in NAMES.iter().filter(|name| **name != me) {
        let _ = writeln!(
            text,
            "#EXT-X-RENDITION-REPORT:URI=\"../{other}/index.m3u8\",LAST-MSN={},LAST-PART={}",
            FIRST + last / PARTS,
            last % PARTS
        );
    }
    text
}

/// The URI of the part `number`, counted over all segments.
pub(crate) fn uri(number: u64) -> String {
    format!("s{}.{}.m4s", FIRST + number / PARTS, number % PARTS)
}

/// The Media Initialization Section: one track, a thousand ticks a second.
pub(crate) fn init() -> Vec<u8> {
    let tkhd = full(b"tkhd", 0, &[0, 0, 1, 0, 0]);
    let mdhd = full(b"mdhd", 0, &[0, 0, 1_000, 0, 0]);
    let trak = [tkhd, boxed(b"mdia", &mdhd)].concat();
    let trex = full(b"trex", 0, &[1, 1, 250, 0, 0x1_0000]);
    let moov = [boxed(b"trak", &trak), boxed(b"mvex", &trex)].concat();
    [boxed(b"ftyp", b"cmfc"), boxed(b"moov", &moov)].concat()
}

/// The part `number`, counted over all segments.
pub(crate) fn part(number: u64) -> Vec<u8> {
    part_at(number, number * 250)
}

/// The part `number`, with another time.
pub(crate) fn part_at(number: u64, time: u64) -> Vec<u8> {
    let flags = if number.is_multiple_of(PARTS) {
        0x200_0000
    } else {
        0x101_0000
    };
    let tfdt = full(b"tfdt", 0, &[u32::try_from(time).unwrap()]);
    let trun = full(b"trun", 0x5, &[1, 0, flags]);
    let traf = [full(b"tfhd", 0x2_0000, &[1]), tfdt, trun].concat();
    let moof = [full(b"mfhd", 0, &[1]), boxed(b"traf", &traf)].concat();
    let payload = number.to_be_bytes().repeat(16);
    [boxed(b"moof", &moof), boxed(b"mdat", &payload)].concat()
}

/// All parts of the segment `msn`.
pub(crate) fn segment(msn: u64) -> Vec<u8> {
    let first = (msn - FIRST) * PARTS;
    (first..first + PARTS).flat_map(part).collect()
}

fn full(kind: &[u8; 4], flags: u32, fields: &[u32]) -> Vec<u8> {
    let content: Vec<u8> = std::iter::once(&flags)
        .chain(fields)
        .flat_map(|field| field.to_be_bytes())
        .collect();
    boxed(kind, &content)
}

fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap();
    [&size.to_be_bytes(), kind.as_slice(), content].concat()
}
