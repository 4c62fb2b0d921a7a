use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::{AudioBody, FlvError, Reader, Tag, TagError, TagKind, VideoBody, Writer};
use crate::limits::FLV_TAG_BYTES_MAX;

fn video(bytes: &'static [u8]) -> Result<VideoBody, TagError> {
    VideoBody::parse(Bytes::from_static(bytes))
}

fn audio(bytes: &'static [u8]) -> Result<AudioBody, TagError> {
    AudioBody::parse(Bytes::from_static(bytes))
}

#[test]
fn avc_bodies() {
    assert_eq!(
        video(b"\x17\x00\x00\x00\x00\x01\x64").unwrap(),
        VideoBody::SequenceHeader(Bytes::from_static(b"\x01\x64"))
    );
    assert_eq!(
        video(b"\x17\x01\x00\x00\x42NAL").unwrap(),
        VideoBody::Frame {
            keyframe: true,
            composition_ms: 66,
            data: Bytes::from_static(b"NAL")
        }
    );
    assert_eq!(
        video(b"\x27\x01\xff\xff\xdfNAL").unwrap(),
        VideoBody::Frame {
            keyframe: false,
            composition_ms: -33,
            data: Bytes::from_static(b"NAL")
        }
    );
    assert_eq!(
        video(b"\x17\x02\x00\x00\x00").unwrap(),
        VideoBody::EndOfSequence
    );
    assert_eq!(video(b"\x57\x00").unwrap(), VideoBody::Auxiliary);
    assert_eq!(video(b""), Err(TagError::Truncated(TagKind::Video)));
    assert_eq!(
        video(b"\x17\x01\x00\x00"),
        Err(TagError::Truncated(TagKind::Video))
    );
    assert_eq!(
        video(b"\x17\x09\x00\x00\x00"),
        Err(TagError::UnknownPacketType {
            kind: TagKind::Video,
            packet_type: 9
        })
    );
}

#[test]
fn enhanced_video() {
    assert_eq!(
        video(b"\x90avc1\x01\x64").unwrap(),
        VideoBody::SequenceHeader(Bytes::from_static(b"\x01\x64"))
    );
    assert_eq!(
        video(b"\xa1avc1\x00\x00\x21NAL").unwrap(),
        VideoBody::Frame {
            keyframe: false,
            composition_ms: 33,
            data: Bytes::from_static(b"NAL")
        }
    );
    assert_eq!(
        video(b"\x93avc1NAL").unwrap(),
        VideoBody::Frame {
            keyframe: true,
            composition_ms: 0,
            data: Bytes::from_static(b"NAL")
        }
    );
    for (bytes, name) in [
        (b"\x90hvc1\x00", "HEVC"),
        (b"\x90av01\x00", "AV1"),
        (b"\x90vp09\x00", "VP9"),
        (b"\x90????\x00", "unknown FourCC"),
    ] {
        let VideoBody::Unsupported { codec, fourcc } = video(bytes).unwrap() else {
            panic!("{name} was taken");
        };
        assert_eq!(codec, name);
        assert_eq!(fourcc.unwrap(), bytes[1..5]);
    }
    assert_eq!(video(b"\x90hv"), Err(TagError::Truncated(TagKind::Video)));
}

#[test]
fn legacy_codecs_are_named() {
    let VideoBody::Unsupported { codec, .. } = video(b"\x12\x00").unwrap() else {
        panic!("taken")
    };
    assert_eq!(codec, "Sorenson H.263");
    let AudioBody::Unsupported { codec, .. } = audio(b"\x2f\x00").unwrap() else {
        panic!("taken")
    };
    assert_eq!(codec, "MP3");
}

#[test]
fn aac_bodies() {
    assert_eq!(
        audio(b"\xaf\x00\x11\x90").unwrap(),
        AudioBody::SequenceHeader(Bytes::from_static(b"\x11\x90"))
    );
    assert_eq!(
        audio(b"\xaf\x01raw").unwrap(),
        AudioBody::Frame(Bytes::from_static(b"raw"))
    );
    assert_eq!(
        audio(b"\x91mp4araw").unwrap(),
        AudioBody::Frame(Bytes::from_static(b"raw"))
    );
    assert_eq!(
        audio(b"\x90Opus").unwrap(),
        AudioBody::Unsupported {
            codec: "Opus",
            fourcc: Some(*b"Opus")
        }
    );
    assert_eq!(audio(b"\xaf"), Err(TagError::Truncated(TagKind::Audio)));
}

#[test]
fn bodies_encode_to_what_they_parse_from() {
    for bytes in [
        &b"\x17\x00\x00\x00\x00\x01"[..],
        b"\x27\x01\xff\xff\xdfNAL",
        b"\x17\x02\x00\x00\x00",
    ] {
        let mut out = BytesMut::new();
        assert!(
            VideoBody::parse(Bytes::from_static(bytes))
                .unwrap()
                .encode(&mut out)
        );
        assert_eq!(out, bytes);
    }
    for bytes in [&b"\xaf\x00\x11\x90"[..], b"\xaf\x01raw"] {
        let mut out = BytesMut::new();
        assert!(
            AudioBody::parse(Bytes::from_static(bytes))
                .unwrap()
                .encode(&mut out)
        );
        assert_eq!(out, bytes);
    }
}

#[test]
fn file_bytes_are_exact() {
    let (writer, header) = Writer::new(true, true);
    assert_eq!(&header[..], b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00");
    assert_eq!(
        &writer.raw(TagKind::Script, 0x0102_0304, b"ab")[..],
        b"\x12\x00\x00\x02\x02\x03\x04\x01\x00\x00\x00ab\x00\x00\x00\x0d"
    );
}

#[track_caller]
fn reader_error(bytes: &[u8]) -> FlvError {
    let mut reader = Reader::new();
    reader.push(bytes);
    loop {
        match reader.poll_tag() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("no error"),
            Err(error) => return error,
        }
    }
}

#[test]
fn hostile_files_end_with_a_reason() {
    assert_eq!(reader_error(b"GIF89a    "), FlvError::BadHeader);
    let with_tag = |tag: &[u8]| [&b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"[..], tag].concat();
    assert_eq!(
        reader_error(&with_tag(b"\x09\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00")),
        FlvError::TooLong(0x00FF_FFFF)
    );
    assert_eq!(
        reader_error(&with_tag(b"\x29\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00")),
        FlvError::Encrypted
    );
    assert_eq!(
        reader_error(&with_tag(b"\x07\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00")),
        FlvError::UnknownTagType(7)
    );
    let (writer, _) = Writer::new(true, false);
    let mut two = with_tag(&writer.raw(TagKind::Video, 0, b"ab"));
    *two.last_mut().unwrap() += 1;
    two.extend_from_slice(&writer.raw(TagKind::Video, 0, b"ab"));
    assert_eq!(
        reader_error(&two),
        FlvError::BadPreviousTagSize {
            got: 14,
            expected: 13
        }
    );
}

fn tag_strategy() -> impl Strategy<Value = Tag> {
    let kind = prop_oneof![
        Just(TagKind::Audio),
        Just(TagKind::Script),
        Just(TagKind::Video)
    ];
    let body = prop::collection::vec(any::<u8>(), 0..200);
    (kind, body).prop_map(|(kind, body)| Tag {
        kind,
        timestamp_ms: 0,
        body: Bytes::from(body),
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_whatever_the_splits(
        tags in prop::collection::vec(tag_strategy(), 0..20),
        start_ms in -1000_i64..(1 << 30),
        step_ms in 0_i64..100_000_000,
        pieces in prop::collection::vec(1_usize..64, 1..64),
    ) {
        let (writer, header) = Writer::new(true, true);
        let mut file = BytesMut::from(&header[..]);
        let mut expected = Vec::new();
        for (index, tag) in tags.into_iter().enumerate() {
            let timestamp_ms = start_ms + step_ms * index as i64;
            file.extend_from_slice(&writer.raw(tag.kind, timestamp_ms, &tag.body));
            expected.push(Tag { timestamp_ms, ..tag });
        }
        let mut reader = Reader::new();
        let mut got = Vec::new();
        let mut rest = &file[..];
        for size in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            rest = after;
            reader.push(piece);
            while let Some(tag) = reader.poll_tag().unwrap() {
                got.push(tag);
            }
            prop_assert!(reader.buffered_bytes() <= FLV_TAG_BYTES_MAX);
        }
        prop_assert_eq!(got, expected);
    }
}
