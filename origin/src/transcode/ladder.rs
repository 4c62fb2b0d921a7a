//! Which renditions a source gets. Pure.

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Its name in URLs.
    pub name: String,
    /// Picture width.
    pub width: u32,
    /// Picture height.
    pub height: u32,
    /// Average bitrate; for a passed through source what the ladder would have given it.
    pub bitrate_kbps: u32,
}

impl LadderPlan {
    /// Fits the ladder to a source of `width` x `height`.
    ///
    /// A rung's height means the shorter side, so that a portrait source gets portrait rungs. No
    /// rung is larger than the source. `may_pass` says that the source's GOP fits the grid.
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
                .find(|rung| rung.height == short)
                .map(|rung| Rung {
                    name: rung.name.clone(),
                    width,
                    height,
                    bitrate_kbps: rung.video_bitrate_kbps,
                })
        };
        let mut encoded: Vec<Rung> = ladder
            .iter()
            .filter(|rung| rung.height < short || (rung.height == short && passthrough.is_none()))
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

/// A source that is on no rung keeps its size, and gets the bitrate of the nearest rung below it,
/// or of the lowest.
fn source_rung(ladder: &[LadderRung], width: u32, height: u32) -> Rung {
    let mut name = format!("{}p", width.min(height));
    if ladder.iter().any(|rung| rung.name == name) {
        "source".clone_into(&mut name);
    }
    let below = ladder.iter().find(|rung| rung.height <= width.min(height));
    let nearest = below.or(ladder.last());
    Rung {
        name,
        // 4:2:0 needs even sides; a passed through source has them already.
        width: width & !1,
        height: height & !1,
        bitrate_kbps: nearest.map_or(0, |rung| rung.video_bitrate_kbps),
    }
}

fn scaled(rung: &LadderRung, width: u32, height: u32) -> Rung {
    let (short, long) = (width.min(height), width.max(height));
    let target = u64::from(rung.height);
    // Nearest even length that keeps the picture's shape.
    let half = (target * u64::from(long) + u64::from(short)) / (2 * u64::from(short).max(1));
    let long = u32::try_from(half * 2).unwrap_or(u32::MAX);
    let (width, height) = if width >= height {
        (long, rung.height)
    } else {
        (rung.height, long)
    };
    Rung {
        name: rung.name.clone(),
        width,
        height,
        bitrate_kbps: rung.video_bitrate_kbps,
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

    #[test]
    fn a_name_that_is_taken_is_not_given_twice() {
        let mut ladder = ladder();
        ladder[2].name = "360p".to_owned();
        let plan = LadderPlan::new(&ladder, 640, 360, true);
        assert_eq!(plan.passthrough.unwrap().name, "source");
    }
}
