//! Of the tolerant reader.

use super::*;

#[test]
fn reads_segments_parts_and_the_tail() {
    let playlist = Playlist::parse(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n\
         #EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-MAP:URI=\"i,1.mp4\"\n\
         #EXT-X-PART:DURATION=0.5,URI=\"a\",INDEPENDENT=YES\n#EXTINF:2.0,\ns7\n\
         #EXT-X-PART:DURATION=0.5,URI=\"b\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"c\"\n",
    );
    assert_eq!(playlist.faults, Vec::<String>::new());
    assert_eq!(playlist.next(), (8, 1));
    assert_eq!(playlist.last(), Some((8, 0)));
    assert!(playlist.part((7, 0)).unwrap().independent);
    assert_eq!(playlist.segments[0].map.as_deref(), Some("i,1.mp4"));
    assert_eq!(playlist.distances(), [0.5]);
    assert_eq!(playlist.hints[0].get("URI"), Some("c"));
}

#[test]
fn notes_what_it_cannot_read_and_goes_on() {
    let playlist = Playlist::parse(
        "#EXT-X-TARGETDURATION:2.5\n#EXT-X-PART:URI=\"x\"\n#EXT-X-VERSION:6\n#EXT-X-VERSION:6\n\
         #EXT-X-PART:DURATION=1,URI=\"x\"\n#EXT-X-DISCONTINUITY\n#EXTINF:1,\ns\n",
    );
    assert_eq!(playlist.faults.len(), 4, "{:?}", playlist.faults);
    assert_eq!(playlist.segments[0].misplaced, ["#EXT-X-DISCONTINUITY"]);
}

#[test]
fn byte_ranges_follow_each_other() {
    let playlist = Playlist::parse(
        "#EXTM3U\n#EXT-X-MAP:URI=\"f\",BYTERANGE=\"9@0\"\n\
         #EXT-X-PART:DURATION=1,URI=\"f\",BYTERANGE=\"5@9\"\n\
         #EXT-X-PART:DURATION=1,URI=\"f\",BYTERANGE=\"6\"\n\
         #EXTINF:2,\n#EXT-X-BYTERANGE:11@9\nf\n#EXTINF:2,\n#EXT-X-BYTERANGE:4\nf\n\
         #EXT-X-PART:DURATION=1,URI=\"g\",BYTERANGE=\"6\"\n",
    );
    let range = |first, length| Some(ByteRange { first, length });
    let segment = &playlist.segments[0];
    assert_eq!(segment.map_range, range(0, 9));
    assert_eq!(segment.parts[1].byte_range, range(14, 6));
    assert_eq!(segment.byte_range, range(9, 11));
    assert_eq!(playlist.segments[1].byte_range, range(20, 4));
    assert_eq!(range(14, 6).unwrap().field(), "bytes=14-19");
    assert_eq!(playlist.open.parts[0].byte_range, None);
    assert_eq!(playlist.faults, ["byte range 6"], "of another file");
}

#[test]
fn numbers_go_on_behind_what_was_skipped() {
    let playlist = Playlist::parse(
        "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:10\n#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n#EXTINF:1,\ns\n",
    );
    assert_eq!(playlist.segments[0].msn, 13);
}

#[test]
fn numbers_that_no_sum_would_hold_are_faults() {
    for line in [
        "#EXT-X-MEDIA-SEQUENCE:18446744073709551615",
        "#EXT-X-SKIP:SKIPPED-SEGMENTS=18446744073709551615",
    ] {
        let playlist = Playlist::parse(&format!("#EXTM3U\n{line}\n#EXTINF:1,\ns\n"));
        assert_eq!(playlist.faults, [line]);
        assert_eq!(playlist.next(), (1, 0));
    }
}
