//! Which renditions a source gets. Pure.

use serde::{Deserialize, Serialize};

use super::encoder::{Encoder, RungCodec};
use crate::config::LadderRung;

/// The renditions of one stream's video, best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LadderPlan {
    /// The source itself, as a rendition.
    pub passthrough: Option<Rung>,
    /// What ffmpeg makes.
    pub encoded: Vec<Rung>,
}

/// One video rendition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// Its name in URLs.
    pub name: String,
    /// Picture width.
    pub width: u32,
    /// Picture height.
    pub height: u32,
    /// Average bitrate; for a passed through source what the ladder would have given it.
    pub bitrate_kbps: u32,
    /// Who makes it; nobody when it is passed through.
    pub encoder: Encoder,
    /// The encoder's preset.
    pub preset: String,
}

impl LadderPlan {
    /// Fits the ladder to a source of `width` x `height`.
    ///
    /// A rung's height means the shorter side, so that a portrait source gets portrait rungs. No
    /// rung is larger than the source. `may_pass` says that the source's GOP fits the grid: it is
    /// then the H.264 rung of its height. One of the same height in another codec is made beside it.
    pub fn new(ladder: &[LadderRung], width: u32, height: u32, may_pass: bool) -> Self {
        let short = width.min(height);
        let lower_than_all = ladder.iter().all(|rung| short < rung.height);
        let source = || source_rung(ladder, width, height);
        let passthrough = if !may_pass {
            None
        } else if lower_than_all {
            Some(source())
        } else {
            ladder
                .iter()
                .find(|rung| rung.height == short && rung.encoder.codec() == RungCodec::H264)
                .map(|rung| Rung {
                    width,
                    height,
                    ..scaled(rung, width, height)
                })
        };
        let passed = |rung: &LadderRung| {
            let passthrough = passthrough.as_ref();
            passthrough.is_some_and(|passed| passed.name == rung.name)
        };
        let mut encoded: Vec<Rung> = ladder
            .iter()
            .filter(|rung| rung.height <= short && !passed(rung))
            .map(|rung| scaled(rung, width, height))
            .collect();
        if encoded.is_empty() && passthrough.is_none() {
            encoded.push(source());
        }
        Self {
            passthrough,
            encoded,
        }
    }

    /// The source alone, whatever its height: nothing is encoded.
    pub fn passthrough_only(ladder: &[LadderRung], width: u32, height: u32) -> Self {
        let plan = Self::new(ladder, width, height, true);
        let source = || source_rung(ladder, width, height);
        Self {
            passthrough: Some(plan.passthrough.unwrap_or_else(source)),
            encoded: Vec::new(),
        }
    }
}

impl LadderPlan {
    /// Fits a source to renditions that are there already, best first: it goes on with a stream, and
    /// players know those. One that is larger than the source gets the source's size.
    ///
    /// The first may be the source itself, if it has the same height and `may_pass`.
    pub fn within(rungs: &[Rung], width: u32, height: u32, may_pass: bool) -> Self {
        let short = width.min(height);
        let mut rungs = rungs.iter().peekable();
        let passthrough = rungs
            .next_if(|first| may_pass && first.width.min(first.height) == short)
            .map(|first| Rung {
                width,
                height,
                ..first.clone()
            });
        let encoded = rungs.map(|rung| {
            // 4:2:0 needs even sides.
            let (width, height) = (width & !1, height & !1);
            let target = rung.width.min(rung.height).min(width.min(height));
            let (width, height) = shaped(target, width, height);
            Rung {
                width,
                height,
                ..rung.clone()
            }
        });
        Self {
            encoded: encoded.collect(),
            passthrough,
        }
    }
}

/// A source that is on no rung keeps its size, and gets bitrate and encoder of the nearest rung
/// below it, or of the lowest; of H.264 rungs, if there are any, as everybody plays that.
fn source_rung(ladder: &[LadderRung], width: u32, height: u32) -> Rung {
    let mut name = format!("{}p", width.min(height));
    if ladder.iter().any(|rung| rung.name == name) {
        "source".clone_into(&mut name);
    }
    let h264 = || {
        let rungs = ladder.iter();
        rungs.filter(|rung| rung.encoder.codec() == RungCodec::H264)
    };
    let below = h264().find(|rung| rung.height <= width.min(height));
    let nearest = below
        .or_else(|| h264().next_back())
        .or_else(|| ladder.last());
    Rung {
        name,
        // 4:2:0 needs even sides; a passed through source has them already.
        width: width & !1,
        height: height & !1,
        bitrate_kbps: nearest.map_or(0, |rung| rung.video_bitrate_kbps),
        encoder: nearest.map(|rung| rung.encoder).unwrap_or_default(),
        preset: nearest.map(|rung| rung.preset.clone()).unwrap_or_default(),
    }
}

/// The size whose shorter side is `target`, with the longer one even and nearest to the picture's shape.
fn shaped(target: u32, width: u32, height: u32) -> (u32, u32) {
    let (short, long) = (width.min(height), width.max(height));
    let half =
        (u64::from(target) * u64::from(long) + u64::from(short)) / (2 * u64::from(short).max(1));
    let long = u32::try_from(half * 2).unwrap_or(u32::MAX);
    if width >= height {
        (long, target)
    } else {
        (target, long)
    }
}

fn scaled(rung: &LadderRung, width: u32, height: u32) -> Rung {
    let (width, height) = shaped(rung.height, width, height);
    Rung {
        name: rung.name.clone(),
        width,
        height,
        bitrate_kbps: rung.video_bitrate_kbps,
        encoder: rung.encoder,
        preset: rung.preset.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder() -> Vec<LadderRung> {
        [
            ("1080p", 1080, 5000),
            ("720p", 720, 2800),
            ("480p", 480, 1200),
        ]
        .map(|(name, height, video_bitrate_kbps)| LadderRung {
            name: name.to_owned(),
            height,
            video_bitrate_kbps,
            encoder: Encoder::X264,
            preset: "veryfast".to_owned(),
        })
        .to_vec()
    }

    fn check(width: u32, height: u32, may_pass: bool, expect: &str) {
        let plan = LadderPlan::new(&ladder(), width, height, may_pass);
        let text = |rung: &Rung| {
            format!(
                "{}:{}x{}@{}",
                rung.name, rung.width, rung.height, rung.bitrate_kbps
            )
        };
        let mut parts: Vec<String> = plan
            .passthrough
            .iter()
            .map(|rung| format!("={}", text(rung)))
            .collect();
        parts.extend(plan.encoded.iter().map(text));
        assert_eq!(parts.join(" "), expect);
    }

    #[test]
    fn a_source_on_a_rung_passes_and_the_lower_ones_are_made() {
        check(1280, 720, true, "=720p:1280x720@2800 480p:854x480@1200");
        check(1280, 720, false, "720p:1280x720@2800 480p:854x480@1200");
    }

    #[test]
    fn a_source_between_rungs_is_scaled_down_only() {
        check(1600, 900, true, "720p:1280x720@2800 480p:854x480@1200");
    }

    #[test]
    fn a_source_below_the_ladder_stays_as_it_is() {
        check(640, 360, true, "=360p:640x360@1200");
        check(640, 360, false, "360p:640x360@1200");
        check(427, 241, false, "241p:426x240@1200");
    }

    #[test]
    fn portrait_keeps_its_shape() {
        check(720, 1280, true, "=720p:720x1280@2800 480p:480x854@1200");
    }

    #[test]
    fn without_an_encoder_the_source_is_all_there_is() {
        let check = |width, height, expect: &str| {
            let plan = LadderPlan::passthrough_only(&ladder(), width, height);
            assert_eq!(plan.encoded, []);
            let rung = plan.passthrough.unwrap();
            let (name, kbps) = (rung.name, rung.bitrate_kbps);
            assert_eq!(
                format!("{name}:{}x{}@{kbps}", rung.width, rung.height),
                expect
            );
        };
        check(1280, 720, "720p:1280x720@2800");
        check(1600, 900, "900p:1600x900@2800");
        check(3840, 2160, "2160p:3840x2160@5000");
        check(640, 360, "360p:640x360@1200");
    }

    /// Every rung of the shipped ladder for a source, passed through or not.
    fn shipped(width: u32, height: u32) -> Vec<Rung> {
        let settings = crate::config::parse(std::path::Path::new("none"), "").unwrap();
        let plan = LadderPlan::new(&settings.transcode.ladder, width, height, false);
        assert_eq!(plan.passthrough, None);
        plan.encoded
    }

    #[test]
    fn the_shipped_ladder_fits_odd_and_extreme_sources() {
        let sizes = |width, height| -> Vec<(u32, u32)> {
            let rungs = shipped(width, height).into_iter();
            rungs.map(|rung| (rung.width, rung.height)).collect()
        };
        let hd = [(1920, 1080), (1280, 720), (854, 480), (640, 360)];
        assert_eq!(sizes(1920, 1080), hd);
        assert_eq!(sizes(3840, 2160), hd);
        // 21:9 and 32:9
        let wide = [(2560, 1080), (1706, 720), (1138, 480), (854, 360)];
        assert_eq!(sizes(2560, 1080), wide);
        assert_eq!(sizes(3840, 1080)[3], (1280, 360));
        // A telephone held upright; a square.
        let upright = [(1080, 1920), (720, 1280), (480, 854), (360, 640)];
        assert_eq!(sizes(1080, 1920), upright);
        assert_eq!(sizes(1000, 1000), [(720, 720), (480, 480), (360, 360)]);
        // Odd sides, and DCI 4K.
        assert_eq!(sizes(1367, 769), [(1280, 720), (854, 480), (640, 360)]);
        assert_eq!(sizes(4096, 2160)[0], (2048, 1080));
    }

    #[test]
    fn no_source_is_enlarged_or_bent_and_all_sides_are_even() {
        for width in (2..4_200).step_by(29) {
            for height in (2..2_400).step_by(31) {
                let rungs = shipped(width, height);
                assert!(!rungs.is_empty());
                for rung in rungs {
                    let size = (rung.width, rung.height);
                    assert!(rung.width <= width && rung.height <= height, "{size:?}");
                    assert_eq!((rung.width % 2, rung.height % 2), (0, 0), "{size:?}");
                    // The longer side is off by a pixel at most: that of rounding to even.
                    let exact = f64::from(width) / f64::from(height);
                    let bent = f64::from(rung.width) - f64::from(rung.height) * exact;
                    let bound = if width >= height { 1.0 } else { exact };
                    let kept = rung.width == width & !1 && rung.height == height & !1;
                    assert!(
                        kept || bent.abs() <= bound + 1e-6,
                        "{width}x{height}: {size:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn rungs_of_one_height_in_two_codecs_stand_beside_each_other() {
        let mut ladder = ladder();
        ladder.insert(
            2,
            LadderRung {
                name: "720p-hevc".to_owned(),
                encoder: Encoder::X265,
                video_bitrate_kbps: 1_800,
                ..ladder[1].clone()
            },
        );
        let names = |may_pass, height| {
            let plan = LadderPlan::new(&ladder, height * 16 / 9, height, may_pass);
            let encoded = plan.encoded.iter().map(|rung| rung.name.clone());
            let passed = plan
                .passthrough
                .iter()
                .map(|rung| format!("={}", rung.name));
            passed.chain(encoded).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(true, 720), "=720p 720p-hevc 480p");
        assert_eq!(names(false, 720), "720p 720p-hevc 480p");
        assert_eq!(names(true, 1080), "=1080p 720p 720p-hevc 480p");
        let below = |ladder: &[LadderRung]| LadderPlan::new(ladder, 320, 240, false).encoded;
        let mut last = ladder[3].clone();
        last.encoder = Encoder::SvtAv1;
        last.name = "480p-av1".to_owned();
        ladder.push(last);
        assert_eq!(
            below(&ladder)[0].encoder,
            Encoder::X264,
            "everybody plays it"
        );
        assert_eq!(below(&ladder[4..])[0].encoder, Encoder::SvtAv1);
    }

    #[test]
    fn a_name_that_is_taken_is_not_given_twice() {
        let mut ladder = ladder();
        ladder[2].name = "360p".to_owned();
        let plan = LadderPlan::new(&ladder, 640, 360, true);
        assert_eq!(plan.passthrough.unwrap().name, "source");
    }

    fn again(before: (u32, u32), width: u32, height: u32, may_pass: bool) -> Vec<String> {
        let first = LadderPlan::new(&ladder(), before.0, before.1, true);
        let rungs: Vec<Rung> = first.passthrough.into_iter().chain(first.encoded).collect();
        let plan = LadderPlan::within(&rungs, width, height, may_pass);
        let show = |rung: &Rung, how| format!("{} {}x{}{how}", rung.name, rung.width, rung.height);
        let passthrough = plan.passthrough.iter().map(|rung| show(rung, " source"));
        let encoded = plan.encoded.iter().map(|rung| show(rung, ""));
        passthrough.chain(encoded).collect()
    }

    #[test]
    fn a_source_that_goes_on_keeps_the_renditions() {
        let full = (1920, 1080);
        assert_eq!(
            again(full, 1920, 1080, true),
            ["1080p 1920x1080 source", "720p 1280x720", "480p 854x480"]
        );
        assert_eq!(
            again(full, 1920, 1080, false),
            ["1080p 1920x1080", "720p 1280x720", "480p 854x480"]
        );
        assert_eq!(
            again(full, 1280, 720, true),
            ["1080p 1280x720", "720p 1280x720", "480p 854x480"],
            "nothing is scaled up"
        );
        assert_eq!(
            again(full, 405, 721, true),
            ["1080p 404x720", "720p 404x720", "480p 404x720"]
        );
        assert_eq!(
            again((640, 360), 1920, 1080, true),
            ["360p 640x360"],
            "nor is there a new rendition"
        );
    }
}
