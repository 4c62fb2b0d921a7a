//! An AudioSpecificConfig from the network: refused or read, and what is read can be packaged.
#![no_main]

use bytes::Bytes;
use cmaf::{ASC_BYTES_MAX, AudioConfig, TrackConfig};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(config) = AudioConfig::from_asc(Bytes::copy_from_slice(data)) else {
        return;
    };
    assert!(data.len() <= ASC_BYTES_MAX);
    assert_eq!(config.record(), data);
    assert!((7_350..=96_000).contains(&config.sample_rate()));
    assert!((7_350..=96_000).contains(&config.output_rate()));
    assert!((1..=8).contains(&config.channels()));
    assert!(matches!(config.frame_samples(), 960 | 1_024));
    assert!(config.codec().starts_with("mp4a.40."));
    assert_eq!(TrackConfig::from(config.clone()).timescale(), config.sample_rate());
    weir_fuzz::package_audio(config, data);
});
