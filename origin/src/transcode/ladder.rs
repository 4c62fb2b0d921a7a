//! Which renditions a source gets. Pure.

use serde::{Deserialize, Serialize};

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

/// A source below the ladder keeps its size and gets the lowest rung's bitrate.
fn source_rung(ladder: &[LadderRung], width: u32, height: u32) -> Rung {
    let mut name = format!("{}p", width.min(height));
    if ladder.iter().any(|rung| rung.name == name) {
        "source".clone_into(&mut name);
    }
    Rung {
        name,
        // 4:2:0 needs even sides; a passed through source has them already.
        width: width & !1,
        height: height & !1,
        bitrate_kbps: ladder.last().map_or(0, |rung| rung.video_bitrate_kbps),
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
