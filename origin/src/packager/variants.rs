//! What the Multivariant Playlist says of variants beside each other. Pure.

use cmaf::{VideoCodec, VideoConfig};
use hls::multivariant::{Variant, VideoRange};

pub(super) fn video_range(range: cmaf::VideoRange) -> VideoRange {
    match range {
        cmaf::VideoRange::Hlg => VideoRange::Hlg,
        cmaf::VideoRange::Pq => VideoRange::Pq,
        cmaf::VideoRange::Sdr => VideoRange::Sdr,
    }
}

/// What makes a variant better than another: its height, then its codec.
pub(super) fn rank(video: &VideoConfig) -> (u16, u8) {
    let codec = match video.video_codec() {
        VideoCodec::Av1 => 2,
        VideoCodec::Hevc => 1,
        _ => 0,
    };
    (video.width().min(video.height()), codec)
}

/// SCORE and the order of variants, both best first. A player takes the best that it can decode and
/// that the network carries; a single variant needs no score.
pub(super) fn score(variants: &mut Vec<Variant>, ranks: &[(u16, u8)]) {
    let count = variants.len();
    if count < 2 {
        return;
    }
    let mut ranked: Vec<_> = ranks.iter().zip(variants.drain(..)).collect();
    ranked.sort_by_key(|(rank, _)| std::cmp::Reverse(**rank));
    let scores = (1..=count).rev().map(|score| u32::try_from(score).ok());
    let scored = ranked.into_iter().zip(scores);
    variants.extend(scored.map(|((_, variant), score)| Variant { score, ..variant }));
}
