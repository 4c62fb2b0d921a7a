use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{Colour, VideoCodec, VideoRange};

/// libx265, 1280x720, Main 3.1, 30 fps.
const SDR_720P: &str = "0101600000009000000000005df000fcfdf8f800000f03a00001001840010c01ffff016000\
    00030090000003000003005d959409a10001002b42010101600000030090000003000003005da00280802d1659595293\
    0bc05a020000030002000003003c10a2000100064401c073c189";
/// libx265, 1920x1080, Main 10 4.1, 59.94 fps, PQ, with scaling lists.
const PQ_1080P: &str = "0102200000009000000000007bf000fcfdfafa00000f03a00001001840010c01ffff022000\
    00030090000003000003007b959409a10001002e42010102200000030090000003000003007ba003c0801107cad96565\
    4a4e1780b50910090400000fa40003a98020a2000100064401c073c189";

fn hex(text: &str) -> Vec<u8> {
    let digit = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

fn parse(record: &[u8]) -> Result<VideoConfig, HvccError> {
    VideoConfig::from_hvcc(Bytes::copy_from_slice(record))
}

#[test]
fn reads_profile_size_rate_and_colours() {
    let config = parse(&hex(SDR_720P)).unwrap();
    assert_eq!(config.video_codec(), VideoCodec::Hevc);
    assert_eq!(config.codec(), "hvc1.1.6.L93.90");
    assert_eq!((config.width(), config.height()), (1280, 720));
    assert_eq!(config.length_size(), Some(4));
    assert_eq!(config.colour(), None);
    assert_eq!(config.range(), VideoRange::Sdr);
    let rate = config.frame_rate().unwrap();
    assert_eq!((rate.numerator, rate.denominator), (30, 1));

    let config = parse(&hex(PQ_1080P)).unwrap();
    assert_eq!(config.codec(), "hvc1.2.4.L123.90");
    // 1088 coded lines, cropped.
    assert_eq!((config.width(), config.height()), (1920, 1080));
    assert_eq!(config.range(), VideoRange::Pq);
    let pq = Colour {
        primaries: 9,
        transfer: 16,
        matrix: 9,
        full_range: false,
    };
    assert_eq!(config.colour(), Some(pq));
    let rate = config.frame_rate().unwrap();
    assert_eq!((rate.numerator, rate.denominator), (60_000, 1_001));
}

/// What the encoder says elsewhere counts only where the bitstream is silent.
#[test]
fn colours_from_elsewhere_come_second() {
    let hlg = Colour {
        primaries: 9,
        transfer: 18,
        matrix: 9,
        full_range: false,
    };
    let silent = parse(&hex(SDR_720P)).unwrap().with_colour(hlg);
    assert_eq!(silent.range(), VideoRange::Hlg);
    let says_pq = parse(&hex(PQ_1080P)).unwrap().with_colour(hlg);
    assert_eq!(says_pq.range(), VideoRange::Pq);
}

#[test]
fn refuses_what_a_decoder_could_stumble_over() {
    let good = hex(SDR_720P);
    for len in 0..good.len() {
        assert!(parse(&good[..len]).is_err(), "{len} of {}", good.len());
    }
    let changed = |index: usize, value: u8| {
        let mut record = good.clone();
        record[index] = value;
        parse(&record).unwrap_err()
    };
    assert_eq!(changed(0, 0), HvccError::Version(0));
    assert_eq!(changed(21, 0x0E), HvccError::LengthSize(3));
    // A VPS in place of the SPS, and an array of slices.
    assert_eq!(changed(52, 0xA0), HvccError::WrongNal(33));
    assert_eq!(changed(23, 0x81), HvccError::WrongNal(1));
    assert_eq!(changed(22, 2), HvccError::NoParameterSets);
    let large = vec![1; HVCC_BYTES_MAX + 1];
    assert_eq!(
        parse(&large).unwrap_err(),
        HvccError::TooLarge(HVCC_BYTES_MAX + 1)
    );
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn never_panics_on_a_damaged_record(at: usize, value: u8, hdr: bool) {
        let mut record = hex(if hdr { PQ_1080P } else { SDR_720P });
        let at = at % record.len();
        record[at] = value;
        let _ = parse(&record);
    }
}
