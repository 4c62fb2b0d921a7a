use proptest::{collection::vec, option, prelude::*};

use super::*;

const START: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n";
const WITH_PARTS: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n\
     #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.05\n\
     #EXT-X-PART-INF:PART-TARGET=0.35\n";
const PART: &str = "#EXT-X-PART:DURATION=0.35,URI=\"1.0.m4s\"\n";

#[track_caller]
fn check_error(text: &str, line: usize, kind: ParseErrorKind) {
    assert_eq!(parse(text), Err(ParseError { line, kind }), "{text}");
}

#[track_caller]
fn check_tail_error(tail: &str, line: usize, kind: ParseErrorKind) {
    check_error(&format!("{WITH_PARTS}{tail}"), line, kind);
}

#[test]
fn other_texts_are_no_playlists() {
    check_error("", 1, ParseErrorKind::NotAPlaylist);
    check_error("#EXTM3U8\n", 1, ParseErrorKind::NotAPlaylist);
    check_error("\u{feff}#EXTM3U\n", 1, ParseErrorKind::NotAPlaylist);
    check_error("<html>", 1, ParseErrorKind::NotAPlaylist);
    let missing = ParseErrorKind::Missing {
        tag: "EXTM3U",
        needs: "EXT-X-TARGETDURATION",
    };
    check_error("#EXTM3U\n", 1, missing);
    let multivariant = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx\n";
    check_error(
        multivariant,
        2,
        ParseErrorKind::Unsupported("EXT-X-STREAM-INF"),
    );
    let long = "#".repeat(PLAYLIST_BYTES_MAX + 1);
    check_error(&long, 1, ParseErrorKind::TooManyBytes);
}

#[test]
fn unknown_tags_and_comments_are_ignored() {
    let text = format!(
        "{START}\n# a comment\n#EXT-X-FUTURE:X=1\r\n#EXTINF:2.0,title, with comma\r\n1.m4s\r\n\
         #EXT-X-PRELOAD-HINT:TYPE=FUTURE,URI=\"x\"\n"
    );
    let playlist = parse(&text).unwrap();
    assert_eq!(playlist.version, 1);
    assert_eq!(playlist.segments.len(), 1);
    assert_eq!(playlist.segments[0].uri, "1.m4s");
    assert!(playlist.preload_hints.is_empty());
}

/// Checklist 6; mediamtx#997.
#[test]
fn order_within_a_segment_is_checked() {
    for (tag, line) in [
        ("EXT-X-DISCONTINUITY", "#EXT-X-DISCONTINUITY"),
        ("EXT-X-MAP", "#EXT-X-MAP:URI=\"i\""),
        (
            "EXT-X-PROGRAM-DATE-TIME",
            "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z",
        ),
    ] {
        check_tail_error(
            &format!("{PART}{line}\n"),
            6,
            ParseErrorKind::Misplaced(tag),
        );
    }
    let late = format!("#EXTINF:2.0,\n{PART}1.m4s\n");
    check_tail_error(&late, 6, ParseErrorKind::Misplaced("EXT-X-PART"));
    let no_duration = ParseErrorKind::Missing {
        tag: "URI",
        needs: "EXTINF",
    };
    check_tail_error("1.m4s\n", 5, no_duration);
    let no_uri = ParseErrorKind::Missing {
        tag: "EXTINF",
        needs: "URI",
    };
    check_tail_error("#EXTINF:2.0,\n", 5, no_uri);
}

/// Checklist 16; hls.js#7905.
#[test]
fn sequences_come_before_segments_and_skip() {
    for tag in ["EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY-SEQUENCE"] {
        let misplaced = ParseErrorKind::Misplaced(tag);
        let after_skip = format!("#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n#{tag}:1\n");
        check_tail_error(&after_skip, 6, misplaced);
        check_tail_error(&format!("#EXTINF:2.0,\n1.m4s\n#{tag}:1\n"), 7, misplaced);
        check_tail_error(&format!("{PART}#{tag}:1\n"), 6, misplaced);
    }
}

/// OME#1686 and the rule that EXTINF, rounded, keeps TARGETDURATION.
#[test]
fn durations_are_checked() {
    let segment = |duration| format!("{START}#EXTINF:{duration},\n1.m4s\n");
    assert!(parse(&segment("2.499999")).is_ok());
    check_error(&segment("2.5"), 4, ParseErrorKind::TooLong("EXTINF"));
    for bad in ["4294967.996", "", "-1", "NaN", "2,0"] {
        let result = parse(&segment(bad));
        assert_eq!(result.is_err(), bad != "2,0", "{bad}");
    }
    let part = "#EXT-X-PART:DURATION=0.350001,URI=\"1.0.m4s\"\n";
    check_tail_error(part, 5, ParseErrorKind::TooLong("EXT-X-PART"));
}

/// Checklist 1, 2, 13.
#[test]
fn tags_that_need_others_are_checked() {
    let no_target = ParseErrorKind::Missing {
        tag: "EXT-X-PART",
        needs: "EXT-X-PART-INF",
    };
    check_error(&format!("{START}{PART}"), 3, no_target);
    let no_hold_back = ParseErrorKind::Missing {
        tag: "EXT-X-PART-INF",
        needs: "PART-HOLD-BACK",
    };
    check_error(
        &format!("{START}#EXT-X-PART-INF:PART-TARGET=0.35\n"),
        3,
        no_hold_back,
    );
    let hint = "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"1.0.m4s\"\n";
    check_tail_error(
        &format!("{hint}#EXT-X-ENDLIST\n"),
        6,
        ParseErrorKind::HintAfterEnd,
    );
    let twice = ParseErrorKind::Repeated("EXT-X-PRELOAD-HINT");
    check_tail_error(&format!("{hint}{hint}"), 6, twice);
}

#[test]
fn values_are_checked() {
    for (line, kind) in [
        ("#EXT-X-VERSION:256", ParseErrorKind::Value("EXT-X-VERSION")),
        (
            "#EXT-X-TARGETDURATION:2",
            ParseErrorKind::Repeated("EXT-X-TARGETDURATION"),
        ),
        (
            "#EXT-X-MEDIA-SEQUENCE:-1",
            ParseErrorKind::Value("EXT-X-MEDIA-SEQUENCE"),
        ),
        (
            "#EXT-X-BYTERANGE:1@0",
            ParseErrorKind::Unsupported("EXT-X-BYTERANGE"),
        ),
        (
            "#EXT-X-MAP:URI=\"i\",BYTERANGE=\"1@0\"",
            ParseErrorKind::Unsupported("BYTERANGE"),
        ),
        (
            "#EXT-X-PART:DURATION=0.3,URI=\"x\",BYTERANGE=\"1@0\"",
            ParseErrorKind::Unsupported("BYTERANGE"),
        ),
        (
            "#EXT-X-SKIP:SKIPPED-SEGMENTS=0",
            ParseErrorKind::Attribute {
                tag: "EXT-X-SKIP",
                name: "SKIPPED-SEGMENTS",
            },
        ),
        (
            "#EXT-X-PART:URI=\"x\"",
            ParseErrorKind::Attribute {
                tag: "EXT-X-PART",
                name: "DURATION",
            },
        ),
        (
            "#EXT-X-PART:",
            ParseErrorKind::Attribute {
                tag: "EXT-X-PART",
                name: "",
            },
        ),
        (
            "#EXT-X-RENDITION-REPORT:URI=\"x\",LAST-MSN=1,LAST-PART=4294967296",
            ParseErrorKind::Attribute {
                tag: "EXT-X-RENDITION-REPORT",
                name: "LAST-PART",
            },
        ),
        ("1.m4s\r\r", ParseErrorKind::Control),
        ("# a\tb", ParseErrorKind::Control),
    ] {
        check_tail_error(&format!("{line}\n"), 5, kind);
    }
}

#[test]
fn a_parsed_playlist_has_a_position() {
    let playlist = parse(&format!(
        "{WITH_PARTS}#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n\
         {PART}{PART}#EXTINF:0.7,\n9.m4s\n{PART}"
    ))
    .unwrap();
    let position = playlist.position();
    assert_eq!(position.open, Msn::new(10));
    assert_eq!((position.open_parts, position.previous_parts), (1, 2));
    assert!(position.started && !position.ended);
    assert_eq!(playlist.duration(), Duration::from_millis(1_050));
}

fn duration(micros_max: u64) -> impl Strategy<Value = Duration> {
    (1..=micros_max).prop_map(Duration::from_micros)
}

fn part() -> impl Strategy<Value = Part> {
    (
        duration(350_000),
        "[!-~&&[^\"]]{1,12}",
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(duration, uri, independent, gap)| Part {
            duration,
            uri,
            independent,
            gap,
        })
}

fn head() -> impl Strategy<Value = SegmentHead> {
    let time =
        (-62_167_219_200_000..=253_402_300_799_999_i64).prop_map(ProgramDateTime::from_unix_millis);
    (
        any::<bool>(),
        option::of("[a-z0-9./-]{1,12}"),
        option::of(time),
        vec(part(), 0..4),
    )
        .prop_map(
            |(discontinuity, map, program_date_time, parts)| SegmentHead {
                discontinuity,
                map,
                program_date_time,
                parts,
            },
        )
}

fn segment() -> impl Strategy<Value = Segment> {
    (
        head(),
        any::<bool>(),
        duration(2_499_999),
        "[!-~&&[^\"#]][!-~]{0,11}",
    )
        .prop_map(|(head, gap, duration, uri)| Segment {
            head,
            gap,
            duration,
            uri,
        })
}

fn server_control() -> impl Strategy<Value = ServerControl> {
    let seconds = || option::of(duration(60_000_000));
    (
        any::<bool>(),
        seconds(),
        any::<bool>(),
        seconds(),
        duration(9_000_000),
    )
        .prop_map(
            |(can_block_reload, can_skip_until, can_skip_dateranges, hold_back, part_hold_back)| {
                ServerControl {
                    can_block_reload,
                    can_skip_until,
                    can_skip_dateranges,
                    hold_back,
                    part_hold_back: Some(part_hold_back),
                }
            },
        )
}

fn report() -> impl Strategy<Value = RenditionReport> {
    ("[a-z0-9./-]{1,12}", any::<u64>(), option::of(any::<u32>())).prop_map(|(uri, msn, part)| {
        RenditionReport {
            uri,
            last_msn: Msn::new(msn),
            last_part: part.map(PartIndex::new),
        }
    })
}

prop_compose! {
    fn playlist()(
        version in 1..=13_u8,
        control in server_control(),
        sequences in (any::<u64>(), any::<u64>()),
        skipped_segments in 0..1_000_u64,
        segments in vec(segment(), 0..5),
        open in head(),
        hint in "[a-z0-9.]{1,12}",
        rendition_reports in vec(report(), 0..3),
        end_list in any::<bool>(),
    ) -> MediaPlaylist {
        let hints = [HintKind::Map, HintKind::Part].map(|kind| PreloadHint { kind, uri: hint.clone() });
        MediaPlaylist {
            version,
            target_duration: Duration::from_secs(2),
            server_control: Some(control),
            part_target: Some(Duration::from_millis(350)),
            media_sequence: Msn::new(sequences.0),
            discontinuity_sequence: sequences.1,
            skipped_segments,
            segments,
            open,
            preload_hints: if end_list { Vec::new() } else { hints.to_vec() },
            rendition_reports,
            end_list,
        }
    }
}

proptest! {
    #[test]
    fn what_is_rendered_reads_back(playlist in playlist()) {
        let text = playlist.to_string();
        prop_assert_eq!(parse(&text), Ok(playlist));
    }

    #[test]
    fn what_parses_renders_to_a_fixed_point(
        lines in vec(
            prop_oneof![
                Just("#EXT-X-DISCONTINUITY".to_owned()),
                Just("#EXT-X-GAP".to_owned()),
                Just("#EXT-X-ENDLIST".to_owned()),
                Just("#EXTINF:2.4999999,".to_owned()),
                Just("1.m4s\r\r".to_owned()),
                Just("1.m4s".to_owned()),
                Just("#EXT-X-PART:DURATION=.5,URI=\"x\"".to_owned()),
                "#EXT-X-PART:DURATION=0\\.[0-9]{1,12},URI=\"x\"",
                "#EXT-X-[A-Z-]{0,12}:[ -~]{0,20}",
                "\\PC{0,20}",
            ],
            0..20,
        )
    ) {
        let text = format!("{WITH_PARTS}{}", lines.join("\n"));
        if let Ok(playlist) = parse(&text) {
            let again = playlist.to_string();
            let twice = parse(&again).map(|playlist| playlist.to_string());
            prop_assert_eq!(twice, Ok(again));
        }
    }
}
