//! The rules that can be broken.

use crate::stream;

/// Which rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// `_HLS_msn` alone is answered at once.
    MsnDoesNotBlock,
    /// Blocking requests with a part are answered at once.
    PartDoesNotBlock,
    /// What is far ahead is answered as if it were there.
    FarIsAnswered,
    /// `_HLS_part` alone is answered.
    PartAlone,
    /// Segments of the past are 404.
    PastIsMissing,
    /// `_HLS_skip` is ignored.
    NoSkip,
    /// `_HLS_skip=v2` is ignored.
    NoSkipV2,
    /// A delta update skips too much.
    SkipsTooMuch,
    /// A delta update loses the EXT-X-MAP.
    DeltaWithoutMap,
    /// Hinted parts are 404.
    HintIsMissing,
    /// The hint names another part.
    HintIsWrong,
    /// No rendition report for the audio.
    NoReport,
    /// Rendition reports are old.
    OldReport,
    /// DURATION is longer than PART-TARGET.
    LongPart,
    /// Segments have other samples than their parts.
    OtherBytes,
    /// A part has a time that leaves a hole.
    Hole,
    /// INDEPENDENT at a part that is not.
    NotIndependent,
    /// Errors have no CORS field.
    NoCors,
    /// No leave for requests with a field of their own.
    NoPreflight,
    /// Playlists are never gzip.
    NoGzip,
    /// Blocking playlists are kept too shortly.
    ShortLived,
    /// The higher rung is more urgent than the lower.
    Urgent,
    /// Parts leave the server with the playlist.
    PartsDie,
    /// Not a fault: parts are byte ranges of their segments.
    ByteRanges,
    /// The same, and all of the segment comes instead.
    ByteRangesIgnored,
    /// The dates of the audio are those of a second later.
    OtherGrid,
}

/// The playlist with its fault, if it is one of its text.
pub(super) fn spoil(fault: Fault, text: String, rendition: &str, skip: bool) -> String {
    let without = |piece: &str| {
        let lines = text.lines().filter(|line| !line.contains(piece));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    match fault {
        Fault::SkipsTooMuch if skip => {
            // The first two segments that are kept are gone, too.
            let text = text.replace("SKIPPED-SEGMENTS=6", "SKIPPED-SEGMENTS=8");
            let (head, tail) = text.split_once("#EXT-X-PROGRAM-DATE-TIME").unwrap();
            let tail = tail.splitn(3, "\ns").last().unwrap();
            let (_, tail) = tail.split_once('\n').unwrap();
            format!("{head}{tail}")
        }
        Fault::DeltaWithoutMap if skip => without("#EXT-X-MAP"),
        Fault::HintIsWrong => text.replace("PART,URI=\"", "PART,URI=\"never-"),
        Fault::NoReport => without("audio/index"),
        Fault::OldReport => text.replace("LAST-MSN=1", "LAST-MSN="),
        Fault::LongPart => text.replace("DURATION=0.25", "DURATION=0.2505"),
        Fault::NotIndependent => text.replace(".1.m4s\"\n", ".1.m4s\",INDEPENDENT=YES\n"),
        Fault::ByteRanges | Fault::ByteRangesIgnored => text.lines().map(ranged).collect(),
        Fault::OtherGrid if rendition == "audio" => text.replace("T10:", "T11:"),
        _ => text,
    }
}

/// A line whose part, if it has one, is a byte range.
fn ranged(line: &str) -> String {
    let attribute = |uri: &str| {
        let (segment, part) = uri.strip_suffix(".m4s")?.split_once('.')?;
        let length = stream::part(0).len();
        let first = part.parse::<usize>().ok()? * length;
        let uri = format!("URI=\"{segment}.m4s\"");
        Some(if line.starts_with("#EXT-X-PRELOAD-HINT") {
            format!("{uri},BYTERANGE-START={first},BYTERANGE-LENGTH={length}")
        } else if first == 0 {
            format!("{uri},BYTERANGE=\"{length}@0\"")
        } else {
            format!("{uri},BYTERANGE=\"{length}\"")
        })
    };
    let uri = line
        .split_once("URI=\"")
        .and_then(|(_, rest)| rest.split_once('"'));
    let ranged = uri.and_then(|(uri, _)| Some((uri, attribute(uri)?)));
    let line = ranged.map_or_else(
        || line.to_owned(),
        |(uri, ranged)| line.replace(&format!("URI=\"{uri}\""), &ranged),
    );
    line + "\n"
}
