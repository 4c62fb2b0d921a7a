use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::{
    AudioBody, AudioCodec, ColorInfo, FlvError, Reader, Tag, TagError, TagKind, VideoBody,
    VideoCodec, Writer,
};
use crate::amf0::{Value, encode};
use crate::limits::FLV_TAG_BYTES_MAX;

fn video(bytes: &'static [u8]) -> Result<VideoBody, TagError> {
    VideoBody::parse(Bytes::from_static(bytes))
}

fn audio(bytes: &'static [u8]) -> Result<AudioBody, TagError> {
    AudioBody::parse(Bytes::from_static(bytes))
}

fn header(codec: VideoCodec, record: &'static [u8]) -> VideoBody {
    let record = Bytes::from_static(record);
    VideoBody::SequenceHeader { codec, record }
}

fn picture(codec: VideoCodec, keyframe: bool, composition_ms: i32) -> VideoBody {
    VideoBody::Frame {
        codec,
        keyframe,
        composition_ms,
        data: Bytes::from_static(b"NAL"),
    }
}

fn video_track(number: u8, body: VideoBody) -> VideoBody {
    let body = Box::new(body);
    VideoBody::Track { number, body }
}

#[test]
fn avc_bodies() {
    use VideoCodec::Avc;
    assert_eq!(
        video(b"\x17\x00\x00\x00\x00\x01\x64").unwrap(),
        header(Avc, b"\x01\x64")
    );
    assert_eq!(
        video(b"\x17\x01\x00\x00\x42NAL").unwrap(),
        picture(Avc, true, 66)
    );
    assert_eq!(
        video(b"\x27\x01\xff\xff\xdfNAL").unwrap(),
        picture(Avc, false, -33)
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
    use VideoCodec::{Av1, Avc, Hevc};
    for (bytes, body) in [
        (&b"\x90avc1\x01\x64"[..], header(Avc, b"\x01\x64")),
        (b"\xa1avc1\x00\x00\x21NAL", picture(Avc, false, 33)),
        (b"\x93avc1NAL", picture(Avc, true, 0)),
        (b"\x90hvc1\x01", header(Hevc, b"\x01")),
        (b"\x91hvc1\x00\x00\x42NAL", picture(Hevc, true, 66)),
        (b"\xa3hvc1NAL", picture(Hevc, false, 0)),
        (b"\x92hvc1", VideoBody::EndOfSequence),
        (b"\x90av01\x81", header(Av1, b"\x81")),
        // AV1 has no composition time, in either packet type.
        (b"\x91av01NAL", picture(Av1, true, 0)),
        (b"\xa3av01NAL", picture(Av1, false, 0)),
        // A command frame has one byte and no FourCC.
        (b"\xd1\x00", VideoBody::Auxiliary),
    ] {
        assert_eq!(video(bytes).unwrap(), body, "{bytes:?}");
    }
    for (bytes, name) in [
        (b"\x90vp09\x00", "VP9"),
        (b"\x90vvc1\x00", "VVC"),
        (b"\x95av01\x00", "MPEG-2 TS sequence start"),
        (b"\x90????\x00", "unknown FourCC"),
    ] {
        let VideoBody::Unsupported { codec, fourcc } = video(bytes).unwrap() else {
            panic!("{name} was taken");
        };
        assert_eq!(codec, name);
        assert_eq!(fourcc.unwrap(), bytes[1..5]);
    }
    let truncated = Err(TagError::Truncated(TagKind::Video));
    for bytes in [
        &b"\x90hv"[..],
        b"\x91hvc1\x00\x00",
        b"\x96",
        b"\x97",
        b"\xd4",
    ] {
        assert_eq!(video(bytes), truncated, "{bytes:?}");
    }
    let unknown = |packet_type| {
        Err(TagError::UnknownPacketType {
            kind: TagKind::Video,
            packet_type,
        })
    };
    assert_eq!(video(b"\x98avc1"), unknown(8));
    // Multitrack within multitrack, and ModEx within it.
    assert_eq!(video(b"\x96\x06avc1\x00"), unknown(6));
    assert_eq!(video(b"\x96\x07avc1\x00"), unknown(7));
}

#[test]
fn legacy_hevc_is_read_like_avc() {
    assert_eq!(
        video(b"\x1c\x00\x00\x00\x00\x01").unwrap(),
        header(VideoCodec::Hevc, b"\x01")
    );
    assert_eq!(
        video(b"\x2c\x01\x00\x00\x21NAL").unwrap(),
        picture(VideoCodec::Hevc, false, 33)
    );
}

#[test]
fn mod_ex_is_skipped_by_its_length() {
    // TimestampOffsetNano (type 0) of three bytes, then CodedFramesX.
    assert_eq!(
        video(b"\x97\x02abc\x03hvc1NAL").unwrap(),
        picture(VideoCodec::Hevc, true, 0)
    );
    // Two of them, of a type that does not exist; the second one with a 16-bit length.
    let mut long = b"\x97\x00a\xf7\xff\x00\x02abc\x13av01NAL".to_vec();
    assert_eq!(
        VideoBody::parse(long.clone().into()).unwrap(),
        picture(VideoCodec::Av1, true, 0)
    );
    long.truncate(8);
    let truncated = TagError::Truncated(TagKind::Video);
    assert_eq!(VideoBody::parse(long.into()), Err(truncated));
    let opus = audio(b"\x97\x00a\x01Opusraw").unwrap();
    assert!(matches!(
        opus,
        AudioBody::Frame {
            codec: AudioCodec::Opus,
            ..
        }
    ));
}

#[test]
fn a_multitrack_tag_has_all_its_tracks() {
    use VideoCodec::{Avc, Hevc};
    let parse = |bytes: &'static [u8]| VideoBody::parse_tracks(Bytes::from_static(bytes));
    assert_eq!(
        parse(b"\x96\x03hvc1\x02NAL").unwrap(),
        [video_track(2, picture(Hevc, true, 0))]
    );
    assert_eq!(
        parse(b"\xa6\x11avc1\x00\x00\x00\x06\x00\x00\x21NAL\x01\x00\x00\x06\x00\x00\x42NAL")
            .unwrap(),
        [
            picture(Avc, false, 33),
            video_track(1, picture(Avc, false, 66))
        ]
    );
    assert_eq!(
        parse(b"\x96\x20hvc1\x00\x00\x00\x01Havc1\x01\x00\x00\x01A").unwrap(),
        [header(Hevc, b"H"), video_track(1, header(Avc, b"A"))]
    );
    assert_eq!(
        parse(b"\x96\x13avc1\x00\x00\x00\x04NAL"),
        Err(TagError::Truncated(TagKind::Video))
    );
    assert_eq!(
        parse(b"\x96\x33avc1\x00"),
        Err(TagError::UnknownMultitrack {
            kind: TagKind::Video,
            multitrack_type: 3
        })
    );
    let crowd = [&b"\x96\x13avc1"[..], &[0; 4 * 17]].concat();
    assert_eq!(
        VideoBody::parse_tracks(crowd.into()),
        Err(TagError::TooManyTracks(TagKind::Video))
    );
}

#[test]
fn color_info_is_read_and_other_metadata_is_let_pass() {
    let number = |name: &str, value: f64| (name.to_owned(), Value::Number(value));
    let config = Value::Object(vec![
        number("bitDepth", 10.0),
        number("colorPrimaries", 9.0),
        number("transferCharacteristics", 16.0),
        number("matrixCoefficients", 900.0),
    ]);
    let mut body = BytesMut::from(&b"\x94hvc1"[..]);
    encode(&Value::String("colorInfo".to_owned()), &mut body);
    let info = Value::Object(vec![("colorConfig".to_owned(), config)]);
    encode(&info, &mut body);
    let color = ColorInfo {
        bit_depth: Some(10),
        primaries: Some(9),
        transfer: Some(16),
        matrix: None,
    };
    assert_eq!(
        VideoBody::parse(body.freeze()).unwrap(),
        VideoBody::Color(color)
    );
    assert_eq!(video(b"\x94hvc1\xff\xff").unwrap(), VideoBody::Auxiliary);
    // The frame type does not matter for metadata.
    assert_eq!(video(b"\xd4hvc1").unwrap(), VideoBody::Auxiliary);
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

fn sound(codec: AudioCodec) -> AudioBody {
    let data = Bytes::from_static(b"raw");
    AudioBody::Frame { codec, data }
}

#[test]
fn audio_bodies() {
    assert_eq!(
        audio(b"\xaf\x00\x11\x90").unwrap(),
        AudioBody::SequenceHeader {
            codec: AudioCodec::Aac,
            record: Bytes::from_static(b"\x11\x90")
        }
    );
    assert_eq!(audio(b"\xaf\x01raw").unwrap(), sound(AudioCodec::Aac));
    assert_eq!(audio(b"\x91mp4araw").unwrap(), sound(AudioCodec::Aac));
    assert_eq!(audio(b"\x91Opusraw").unwrap(), sound(AudioCodec::Opus));
    assert_eq!(
        audio(b"\x90Opus").unwrap(),
        AudioBody::SequenceHeader {
            codec: AudioCodec::Opus,
            record: Bytes::new()
        }
    );
    assert_eq!(audio(b"\x92Opus").unwrap(), AudioBody::Auxiliary);
    assert_eq!(
        audio(b"\x95\x01Opus\x01raw").unwrap(),
        AudioBody::Track {
            number: 1,
            body: Box::new(sound(AudioCodec::Opus))
        }
    );
    for (bytes, name) in [
        (b"\x91.mp3raw", "MP3"),
        (b"\x91ac-3raw", "AC-3"),
        (b"\x91ec-3raw", "E-AC-3"),
        (b"\x91fLaCraw", "FLAC"),
    ] {
        let AudioBody::Unsupported { codec, .. } = audio(bytes).unwrap() else {
            panic!("{name} was taken");
        };
        assert_eq!(codec, name);
    }
    assert_eq!(audio(b"\xaf"), Err(TagError::Truncated(TagKind::Audio)));
    assert_eq!(
        audio(b"\x93Opus"),
        Err(TagError::UnknownPacketType {
            kind: TagKind::Audio,
            packet_type: 3
        })
    );
}

#[test]
fn bodies_encode_to_what_they_parse_from() {
    for bytes in [
        &b"\x17\x00\x00\x00\x00\x01"[..],
        b"\x27\x01\xff\xff\xdfNAL",
        b"\x17\x02\x00\x00\x00",
        b"\x90hvc1\x01",
        b"\xa1hvc1\xff\xff\xdfNAL",
        b"\x91av01NAL",
        b"\x96\x01avc1\x03\x00\x00\x21NAL",
    ] {
        let mut out = BytesMut::new();
        assert!(
            VideoBody::parse(Bytes::from_static(bytes))
                .unwrap()
                .encode(&mut out)
        );
        assert_eq!(out, bytes);
    }
    for bytes in [
        &b"\xaf\x00\x11\x90"[..],
        b"\xaf\x01raw",
        b"\x90OpusOpusHead",
        b"\x91Opusraw",
        b"\x95\x01mp4a\x01raw",
    ] {
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
