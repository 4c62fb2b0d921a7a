//! An av1C from the network: refused or read, and what is read can be packaged.
#![no_main]

use bytes::Bytes;
use cmaf::{AV1C_BYTES_MAX, TrackConfig, VideoConfig};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(config) = VideoConfig::from_av1c(Bytes::copy_from_slice(data)) else {
        return;
    };
    assert!(data.len() <= AV1C_BYTES_MAX);
    assert_eq!(config.record(), data);
    assert!(config.width() > 0 && config.height() > 0);
    assert!(config.codec().starts_with("av01."));
    if let Some(rate) = config.frame_rate() {
        assert!(rate.numerator > 0 && rate.denominator > 0);
    }
    assert_eq!(TrackConfig::from(config.clone()).timescale(), 90_000);
    weir_fuzz::package_video(config);
});
