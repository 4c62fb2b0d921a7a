//! The Multivariant Playlist: which Variant Streams and audio Renditions there are.
//!
//! A document only. It does not follow a stream: it is made once, at stream start.

use std::fmt::{self, Formatter, Write as _};

use thiserror::Error;

use crate::{
    RenditionName,
    object::{I_FRAMES_NAME, IMAGES_NAME},
};

/// EXT-X-VERSION of a Multivariant Playlist; the same as that of its Media Playlists.
pub const VERSION: u8 = crate::media::VERSION;

/// GROUP-ID of the one group of audio Renditions.
const AUDIO_GROUP: &str = "audio";

/// A whole Multivariant Playlist.
///
/// With video, `audio` is a group of Renditions that each Variant refers to. Without video, the
/// audio Rendition is itself a Variant (with neither `resolution` nor `frame_rate`) and `audio`
/// stays empty: a group that names the Variant's own playlist would say the same twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multivariant {
    /// The Variants, best first: a player without an idea of the network starts with the first.
    pub variants: Vec<Variant>,
    /// The audio Renditions that play along with each Variant.
    pub audio: Vec<AudioRendition>,
    /// EXT-X-I-FRAME-STREAM-INF: the renditions with an I-frame playlist.
    pub i_frames: Vec<IFrames>,
    /// EXT-X-IMAGE-STREAM-INF: pictures to seek by.
    pub images: Option<Images>,
}

/// EXT-X-I-FRAME-STREAM-INF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IFrames {
    /// The rendition whose I-frames they are.
    pub rendition: RenditionName,
    /// BANDWIDTH: that of the I-frames alone, at the speed of play.
    pub bandwidth: u64,
    /// AVERAGE-BANDWIDTH.
    pub average_bandwidth: Option<u64>,
    /// CODECS, of the picture alone.
    pub codec: String,
    /// RESOLUTION.
    pub resolution: Option<(u32, u32)>,
    /// VIDEO-RANGE.
    pub video_range: Option<VideoRange>,
}

/// EXT-X-IMAGE-STREAM-INF, an extension (Roku; Shaka reads it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// The rendition that they are made from.
    pub rendition: RenditionName,
    /// BANDWIDTH: that of the pictures at the speed of play.
    pub bandwidth: u64,
    /// RESOLUTION of one picture.
    pub resolution: (u32, u32),
}

/// EXT-X-STREAM-INF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The rendition whose Media Playlist it is.
    pub rendition: RenditionName,
    /// BANDWIDTH: the peak Segment bit rate, in bit/s, the audio Rendition's included.
    pub bandwidth: u64,
    /// AVERAGE-BANDWIDTH, in bit/s, the audio Rendition's included.
    pub average_bandwidth: Option<u64>,
    /// CODECS: RFC 6381 names, the audio Rendition's included (`avc1.64001f`, `mp4a.40.2`).
    pub codecs: Vec<String>,
    /// RESOLUTION: width and height in pixels.
    pub resolution: Option<(u32, u32)>,
    /// FRAME-RATE.
    pub frame_rate: Option<FrameRate>,
    /// VIDEO-RANGE; absent means SDR.
    pub video_range: Option<VideoRange>,
    /// SCORE: how much this Variant is preferred, relative to the others. All Variants have one, or
    /// none.
    pub score: Option<u32>,
}

/// VIDEO-RANGE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VideoRange {
    /// Hybrid log-gamma.
    Hlg,
    /// Perceptual quantisation.
    Pq,
    /// Standard dynamic range.
    Sdr,
}

impl VideoRange {
    /// As the attribute has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hlg => "HLG",
            Self::Pq => "PQ",
            Self::Sdr => "SDR",
        }
    }
}

/// Frames per second as a fraction; shown with three digits, as FRAME-RATE asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameRate {
    numerator: u32,
    denominator: u32,
}

/// EXT-X-MEDIA with TYPE=AUDIO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioRendition {
    /// The rendition whose Media Playlist it is.
    pub rendition: RenditionName,
    /// NAME: what a person may choose by.
    pub name: String,
    /// LANGUAGE: an RFC 5646 tag.
    pub language: Option<String>,
    /// CHANNELS.
    pub channels: Option<u8>,
    /// DEFAULT=YES. At most one.
    pub default: bool,
}

/// A [`Multivariant`] that cannot be written down.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MultivariantError {
    /// A text has a quotation mark or a control character: it would end the attribute.
    #[error("{attribute} has a character that no quoted-string can hold")]
    Quoted {
        /// The attribute.
        attribute: &'static str,
    },
    /// More than one audio Rendition is the default.
    #[error("more than one audio rendition is the default")]
    Defaults,
    /// Two audio Renditions have the same NAME, which MUST be unique in a group.
    #[error("two audio renditions are named {0:?}")]
    SameName(String),
    /// Some Variants have a SCORE and others have none.
    #[error("all variants need a score, or none")]
    Scores,
    /// There is nothing to play.
    #[error("a Multivariant Playlist needs a variant")]
    NoVariant,
}

impl FrameRate {
    /// `numerator / denominator` frames per second; `None` if either is zero.
    #[must_use]
    pub const fn new(numerator: u32, denominator: u32) -> Option<Self> {
        if numerator == 0 || denominator == 0 {
            return None;
        }
        Some(Self {
            numerator,
            denominator,
        })
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (numerator, denominator) = (u64::from(self.numerator), u64::from(self.denominator));
        let thousandths = (numerator * 1_000 + denominator / 2) / denominator;
        write!(f, "{}.{:03}", thousandths / 1_000, thousandths % 1_000)
    }
}

impl Multivariant {
    /// The playlist's text.
    ///
    /// # Errors
    /// [`MultivariantError`] when the text would be no valid playlist.
    pub fn render(&self) -> Result<String, MultivariantError> {
        self.check()?;
        let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
        for audio in &self.audio {
            // Writing to a String cannot fail.
            let _ = write!(text, "{audio}");
        }
        for variant in &self.variants {
            let _ = self.write_variant(&mut text, variant);
        }
        for i_frames in &self.i_frames {
            let _ = write!(text, "{i_frames}");
        }
        if let Some(images) = &self.images {
            let _ = write!(text, "{images}");
        }
        Ok(text)
    }

    fn check(&self) -> Result<(), MultivariantError> {
        if self.variants.is_empty() {
            return Err(MultivariantError::NoVariant);
        }
        let scored = self.variants.iter().filter(|v| v.score.is_some()).count();
        if scored != 0 && scored != self.variants.len() {
            return Err(MultivariantError::Scores);
        }
        let codecs = self.variants.iter().flat_map(|variant| &variant.codecs);
        for codec in codecs.chain(self.i_frames.iter().map(|own| &own.codec)) {
            check_quoted("CODECS", codec)?;
        }
        for (index, audio) in self.audio.iter().enumerate() {
            check_quoted("NAME", &audio.name)?;
            check_quoted("LANGUAGE", audio.language.as_deref().unwrap_or_default())?;
            if self
                .audio
                .iter()
                .skip(index + 1)
                .any(|other| other.name == audio.name)
            {
                return Err(MultivariantError::SameName(audio.name.clone()));
            }
        }
        if self.audio.iter().filter(|audio| audio.default).count() > 1 {
            return Err(MultivariantError::Defaults);
        }
        Ok(())
    }

    fn write_variant(&self, f: &mut String, variant: &Variant) -> fmt::Result {
        write!(f, "#EXT-X-STREAM-INF:BANDWIDTH={}", variant.bandwidth)?;
        if let Some(average) = variant.average_bandwidth {
            write!(f, ",AVERAGE-BANDWIDTH={average}")?;
        }
        if !variant.codecs.is_empty() {
            write!(f, ",CODECS=\"{}\"", variant.codecs.join(","))?;
        }
        if let Some((width, height)) = variant.resolution {
            write!(f, ",RESOLUTION={width}x{height}")?;
        }
        if let Some(rate) = variant.frame_rate {
            write!(f, ",FRAME-RATE={rate}")?;
        }
        if let Some(range) = variant.video_range {
            write!(f, ",VIDEO-RANGE={}", range.as_str())?;
        }
        if let Some(score) = variant.score {
            write!(f, ",SCORE={score}")?;
        }
        if !self.audio.is_empty() {
            write!(f, ",AUDIO=\"{AUDIO_GROUP}\"")?;
        }
        writeln!(f, "\n{}", variant.rendition.uri_from_multivariant())
    }
}

impl fmt::Display for IFrames {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={}", self.bandwidth)?;
        if let Some(average) = self.average_bandwidth {
            write!(f, ",AVERAGE-BANDWIDTH={average}")?;
        }
        write!(f, ",CODECS=\"{}\"", self.codec)?;
        if let Some((width, height)) = self.resolution {
            write!(f, ",RESOLUTION={width}x{height}")?;
        }
        if let Some(range) = self.video_range {
            write!(f, ",VIDEO-RANGE={}", range.as_str())?;
        }
        writeln!(f, ",URI=\"{}/{I_FRAMES_NAME}\"", self.rendition)
    }
}

impl fmt::Display for Images {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (width, height) = self.resolution;
        writeln!(
            f,
            "#EXT-X-IMAGE-STREAM-INF:BANDWIDTH={},CODECS=\"jpeg\",RESOLUTION={width}x{height},\
             URI=\"{}/{IMAGES_NAME}\"",
            self.bandwidth, self.rendition
        )
    }
}

impl fmt::Display for AudioRendition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{AUDIO_GROUP}\",NAME=\"{}\"",
            self.name
        )?;
        if let Some(language) = &self.language {
            write!(f, ",LANGUAGE=\"{language}\"")?;
        }
        let default = if self.default { "YES" } else { "NO" };
        write!(f, ",DEFAULT={default},AUTOSELECT=YES")?;
        if let Some(channels) = self.channels {
            write!(f, ",CHANNELS=\"{channels}\"")?;
        }
        writeln!(f, ",URI=\"{}\"", self.rendition.uri_from_multivariant())
    }
}

fn check_quoted(attribute: &'static str, text: &str) -> Result<(), MultivariantError> {
    if text.contains(|character: char| character == '"' || character.is_control()) {
        return Err(MultivariantError::Quoted { attribute });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
