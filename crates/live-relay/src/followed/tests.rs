use hls::RenditionName;
use http::HeaderMap;

use super::*;
use crate::frame::CodedText;

const NOW: Duration = Duration::ZERO;

fn part(msn: u64, part: u32) -> Arc<PartFrame> {
    Arc::new(PartFrame {
        rendition: RenditionName::new("720p").unwrap(),
        msn: Msn::new(msn),
        part: PartIndex::new(part),
        fields: HeaderMap::new(),
        body: Bytes::from(format!("{msn}.{part}")),
    })
}

fn listing(open: u64, open_parts: u32) -> Arc<PlaylistFrame> {
    let text = CodedText {
        zstd: false,
        bytes: Bytes::new(),
    };
    Arc::new(PlaylistFrame {
        rendition: RenditionName::new("720p").unwrap(),
        position: LivePosition {
            open: Msn::new(open),
            open_parts,
            previous_parts: 3,
            started: true,
            ended: false,
            target_duration: Duration::from_secs(2),
            part_target: Duration::from_millis(500),
        },
        fields: HeaderMap::new(),
        blocking_seconds: 12,
        plain_seconds: 1,
        full: text,
        delta: None,
    })
}

fn playlist(followed: &mut Followed, open: u64, open_parts: u32) {
    let full = Bytes::from(format!("full {open}.{open_parts}"));
    let delta = Bytes::from(format!("delta {open}.{open_parts}"));
    followed.playlist(listing(open, open_parts), full, Some(delta));
}

/// Segments 5 (whole, three Parts) and 6 (one Part).
fn followed() -> Followed {
    let mut followed = Followed::default();
    for (msn, index) in [(5, 0), (5, 1), (5, 2), (6, 0)] {
        followed.part(part(msn, index));
    }
    playlist(&mut followed, 6, 1);
    followed
}

fn text(text: &'static str, seconds: u32) -> Answer {
    let ended = text == "end";
    let mut frame = PlaylistFrame::clone(&*if ended { listing(7, 0) } else { listing(6, 1) });
    frame.position.ended = ended;
    Answer::Playlist {
        frame: Arc::new(frame),
        text: Bytes::from_static(text.as_bytes()),
        seconds,
    }
}

#[test]
fn reloads_are_answered_held_or_refused_here() {
    let followed = followed();
    let ask = |query| followed.ask(ObjectName::Playlist, query, NOW);
    assert_eq!(ask(""), text("full 6.1", 1));
    assert_eq!(ask("_HLS_skip=YES"), text("delta 6.1", 1));
    assert_eq!(ask("_HLS_msn=6&_HLS_part=0"), text("full 6.1", 12));
    assert_eq!(ask("_HLS_msn=5&_HLS_skip=v2"), text("delta 6.1", 12));
    assert_eq!(ask("_HLS_msn=6&_HLS_part=1"), Answer::Hold);
    assert_eq!(ask("_HLS_msn=6"), Answer::Hold);
    assert_eq!(ask("_HLS_msn=9"), Answer::Refuse(Rejection::MsnTooFar));
    assert_eq!(
        ask("_HLS_msn=6&_HLS_part=7"),
        Answer::Refuse(Rejection::PartTooFar)
    );
    assert!(matches!(ask("_HLS_part=1"), Answer::Refuse(_)));
}

#[test]
fn what_a_parent_may_hold_is_not_refused() {
    let followed = followed();
    let late = Duration::from_millis(600);
    let ask = |query| followed.ask(ObjectName::Playlist, query, late);
    assert_eq!(ask("_HLS_msn=9"), Answer::AskParent);
    assert_eq!(ask("_HLS_msn=10"), Answer::Refuse(Rejection::MsnTooFar));
}

#[test]
fn with_the_end_directives_are_nothing() {
    let mut followed = followed();
    let mut last = PlaylistFrame::clone(&listing(7, 0));
    last.position.ended = true;
    followed.playlist(Arc::new(last), Bytes::from_static(b"end"), None);
    let ask = |query| followed.ask(ObjectName::Playlist, query, NOW);
    assert_eq!(ask("_HLS_msn=70&_HLS_skip=YES"), text("end", 1));
    let next = ObjectName::Part(Msn::new(7), PartIndex::ZERO);
    assert_eq!(followed.ask(next, "", NOW), Answer::AskParent);
}

#[test]
fn media_that_is_here_about_to_come_or_neither() {
    let followed = followed();
    let ask = |name: &str| followed.ask(ObjectName::parse(name).unwrap(), "", NOW);
    assert_eq!(ask("6.0.m4s"), Answer::Media(vec![part(6, 0)]));
    assert_eq!(ask("6.1.m4s"), Answer::Hold);
    assert_eq!(ask("7.0.m4s"), Answer::Hold);
    let whole = vec![part(5, 0), part(5, 1), part(5, 2)];
    assert_eq!(ask("5.m4s"), Answer::Media(whole));
    for parents in [
        "6.2.m4s",
        "7.1.m4s",
        "4.0.m4s",
        "5.3.m4s",
        "6.m4s",
        "init-1.mp4",
    ] {
        assert_eq!(ask(parents), Answer::AskParent, "{parents}");
    }
    let nothing = Followed::default();
    let object = ObjectName::Part(Msn::new(0), PartIndex::ZERO);
    assert_eq!(nothing.ask(object, "", NOW), Answer::AskParent);
}

#[test]
fn a_segment_with_a_gap_is_not_made_of_its_parts() {
    for missing in 0..3 {
        let mut followed = Followed::default();
        for index in (0..3).filter(|index| *index != missing) {
            followed.part(part(5, index));
        }
        playlist(&mut followed, 6, 0);
        let segment = ObjectName::Segment(Msn::new(5));
        assert_eq!(
            followed.ask(segment, "", NOW),
            Answer::AskParent,
            "{missing}"
        );
    }
}

#[test]
fn few_segments_are_kept() {
    let mut followed = Followed::default();
    for msn in 0..100 {
        followed.part(part(msn, 0));
        playlist(&mut followed, msn, 1);
        assert!(followed.recent.segments.len() <= RECENT_SEGMENTS);
    }
    assert_eq!(followed.next(), Some((Msn::new(99), PartIndex::new(1))));
}

#[test]
fn a_stream_that_begins_again_has_other_parts() {
    let mut followed = followed();
    playlist(&mut followed, 1, 0);
    let old = ObjectName::Part(Msn::new(6), PartIndex::ZERO);
    assert_eq!(followed.ask(old, "", NOW), Answer::AskParent);
    assert_eq!(followed.next(), Some((Msn::new(1), PartIndex::ZERO)));
}

fn told(frames: &[Frame]) -> Vec<String> {
    let one = |frame: &Frame| match frame {
        Frame::Part(part) => format!("{}.{}", part.msn, part.part),
        Frame::Playlist(playlist) => {
            let position = playlist.position;
            format!("list {}.{}", position.open, position.open_parts)
        }
        other => format!("{other:?}"),
    };
    frames.iter().map(one).collect()
}

#[test]
fn a_child_is_told_everything_once() {
    let mut followed = followed();
    let mut fresh = Cursor::default();
    assert_eq!(told(&followed.since(&mut fresh)), ["list 6.1"]);
    let mut behind = Cursor::from(Some((Msn::new(5), PartIndex::new(2))));
    let frames = followed.since(&mut behind);
    assert_eq!(told(&frames), ["5.2", "6.0", "list 6.1"]);
    for cursor in [&mut fresh, &mut behind] {
        assert_eq!(followed.since(cursor), []);
    }
    // A Part goes on before the playlist that lists it is here.
    followed.part(part(6, 1));
    assert_eq!(told(&followed.since(&mut fresh)), ["6.1"]);
    playlist(&mut followed, 6, 2);
    followed.part(part(6, 2));
    followed.part(part(7, 0));
    playlist(&mut followed, 7, 1);
    assert_eq!(
        told(&followed.since(&mut fresh)),
        ["6.2", "7.0", "list 7.1"]
    );
    let frames = followed.since(&mut behind);
    assert_eq!(told(&frames), ["6.1", "6.2", "7.0", "list 7.1"]);
}
