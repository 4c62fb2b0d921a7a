//! What the writer says of a source in the Multivariant Playlist.

use cmaf::TrackConfig;
use hls::multivariant::{AudioRendition, FrameRate, IFrames, Images, Multivariant, Variant};

use super::{SourceNow, Writer};
use crate::packager::variants::{rank, score, video_range};

/// What I-frames take of a rendition's bits, one every 2 s: an estimate, since playlists are announced
/// before there is one. The peak is that of a picture full of detail that does not move.
const I_FRAMES_PERCENT: u64 = 20;
const I_FRAMES_PEAK_PERCENT: u64 = 50;

impl Writer {
    /// Writes the Multivariant Playlist for a source, as soon as every configuration is known. Players that
    /// have one keep it; those who come now learn what is there now.
    pub(super) fn announce(&mut self) {
        let mut tracks = self.tracks.iter();
        if tracks.any(|track| track.present && track.config.is_none()) {
            return;
        }
        let Some(source) = self.source.as_mut().filter(|source| !source.announced) else {
            return;
        };
        source.announced = true;
        let Some(source) = &self.source else {
            return;
        };
        match self.multivariant(source).render() {
            Ok(text) => self.stream.set_multivariant(text),
            Err(error) => {
                tracing::error!(stream = self.stream.name(), %error, "no Multivariant Playlist");
            }
        }
    }

    fn multivariant(&self, source: &SourceNow) -> Multivariant {
        let mut playlist = Multivariant::default();
        let mut audio_codec = None;
        let mut ranks = Vec::new();
        for track in &self.tracks {
            if let Some(TrackConfig::Audio(audio)) = &track.config {
                audio_codec = Some(audio.codec().to_owned());
                playlist.audio.push(AudioRendition {
                    rendition: track.name.clone(),
                    name: "Audio".to_owned(),
                    language: None,
                    channels: Some(audio.channels()),
                    default: true,
                });
            }
        }
        for (track, bandwidth) in self.tracks.iter().zip(&source.bandwidths) {
            let Some(TrackConfig::Video(video)) = &track.config else {
                continue;
            };
            let rate = bandwidth.frame_rate;
            playlist.variants.push(Variant {
                rendition: track.name.clone(),
                bandwidth: bandwidth.peak,
                average_bandwidth: Some(bandwidth.average),
                codecs: std::iter::once(video.codec())
                    .chain(audio_codec.clone())
                    .collect(),
                resolution: Some((u32::from(video.width()), u32::from(video.height()))),
                frame_rate: FrameRate::new(rate.numerator, rate.denominator),
                video_range: Some(video_range(video.range())),
                score: None,
            });
            ranks.push(rank(video));
            playlist.i_frames.push(IFrames {
                rendition: track.name.clone(),
                bandwidth: bandwidth.peak * I_FRAMES_PEAK_PERCENT / 100,
                average_bandwidth: Some(bandwidth.average * I_FRAMES_PERCENT / 100),
                codec: video.codec(),
                resolution: Some((u32::from(video.width()), u32::from(video.height()))),
                video_range: Some(video_range(video.range())),
            });
        }
        if let (Some(thumbnails), Some(lowest)) = (&self.thumbnails, self.stream.images_rendition())
        {
            let (name, resolution) = (self.tracks.get(lowest), self.stream.source());
            playlist.images = name.map(|track| Images {
                rendition: track.name.clone(),
                bandwidth: thumbnails.bandwidth(),
                resolution: thumbnails.size(resolution.width, resolution.height),
            });
        }
        score(&mut playlist.variants, &ranks);
        playlist
    }
}
