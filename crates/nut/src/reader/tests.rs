//! Four frames of libx265 and of libsvtav1, as ffmpeg 5.1 muxed them.

use super::*;
use crate::{Av1, CodecError, Hevc};

const HEVC: &[u8] = include_bytes!("../../testdata/hevc.nut");
const AV1: &[u8] = include_bytes!("../../testdata/av1.nut");

fn read(bytes: &[u8], piece: usize) -> (Reader, Vec<Packet>) {
    let mut reader = Reader::new();
    let mut packets = Vec::new();
    for piece in bytes.chunks(piece) {
        reader.push(piece);
        while let Some(packet) = reader.poll().unwrap() {
            packets.push(packet);
        }
    }
    (reader, packets)
}

/// Time, keyframe and size of each.
fn summary(packets: &[Packet]) -> Vec<(i64, bool, usize)> {
    let packets = packets.iter();
    packets
        .map(|packet| (packet.pts_ms, packet.keyframe, packet.data.len()))
        .collect()
}

#[test]
fn frames_are_those_that_ffprobe_lists() {
    let (reader, packets) = read(HEVC, HEVC.len());
    assert_eq!(reader.stream().unwrap().fourcc, *b"HEVC");
    let expect = [
        (0, true, 1150),
        (33, false, 12),
        (67, false, 13),
        (100, false, 126),
    ];
    assert_eq!(summary(&packets), expect);
    let (reader, packets) = read(AV1, AV1.len());
    assert_eq!(reader.stream().unwrap().fourcc, *b"AV01");
    let expect = [
        (0, true, 1405),
        (33, false, 127),
        (67, false, 306),
        (100, false, 52),
    ];
    assert_eq!(summary(&packets), expect);
}

#[test]
fn pieces_of_any_size_give_the_same() {
    for bytes in [HEVC, AV1] {
        let (_, whole) = read(bytes, bytes.len());
        for piece in [1, 2, 7, 100] {
            assert_eq!(read(bytes, piece).1, whole, "in pieces of {piece}");
        }
    }
}

#[test]
fn the_codec_data_makes_a_record() {
    let (reader, packets) = read(HEVC, HEVC.len());
    let hevc = Hevc::new(&reader.stream().unwrap().codec_data).unwrap();
    // Main profile.
    assert_eq!(hevc.record()[..2], [1, 1]);
    assert!(!Hevc::sample(&packets[0].data).is_empty());
    let (reader, packets) = read(AV1, AV1.len());
    let stream = reader.stream().unwrap();
    let av1 = Av1::new(&stream.codec_data).unwrap();
    // Main profile, level 2.0, 8 bit 4:2:0. libsvtav1 writes its codec data before it has settled
    // on all tools: the header in the keyframe is the one that holds.
    assert_eq!(av1.record()[..4], [0x81, 0, 0x0C, 0]);
    let coded = Av1::new(&packets[0].data).unwrap();
    assert_eq!(coded.record()[..4], [0x81, 0, 0x0C, 0]);
    assert_ne!(coded, av1);
    assert_eq!(
        Av1::new(&packets[1].data),
        Err(CodecError::Missing("sequence header"))
    );
    // A temporal delimiter is two bytes.
    let delimiter = usize::from(packets[1].data.starts_with(&[0x12, 0])) * 2;
    assert_eq!(
        Av1::sample(&packets[1].data).len() + delimiter,
        packets[1].data.len()
    );
}

#[test]
fn what_is_no_nut_is_refused_and_stays_refused() {
    let mut reader = Reader::new();
    reader.push(b"FLV\x01 and so on, at least 25 bytes");
    assert_eq!(reader.poll(), Err(NutError::BadId));
    assert_eq!(reader.poll(), Err(NutError::BadId));
    let mut reader = Reader::new();
    reader.push(FILE_ID);
    reader.push(&[1, 2, 3]);
    let early = NutError::Malformed("frame before its stream");
    assert_eq!(reader.poll(), Err(early));
}

#[test]
fn lengths_are_bounded() {
    let mut reader = Reader::new();
    reader.push(FILE_ID);
    reader.push(&MAIN.to_be_bytes());
    reader.push(&[0xFF, 0xFF, 0xFF, 0x7F]);
    assert!(matches!(reader.poll(), Err(NutError::TooLong { .. })));
    let mut reader = Reader::new();
    reader.push(FILE_ID);
    reader.push(&MAIN.to_be_bytes());
    reader.push(&[0xFF; 12]);
    assert_eq!(reader.poll(), Err(NutError::Malformed("packet")));
}

#[test]
fn an_error_is_given_again() {
    // The main header is of another version; it is whole, and so is what follows it.
    let mut other = HEVC.to_vec();
    let main = MAIN.to_be_bytes();
    let at = other.windows(8).position(|it| it == main).unwrap();
    let version = other[at + 8..].iter().position(|byte| byte & 0x80 == 0);
    other[at + 8 + version.unwrap() + 1] = 2;
    let mut reader = Reader::new();
    reader.push(&other);
    let error = Err(NutError::Unsupported("another version"));
    assert_eq!(reader.poll(), error);
    reader.push(&[0]);
    assert_eq!(reader.poll(), error);
}
