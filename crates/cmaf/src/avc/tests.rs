use proptest::prelude::*;

use super::*;

/// libx264, 1280x720, Constrained Baseline 3.1, 30 fps.
const SPS_720P: &str = "6742c01fda014016ec0440000003004000000c23c60ca8";
/// libx264, 640x360, High 3.0 with VUI.
const SPS_360P: &str = "6764001eacd940a02ff9610000030001000003003c0f162d96";
const PPS: &str = "68ce0fc8";

fn hex(text: &str) -> Vec<u8> {
    let digit = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

fn avcc(sps: &[u8], pps: &[u8]) -> Vec<u8> {
    let mut record = vec![1, sps[1], sps[2], sps[3], 0xFF, 0xE1];
    record.extend((sps.len() as u16).to_be_bytes());
    record.extend(sps);
    record.push(1);
    record.extend((pps.len() as u16).to_be_bytes());
    record.extend(pps);
    record
}

fn parse(record: &[u8]) -> Result<VideoConfig, AvccError> {
    VideoConfig::from_avcc(Bytes::copy_from_slice(record))
}

#[test]
fn reads_size_profile_level_and_rate() {
    let config = parse(&avcc(&hex(SPS_720P), &hex(PPS))).unwrap();
    assert_eq!((config.width(), config.height()), (1280, 720));
    assert_eq!(config.codec(), "avc1.42C01F");
    assert_eq!(config.length_size(), Some(4));
    let config = parse(&avcc(&hex(SPS_360P), &hex(PPS))).unwrap();
    assert_eq!((config.width(), config.height()), (640, 360));
    assert_eq!(config.codec(), "avc1.64001E");
    let rate = config.frame_rate().unwrap();
    assert_eq!(rate.numerator / rate.denominator, 30);
}

#[test]
fn refuses_what_a_decoder_could_stumble_over() {
    let good = avcc(&hex(SPS_720P), &hex(PPS));
    for len in 0..good.len() {
        assert!(
            parse(&good[..len]).is_err(),
            "{len} bytes of {}",
            good.len()
        );
    }
    let changed = |index: usize, value: u8| {
        let mut record = good.clone();
        record[index] = value;
        parse(&record).unwrap_err()
    };
    assert_eq!(changed(0, 0), AvccError::Version(0));
    assert_eq!(changed(4, 0xFE), AvccError::LengthSize(3));
    assert_eq!(changed(8, 0x65), AvccError::WrongNal(5));
    let large = vec![1; AVCC_BYTES_MAX + 1];
    assert_eq!(
        parse(&large).unwrap_err(),
        AvccError::TooLarge(AVCC_BYTES_MAX + 1)
    );
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn never_panics_on_a_damaged_sps(at in 1usize..23, value: u8, cut in 1usize..23) {
        let mut sps = hex(SPS_720P);
        sps[at] = value;
        let _ = parse(&avcc(&sps, &hex(PPS)));
        sps.truncate(cut.max(4));
        let _ = parse(&avcc(&sps, &hex(PPS)));
    }
}
