use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// libopus by ffmpeg: stereo, 312 samples of pre-skip.
const STEREO: &[u8] = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
const SURROUND: &[u8] =
    b"OpusHead\x01\x06\x38\x01\x80\xbb\0\0\0\0\x01\x04\x02\0\x04\x01\x02\x03\x05";

fn parse(record: &[u8]) -> Result<AudioConfig, OpusError> {
    AudioConfig::from_opus(Bytes::copy_from_slice(record))
}

#[test]
fn reads_channels_and_counts_at_48_khz() {
    for (record, channels) in [(STEREO, 2), (SURROUND, 6), (b"", 2)] {
        let config = parse(record).unwrap();
        assert_eq!(config.codec(), "opus");
        assert_eq!(config.channels(), channels);
        assert_eq!(
            (config.sample_rate(), config.frame_samples()),
            (48_000, 960)
        );
        assert_eq!(config.record(), record);
    }
}

#[test]
fn refuses_what_it_cannot_package() {
    for len in 1..STEREO.len() {
        assert!(parse(&STEREO[..len]).is_err(), "{len}");
    }
    for len in 1..SURROUND.len() {
        assert!(parse(&SURROUND[..len]).is_err(), "{len}");
    }
    let changed = |record: &[u8], index: usize, value: u8| {
        let mut record = record.to_vec();
        record[index] = value;
        parse(&record).unwrap_err()
    };
    assert_eq!(changed(STEREO, 0, b'o'), OpusError::Magic);
    assert_eq!(changed(STEREO, 8, 0x10), OpusError::Version(0x10));
    assert_eq!(changed(STEREO, 9, 0), OpusError::Channels(0));
    assert_eq!(changed(STEREO, 9, 3), OpusError::Mapping(0));
    assert_eq!(changed(SURROUND, 19, 0), OpusError::Mapping(1));
    assert_eq!(changed(SURROUND, 26, 6), OpusError::Mapping(1));
    let large = vec![0; OPUS_HEADER_BYTES_MAX + 1];
    assert_eq!(
        parse(&large).unwrap_err(),
        OpusError::TooLarge(OPUS_HEADER_BYTES_MAX + 1)
    );
}

#[test]
fn the_toc_byte_says_how_long_a_packet_is() {
    for (packet, samples) in [
        // CELT: one frame of 20, 10, 5 and 2.5 ms.
        (&[0xFC][..], Some(960)),
        (&[0xF0], Some(480)),
        (&[0xE8], Some(240)),
        (&[0xE0], Some(120)),
        // Hybrid 20 ms; SILK 60 ms, and two of 40 ms.
        (&[0x68], Some(960)),
        (&[0x58], Some(2_880)),
        (&[0x51], Some(3_840)),
        // Six frames of 20 ms; seven are too long, none is no packet.
        (&[0xFF, 0x06], Some(5_760)),
        (&[0xFF, 0x07], None),
        (&[0xFF, 0x00], None),
        (&[0xFF], None),
        (&[], None),
    ] {
        assert_eq!(opus_packet_samples(packet), samples, "{packet:?}");
    }
    let config = parse(STEREO).unwrap();
    assert_eq!(config.samples_of(&[0xE0]), 120);
    assert_eq!(config.with_frame_samples_of(&[0xF0]).frame_samples(), 480);
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = parse(&bytes);
        let _ = parse(&[MAGIC, &bytes[..]].concat());
        let _ = opus_packet_samples(&bytes);
    }
}
