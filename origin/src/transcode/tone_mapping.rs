//! What is done to the pictures of an HDR source before the ladder is made of them. Pure.
//!
//! All rungs have eight bits and are SDR: without tone mapping PQ and HLG look dark or washed out in
//! them. It is done once for all rungs, at the size of the largest, since it works in floating point
//! and costs half as much as the ladder does (BENCHMARKS.md).

use cmaf::{Colour, VideoConfig, VideoRange};
use serde::Deserialize;

/// ColourPrimaries of ITU-T H.273 that zscale knows and HDR has: BT.709, BT.2020, P3 with either white.
const PRIMARIES: [u8; 4] = [1, BT2020, 11, 12];
/// MatrixCoefficients that zscale knows and HDR has: BT.709, BT.2020 with and without constant luminance.
const MATRICES: [u8; 3] = [1, BT2020, 10];
/// BT.2020, as primaries and, without constant luminance, as matrix: what HDR is unless it says otherwise
/// (BT.2100).
const BT2020: u8 = 9;
/// TransferCharacteristics of HLG and PQ.
const HLG: u8 = 18;
const PQ: u8 = 16;
/// SDR white is so many cd/m² (BT.2035): what is as bright as this grey card stays so.
const SDR_WHITE_NITS: u32 = 100;
/// What is this bright becomes white, what is brighter is cut off: cameras, games and OBS grade for it,
/// and HLG has its nominal display there (BT.2100). Not what the stream's metadata say: those change in
/// mid-stream, and the picture with them, and are often wrong.
const PEAK_NITS: u32 = 1_000;

/// The filters of ffmpeg that tone mapping needs.
const NEEDED: [&str; 2] = ["tonemap", "zscale"];

/// How the highlights of an HDR source are brought into an SDR rung: `[transcode] tone_mapping`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum ToneMapping {
    /// Keeps contrast in highlights, and darkens all.
    Hable,
    /// Keeps what is darker than 30 cd/m² and rolls off from there: near BT.2390.
    #[default]
    Mobius,
    /// None: rungs have the source's sample values with eight bits, and say so.
    Off,
}

/// What the rungs of an HDR source are made from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hdr {
    /// The source's colours; their transfer function is PQ or HLG.
    colour: Colour,
    tone_mapping: ToneMapping,
}

impl Hdr {
    /// `None` for a source that is not HDR.
    pub fn of(video: &VideoConfig, tone_mapping: ToneMapping) -> Option<Self> {
        let known = |code: u8, codes: &[u8]| {
            if codes.contains(&code) { code } else { BT2020 }
        };
        let transfer = match video.range() {
            VideoRange::Hlg => HLG,
            VideoRange::Pq => PQ,
            VideoRange::Sdr => return None,
        };
        let colour = video.colour()?;
        Some(Self {
            colour: Colour {
                primaries: known(colour.primaries, &PRIMARIES),
                transfer,
                matrix: known(colour.matrix, &MATRICES),
                full_range: colour.full_range,
            },
            tone_mapping,
        })
    }

    /// The filters between the decoder and the split, for a largest rung of this size; each has its
    /// comma behind it.
    ///
    /// What the source is, is said here: the pictures themselves need not say it, since it may have come
    /// as `colorInfo`. Encoders write into their parameter sets what the last filter says.
    pub(super) fn filters(self, width: u32, height: u32) -> String {
        let Colour {
            primaries,
            transfer,
            matrix,
            full_range,
        } = self.colour;
        let range = if full_range { "full" } else { "limited" };
        let curve = match self.tone_mapping {
            ToneMapping::Off => {
                return format!(
                    "setparams=range={range}:color_primaries={primaries}:color_trc={transfer}:\
                     colorspace={matrix},"
                );
            }
            ToneMapping::Hable => "hable",
            ToneMapping::Mobius => "mobius",
        };
        // zscale wants even sides; and no desaturation, which needs a matrix where there is none.
        format!(
            "scale={width}:{height},format=yuv420p10le,\
             zscale=rin={range}:pin={primaries}:tin={transfer}:min={matrix}:\
             t=linear:p=bt709:npl={SDR_WHITE_NITS},format=gbrpf32le,\
             tonemap={curve}:desat=0:peak={peak},\
             zscale=t=bt709:m=bt709:r=limited,format=yuv420p,",
            peak = PEAK_NITS / SDR_WHITE_NITS,
        )
    }
}

/// Those of the filters needed for tone mapping that are not in the output of `ffmpeg -filters`.
pub(super) fn missing(output: &str) -> Vec<&'static str> {
    let listed: Vec<&str> = output
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    let mut needed = NEEDED.to_vec();
    needed.retain(|filter| !listed.contains(filter));
    needed
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::transcode::example::AVCC;

    pub(in crate::transcode) fn hdr(transfer: u8, tone_mapping: ToneMapping) -> Hdr {
        Hdr {
            colour: Colour {
                primaries: BT2020,
                transfer,
                matrix: BT2020,
                full_range: false,
            },
            tone_mapping,
        }
    }

    #[test]
    fn what_hdr_leaves_unsaid_is_bt2020() {
        let of = |primaries, transfer, matrix| {
            let silent = VideoConfig::from_avcc(Vec::from(AVCC).into()).unwrap();
            let colour = Colour {
                primaries,
                transfer,
                matrix,
                full_range: true,
            };
            let hdr = Hdr::of(&silent.with_colour(colour), ToneMapping::Mobius)?;
            let graph = hdr.filters(640, 360);
            let start = graph.find("zscale=")?;
            graph[start..].split(":t=").next().map(str::to_owned)
        };
        let graph = |text: &str| Some(format!("zscale=rin=full:{text}"));
        assert_eq!(of(2, 16, 2), graph("pin=9:tin=16:min=9"));
        assert_eq!(of(12, 18, 1), graph("pin=12:tin=18:min=1"));
        // Codes of which zscale would know nothing.
        assert_eq!(of(200, 16, 255), graph("pin=9:tin=16:min=9"));
        assert_eq!(of(9, 14, 9), None, "BT.2020 with an SDR transfer");
        assert_eq!(of(1, 1, 1), None);
    }

    #[test]
    fn pq_and_hlg_differ_in_one_word() {
        let pq = hdr(PQ, ToneMapping::Mobius).filters(1280, 720);
        assert_eq!(
            pq,
            "scale=1280:720,format=yuv420p10le,zscale=rin=limited:pin=9:tin=16:min=9:t=linear:p=bt709:\
             npl=100,format=gbrpf32le,tonemap=mobius:desat=0:peak=10,zscale=t=bt709:m=bt709:r=limited,\
             format=yuv420p,"
        );
        let hlg = hdr(HLG, ToneMapping::Mobius).filters(1280, 720);
        assert_eq!(hlg, pq.replace("tin=16", "tin=18"));
        let hable = hdr(PQ, ToneMapping::Hable).filters(1280, 720);
        assert_eq!(hable, pq.replace("mobius", "hable"));
    }

    #[test]
    fn without_tone_mapping_the_rungs_are_told_what_they_are() {
        assert_eq!(
            hdr(HLG, ToneMapping::Off).filters(1280, 720),
            "setparams=range=limited:color_primaries=9:color_trc=18:colorspace=9,"
        );
    }

    #[test]
    fn ffmpegs_list_of_filters_is_read() {
        let list = "Filters:\n  T.. = Timeline support\n ... tonemap           V->V       Convert\n \
                    ... tonemap_vaapi     V->V       VAAPI\n .SC scale   V->V  x\n";
        assert_eq!(missing(list), ["zscale"]);
        assert!(missing(&format!("{list} .SC zscale  V->V  y\n")).is_empty());
        assert_eq!(missing(""), NEEDED);
    }
}
