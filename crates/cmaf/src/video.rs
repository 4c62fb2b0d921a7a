//! [`VideoConfig`]: what the configuration record of a video track says. It does not look at
//! pictures.

use bytes::Bytes;
use mp4_atom::{Av1c, Avcc, Hvcc};

use crate::FrameRate;

/// TransferCharacteristics of ITU-T H.273 that are not SDR.
const TRANSFER_PQ: u8 = 16;
const TRANSFER_HLG: u8 = 18;
/// "Unspecified" in each of H.273's tables.
const UNSPECIFIED: u8 = 2;

/// The decoder configuration of a video track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoConfig {
    pub(crate) record: Bytes,
    pub(crate) entry: Entry,
    /// The RFC 6381 codec string.
    pub(crate) codec_name: String,
    pub(crate) picture: Picture,
}

/// Which codec a video track has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VideoCodec {
    /// AV1.
    Av1,
    /// H.264.
    Avc,
    /// HEVC.
    Hevc,
}

/// What goes into the sample entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Av1(Av1c),
    Avc(Avcc),
    Hevc(Hvcc),
}

/// What the parameter sets say of the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) width: u16,
    pub(crate) height: u16,
    pub(crate) pixel_aspect: Option<(u16, u16)>,
    pub(crate) frame_rate: Option<FrameRate>,
    pub(crate) colour: Option<Colour>,
}

/// How sample values stand for colours: code points of ITU-T H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// ColourPrimaries: 1 is BT.709, 9 is BT.2020.
    pub primaries: u8,
    /// TransferCharacteristics: 1 is BT.709, 16 is PQ, 18 is HLG.
    pub transfer: u8,
    /// MatrixCoefficients.
    pub matrix: u8,
    /// Whether sample values use their full range.
    pub full_range: bool,
}

/// VIDEO-RANGE of a variant (RFC 8216bis 4.4.6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VideoRange {
    /// Hybrid log-gamma.
    Hlg,
    /// Perceptual quantisation.
    Pq,
    /// Standard dynamic range, and whatever does not say what it is.
    #[default]
    Sdr,
}

impl Colour {
    /// The dynamic range that its transfer function makes.
    #[must_use]
    pub fn range(&self) -> VideoRange {
        match self.transfer {
            TRANSFER_PQ => VideoRange::Pq,
            TRANSFER_HLG => VideoRange::Hlg,
            _ => VideoRange::Sdr,
        }
    }

    fn is_specified(&self) -> bool {
        [self.primaries, self.transfer, self.matrix] != [UNSPECIFIED; 3]
    }
}

impl VideoConfig {
    /// The record as it came.
    #[must_use]
    pub fn record(&self) -> &Bytes {
        &self.record
    }

    /// Which codec.
    #[must_use]
    pub fn video_codec(&self) -> VideoCodec {
        match self.entry {
            Entry::Av1(_) => VideoCodec::Av1,
            Entry::Avc(_) => VideoCodec::Avc,
            Entry::Hevc(_) => VideoCodec::Hevc,
        }
    }

    /// Width of the picture after cropping, in pixels. Never 0.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.picture.width
    }

    /// Height of the picture after cropping, in pixels. Never 0.
    #[must_use]
    pub fn height(&self) -> u16 {
        self.picture.height
    }

    /// The rate that the parameter sets promise, if they promise one. Encoders lie: measure with a
    /// [`crate::Probe`].
    #[must_use]
    pub fn frame_rate(&self) -> Option<FrameRate> {
        self.picture.frame_rate
    }

    /// Bytes of each NAL unit's length prefix in a sample: 1, 2 or 4. None for AV1.
    #[must_use]
    pub fn length_size(&self) -> Option<u8> {
        match &self.entry {
            Entry::Av1(_) => None,
            Entry::Avc(avcc) => Some(avcc.length_size),
            Entry::Hevc(hvcc) => Some(hvcc.length_size_minus_one + 1),
        }
    }

    /// The RFC 6381 codec string: `avc1.PPCCLL`, `hvc1.…` (ISO/IEC 14496-15 Annex E) or `av01.…`
    /// (AV1 in ISOBMFF 5).
    #[must_use]
    pub fn codec(&self) -> String {
        self.codec_name.clone()
    }

    /// How sample values stand for colours, if the parameter sets or
    /// [`with_colour`](Self::with_colour) say it.
    #[must_use]
    pub fn colour(&self) -> Option<Colour> {
        self.picture.colour
    }

    /// The same configuration with what was said elsewhere about colours; what the parameter sets
    /// say themselves comes before it.
    #[must_use]
    pub fn with_colour(mut self, colour: Colour) -> Self {
        let own = self.picture.colour.filter(Colour::is_specified);
        self.picture.colour = Some(own.unwrap_or(colour));
        self
    }

    /// VIDEO-RANGE.
    #[must_use]
    pub fn range(&self) -> VideoRange {
        self.picture
            .colour
            .map_or_else(VideoRange::default, |colour| colour.range())
    }

    /// Pixel aspect ratio (`pasp`), if there is one that is not square.
    pub(crate) fn pixel_aspect(&self) -> Option<(u16, u16)> {
        self.picture.pixel_aspect
    }

    /// What `colr` is to say.
    pub(crate) fn specified_colour(&self) -> Option<Colour> {
        self.picture.colour.filter(Colour::is_specified)
    }
}
