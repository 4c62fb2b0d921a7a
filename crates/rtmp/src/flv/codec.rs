//! The codecs that Weir takes, and what Enhanced RTMP calls them.

/// A video codec that is taken.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum VideoCodec {
    /// AV1: its configuration is an AV1CodecConfigurationRecord, a frame is a temporal unit of OBUs.
    Av1,
    /// H.264: its configuration is an AVCDecoderConfigurationRecord, a frame is NAL units with
    /// their lengths.
    Avc,
    /// HEVC: its configuration is an HEVCDecoderConfigurationRecord, a frame is as that of H.264.
    Hevc,
}

/// An audio codec that is taken.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum AudioCodec {
    /// AAC: its configuration is an AudioSpecificConfig, a frame comes without ADTS.
    Aac,
    /// Opus: its configuration is an identification header (RFC 7845 5.1), a frame is one packet.
    Opus,
}

impl VideoCodec {
    /// All of them, the one that we would rather get first.
    pub const ALL: [Self; 3] = [Self::Av1, Self::Hevc, Self::Avc];

    /// The FourCC of E-RTMP.
    pub fn fourcc(self) -> [u8; 4] {
        match self {
            Self::Av1 => *b"av01",
            Self::Avc => *b"avc1",
            Self::Hevc => *b"hvc1",
        }
    }

    /// Its name for people.
    pub fn as_str(self) -> &'static str {
        super::fourcc::video(self.fourcc())
    }

    pub(crate) fn of_fourcc(fourcc: [u8; 4]) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.fourcc() == fourcc)
    }

    /// Whether its frames carry a composition time in CodedFrames: AV1 has none.
    pub(crate) fn has_composition(self) -> bool {
        !matches!(self, Self::Av1)
    }
}

impl AudioCodec {
    /// All of them, the one that plays everywhere first.
    pub const ALL: [Self; 2] = [Self::Aac, Self::Opus];

    /// The FourCC of E-RTMP.
    pub fn fourcc(self) -> [u8; 4] {
        match self {
            Self::Aac => *b"mp4a",
            Self::Opus => *b"Opus",
        }
    }

    /// Its name for people.
    pub fn as_str(self) -> &'static str {
        super::fourcc::audio(self.fourcc())
    }

    pub(crate) fn of_fourcc(fourcc: [u8; 4]) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.fourcc() == fourcc)
    }
}
