use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{VideoCodec, VideoRange};

/// SVT-AV1, 1280x720, Main 3.1.
const SDR_720P: [u8; 17] = [
    0x81, 0x05, 0x0c, 0x00, 0x0a, 0x0b, 0x00, 0x00, 0x00, 0x2d, 0x4c, 0xff, 0xb3, 0xc0, 0x2f, 0x80,
    0x04,
];
/// SVT-AV1, 1920x1080, Main 4.0, 10 bit, HLG.
const HLG_1080P: [u8; 20] = [
    0x81, 0x08, 0x4c, 0x00, 0x0a, 0x0e, 0x00, 0x00, 0x00, 0x42, 0xab, 0xbf, 0xc3, 0x70, 0x0b, 0xe1,
    0x42, 0x44, 0x82, 0x41,
];
/// libaom, 854x480, Main 3.0.
const SDR_480P: [u8; 17] = [
    0x81, 0x04, 0x0c, 0x00, 0x0a, 0x0b, 0x00, 0x00, 0x00, 0x24, 0xc6, 0xab, 0xdf, 0x36, 0xbe, 0x40,
    0x10,
];

fn parse(record: &[u8]) -> Result<VideoConfig, Av1cError> {
    VideoConfig::from_av1c(Bytes::copy_from_slice(record))
}

#[track_caller]
fn check(record: &[u8], codec: &str, size: (u16, u16), range: VideoRange) {
    let config = parse(record).unwrap();
    assert_eq!(config.video_codec(), VideoCodec::Av1);
    assert_eq!(config.codec(), codec);
    assert_eq!((config.width(), config.height()), size);
    assert_eq!(config.range(), range);
    assert_eq!(config.length_size(), None);
}

#[test]
fn reads_profile_size_and_colours() {
    check(&SDR_720P, "av01.0.05M.08", (1280, 720), VideoRange::Sdr);
    check(&SDR_480P, "av01.0.04M.08", (854, 480), VideoRange::Sdr);
    check(
        &HLG_1080P,
        "av01.0.08M.10.0.110.09.18.09.0",
        (1920, 1080),
        VideoRange::Hlg,
    );
}

#[test]
fn the_sequence_header_is_found_among_others() {
    // A metadata OBU before it, and one without a size at the end.
    let mut record = SDR_720P[..4].to_vec();
    record.extend([0x2A, 0x02, 0x01, 0x02]);
    record.extend(&SDR_720P[4..]);
    record.extend([0x28, 0x01]);
    check(&record, "av01.0.05M.08", (1280, 720), VideoRange::Sdr);
}

#[test]
fn refuses_what_says_nothing() {
    for len in 0..SDR_720P.len() {
        assert!(parse(&SDR_720P[..len]).is_err(), "{len}");
    }
    assert_eq!(parse(&SDR_720P[..4]), Err(Av1cError::NoSequenceHeader));
    assert_eq!(parse(&[0x01, 0x05, 0x0c, 0x00]), Err(Av1cError::Version(1)));
    let endless = [&SDR_720P[..4], &[0x0a], &[0xFF; 9]].concat();
    assert_eq!(parse(&endless), Err(Av1cError::SequenceHeader("OBU size")));
    let large = vec![0x81; AV1C_BYTES_MAX + 1];
    assert_eq!(
        parse(&large).unwrap_err(),
        Av1cError::TooLarge(AV1C_BYTES_MAX + 1)
    );
}

#[test]
fn a_temporal_delimiter_is_taken_off() {
    let unit = Bytes::from_static(&[0x12, 0x00, 0x32, 0x01, 0x10]);
    let rest = without_temporal_delimiter(unit);
    assert_eq!(rest, [0x32, 0x01, 0x10][..]);
    assert_eq!(without_temporal_delimiter(rest.clone()), rest);
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse(&bytes);
        let record = [&[0x81, 0x05, 0x0c, 0x00, 0x08][..], &bytes].concat();
        let _ = parse(&record);
    }

    #[test]
    fn never_panics_on_a_damaged_record(at in 0_usize..20, value: u8) {
        let mut record = HLG_1080P;
        record[at] = value;
        let _ = parse(&record);
    }
}
