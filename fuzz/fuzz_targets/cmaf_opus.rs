//! An Opus header from the network, and a packet after it: refused or read, and what is read can be
//! packaged.
#![no_main]

use bytes::Bytes;
use cmaf::{AudioConfig, OPUS_HEADER_BYTES_MAX, TrackConfig, opus_packet_samples};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(samples) = opus_packet_samples(data) {
        assert!((120..=5_760).contains(&samples));
    }
    let Ok(config) = AudioConfig::from_opus(Bytes::copy_from_slice(data)) else {
        return;
    };
    assert!(data.len() <= OPUS_HEADER_BYTES_MAX);
    assert_eq!(config.record(), data);
    assert!((1..=8).contains(&config.channels()));
    assert!((120..=5_760).contains(&config.samples_of(data)));
    assert_eq!(TrackConfig::from(config.clone()).timescale(), 48_000);
    weir_fuzz::package_audio(config, data);
});
