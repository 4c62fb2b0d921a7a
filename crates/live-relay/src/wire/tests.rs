use proptest::prelude::*;

use super::*;

fn name() -> impl Strategy<Value = RenditionName> {
    "[a-zA-Z0-9_-]{1,64}".prop_map(|name| RenditionName::new(name).unwrap())
}

fn fields() -> impl Strategy<Value = HeaderMap> {
    let field = ("[a-z][a-z0-9-]{0,20}", "[ -~]{0,40}");
    proptest::collection::vec(field, 0..FIELDS_MAX).prop_map(|fields| {
        let field = |(name, value): (String, String)| {
            let name = HeaderName::try_from(name).unwrap();
            (name, HeaderValue::try_from(value).unwrap())
        };
        let mut map = HeaderMap::new();
        for (name, value) in fields.into_iter().map(field) {
            map.append(name, value);
        }
        map
    })
}

fn text() -> impl Strategy<Value = CodedText> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..300);
    (any::<bool>(), bytes).prop_map(|(zstd, bytes)| CodedText {
        zstd,
        bytes: bytes.into(),
    })
}

fn position() -> impl Strategy<Value = LivePosition> {
    let numbers = any::<(u64, u32, u32, bool, bool, u32, u32)>();
    numbers.prop_map(
        |(open, open_parts, previous, started, ended, ms, us)| LivePosition {
            open: Msn::new(open),
            open_parts,
            previous_parts: previous,
            started,
            ended,
            target_duration: Duration::from_millis(ms.into()),
            part_target: Duration::from_micros(us.into()),
        },
    )
}

fn frame() -> impl Strategy<Value = Frame> {
    let body = proptest::collection::vec(any::<u8>(), 0..2000);
    let part = (name(), any::<(u64, u32)>(), fields(), body);
    let part = part.prop_map(|(rendition, (msn, part), fields, body)| {
        Frame::Part(PartFrame {
            rendition,
            msn: Msn::new(msn),
            part: PartIndex::new(part),
            fields,
            body: body.into(),
        })
    });
    let delta = proptest::option::of(text());
    let seconds = any::<(u32, u32)>();
    let playlist = (name(), position(), fields(), seconds, text(), delta);
    let playlist = playlist.prop_map(|(rendition, position, fields, seconds, full, delta)| {
        Frame::Playlist(PlaylistFrame {
            rendition,
            position,
            fields,
            blocking_seconds: seconds.0,
            plain_seconds: seconds.1,
            full,
            delta,
        })
    });
    let end = prop_oneof![Just(End::Ended), Just(End::Gone), Just(End::Leaving)];
    prop_oneof![part, playlist, Just(Frame::Ping), end.prop_map(Frame::End)]
}

proptest! {
    #[test]
    fn frames_read_back_wherever_the_bytes_are_cut(
        frames in proptest::collection::vec(frame(), 0..5),
        cuts in proptest::collection::vec(1..200_usize, 1..50),
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).flatten().collect();
        let mut bytes = Bytes::from(bytes);
        let (mut decoder, mut decoded) = (Decoder::default(), Vec::new());
        for cut in cuts.into_iter().cycle() {
            if bytes.is_empty() {
                break;
            }
            let arrived = bytes.split_to(cut.min(bytes.len()));
            decoded.extend(decoder.decode(arrived).unwrap());
        }
        prop_assert_eq!(decoded, frames);
    }

    #[test]
    fn whatever_arrives_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = bytes;
        // A length that can be reached.
        if let [_, a, b, c, ..] = bytes.as_mut_slice() {
            (*a, *b, *c) = (0, 0, 0);
        }
        _ = Decoder::default().decode(bytes.into());
    }
}

#[test]
fn a_frame_of_another_time_is_skipped() {
    let mut bytes = vec![99, 0, 0, 0, 2, 1, 2];
    bytes.extend(Frame::Ping.encode().concat());
    assert_eq!(
        Decoder::default().decode(bytes.into()),
        Ok(vec![Frame::Ping])
    );
}

#[test]
fn what_is_no_frame() {
    let decode = |bytes: &[u8]| Decoder::default().decode(Bytes::copy_from_slice(bytes));
    assert_eq!(
        decode(&[PART, 1, 0, 0, 1]),
        Err(FrameError::TooLong(0x0100_0001))
    );
    assert_eq!(decode(&[END, 0, 0, 0, 0]), Err(FrameError::Short));
    assert_eq!(
        decode(&[END, 0, 0, 0, 1, 9]),
        Err(FrameError::Value("the reason of an end"))
    );
    assert_eq!(decode(&[PART, 0, 0, 0, 2, 1, b'/']), Err(FrameError::Name));
    let mut part = vec![PART, 0, 0, 0, 15, 1, b'a'];
    part.extend([0; 12]);
    assert_eq!(
        decode(&[part.as_slice(), &[33]].concat()),
        Err(FrameError::TooManyFields(33))
    );
    part[4] = 19;
    assert_eq!(
        decode(&[part.as_slice(), &[1, 1, b' ', 0, 0]].concat()),
        Err(FrameError::Field)
    );
}

#[test]
fn a_body_keeps_no_other_bytes() {
    let part = |body: &'static [u8]| {
        Frame::Part(PartFrame {
            rendition: RenditionName::new("a").unwrap(),
            msn: Msn::new(1),
            part: PartIndex::ZERO,
            fields: HeaderMap::new(),
            body: Bytes::from_static(body),
        })
    };
    let sent = [part(b"one"), part(b"two")];
    let bytes = sent.iter().flat_map(Frame::encode).flatten();
    let frames = Decoder::default().decode(bytes.collect()).unwrap();
    for (frame, body) in frames.iter().zip(["one", "two"]) {
        let Frame::Part(part) = frame else {
            panic!("{frame:?}");
        };
        assert_eq!(part.body, body);
        assert!(part.body.is_unique());
    }
}
