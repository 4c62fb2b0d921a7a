//! [`Sample`]: one coded picture or one AAC frame, as the demuxer found it.

use bytes::Bytes;

use crate::MediaTime;

/// One coded picture (length-prefixed NAL units, as in an FLV AVC tag) or one raw AAC frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Decode timestamp on the source's timeline. Any origin will do; only differences count.
    pub dts: MediaTime,
    /// Presentation minus decode timestamp. Zero for audio.
    pub cts_offset: MediaTime,
    /// True for a picture that decoding can start at (IDR). Ignored for audio.
    pub keyframe: bool,
    /// The coded bytes.
    pub data: Bytes,
}

impl Sample {
    /// A coded picture.
    #[must_use]
    pub fn video(dts: MediaTime, cts_offset: MediaTime, keyframe: bool, data: Bytes) -> Self {
        Self {
            dts,
            cts_offset,
            keyframe,
            data,
        }
    }

    /// An audio frame.
    #[must_use]
    pub fn audio(dts: MediaTime, data: Bytes) -> Self {
        Self {
            dts,
            cts_offset: MediaTime::ZERO,
            keyframe: true,
            data,
        }
    }
}
