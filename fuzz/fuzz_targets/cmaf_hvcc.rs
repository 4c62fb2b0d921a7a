//! An hvcC from the network: refused or read, and what is read can be packaged.
#![no_main]

use bytes::Bytes;
use cmaf::{HVCC_BYTES_MAX, TrackConfig, VideoConfig};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(config) = VideoConfig::from_hvcc(Bytes::copy_from_slice(data)) else {
        return;
    };
    assert!(data.len() <= HVCC_BYTES_MAX);
    assert_eq!(config.record(), data);
    assert!(config.width() > 0 && config.height() > 0);
    assert!(matches!(config.length_size(), Some(1 | 2 | 4)));
    assert!(config.codec().starts_with("hvc1."));
    assert!(config.codec().is_ascii());
    if let Some(rate) = config.frame_rate() {
        assert!(rate.numerator > 0 && rate.denominator > 0);
    }
    assert_eq!(TrackConfig::from(config.clone()).timescale(), 90_000);
    weir_fuzz::package_video(config);
});
