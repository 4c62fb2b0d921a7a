//! `[ingest_rules]` and `rules` of `[[streams]]`: what publishers may send, as typed and as checked.

use std::ops::RangeInclusive;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{Invalid, KeyPath};

use crate::health::{BitrateRule, IngestRules, Limit, RuleAction};

/// `[ingest_rules]`: of all publishers whose stream has none of its own. A limit of 0 is none.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestRulesConfig {
    /// Of the picture.
    pub video_bitrate_max_kbps: u32,
    /// Over which that is the average.
    pub video_bitrate_seconds: u32,
    /// When it is more.
    pub video_bitrate_action: RuleAction,
    /// Pixels of the longer side.
    pub width_max: u32,
    /// Pixels of the shorter side.
    pub height_max: u32,
    /// When the picture is larger.
    pub resolution_action: RuleAction,
    /// Frames per second.
    pub frame_rate_max: f64,
    /// When it is more.
    pub frame_rate_action: RuleAction,
    /// From one keyframe to the next, at most.
    pub keyframe_interval_max_seconds: f64,
    /// From one keyframe to the next, at least.
    pub keyframe_interval_min_seconds: f64,
    /// When it is longer or shorter.
    pub keyframe_interval_action: RuleAction,
    /// Media that has to come in a time, of a hundred of that time.
    pub pace_min_percent: u32,
    /// When less comes.
    pub pace_action: RuleAction,
}

impl Default for IngestRulesConfig {
    fn default() -> Self {
        Self {
            video_bitrate_max_kbps: 0,
            video_bitrate_seconds: 10,
            video_bitrate_action: RuleAction::Warn,
            width_max: 0,
            height_max: 0,
            resolution_action: RuleAction::Warn,
            frame_rate_max: 0.0,
            frame_rate_action: RuleAction::Warn,
            keyframe_interval_max_seconds: 0.0,
            keyframe_interval_min_seconds: 0.0,
            keyframe_interval_action: RuleAction::Warn,
            pace_min_percent: 0,
            pace_action: RuleAction::Warn,
        }
    }
}

/// `rules` of one of `[[streams]]`, and of a room that the API made: what is left out is as in
/// `[ingest_rules]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "IngestRules")]
pub struct StreamRulesConfig {
    /// Of the picture. A limit of 0 is none, here and below; else 50 to 1,000,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_bitrate_max_kbps: Option<u32>,
    /// Over which that is the average: 1 to 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_bitrate_seconds: Option<u32>,
    /// When it is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_bitrate_action: Option<RuleAction>,
    /// Pixels, either way round, with `height_max`: 0, or 16 to 16,384.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width_max: Option<u32>,
    /// Pixels, either way round, with `width_max`: 0, or 16 to 16,384.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height_max: Option<u32>,
    /// When the picture is larger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution_action: Option<RuleAction>,
    /// Frames per second: 0, or 1 to 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_rate_max: Option<f64>,
    /// When it is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_rate_action: Option<RuleAction>,
    /// From one keyframe to the next, at most: 0, or 0.1 to 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyframe_interval_max_seconds: Option<f64>,
    /// From one keyframe to the next, at least: 0, or 0.1 to 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyframe_interval_min_seconds: Option<f64>,
    /// When it is longer or shorter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyframe_interval_action: Option<RuleAction>,
    /// Media that has to come in a time, of a hundred of that time: 0, or 1 to 99.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace_min_percent: Option<u32>,
    /// When less comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace_action: Option<RuleAction>,
}

impl StreamRulesConfig {
    /// Both together: this one's word counts.
    pub(crate) fn over(&self, base: &IngestRulesConfig) -> IngestRulesConfig {
        macro_rules! overlaid {
            ($($key:ident),+ $(,)?) => {
                IngestRulesConfig { $($key: self.$key.unwrap_or(base.$key)),+ }
            };
        }
        overlaid!(
            video_bitrate_max_kbps,
            video_bitrate_seconds,
            video_bitrate_action,
            width_max,
            height_max,
            resolution_action,
            frame_rate_max,
            frame_rate_action,
            keyframe_interval_max_seconds,
            keyframe_interval_min_seconds,
            keyframe_interval_action,
            pace_min_percent,
            pace_action,
        )
    }
}

impl IngestRulesConfig {
    /// Checks it; `at` is where the table stands.
    pub(crate) fn resolve(&self, at: &KeyPath) -> Result<IngestRules, Invalid> {
        let check = Check { at };
        let over = check.range("video_bitrate_seconds", self.video_bitrate_seconds, 1..=60)?;
        let kbps = check.limit(
            "video_bitrate_max_kbps",
            self.video_bitrate_max_kbps,
            50..=1_000_000,
        )?;
        let width = check.limit("width_max", self.width_max, 16..=16_384)?;
        let height = check.limit("height_max", self.height_max, 16..=16_384)?;
        if width.is_some() != height.is_some() {
            let reason = "width_max and height_max go together";
            return Err(Invalid::new(at.clone().key("width_max"), reason));
        }
        let frame_rate = check.real("frame_rate_max", self.frame_rate_max, 1.0..=1_000.0)?;
        let (longest, shortest) = (
            check.real(
                "keyframe_interval_max_seconds",
                self.keyframe_interval_max_seconds,
                0.1..=60.0,
            )?,
            check.real(
                "keyframe_interval_min_seconds",
                self.keyframe_interval_min_seconds,
                0.1..=60.0,
            )?,
        );
        if let (Some(longest), Some(shortest)) = (longest, shortest)
            && shortest > longest
        {
            let reason = "must not be above keyframe_interval_max_seconds";
            return Err(Invalid::new(
                at.clone().key("keyframe_interval_min_seconds"),
                reason,
            ));
        }
        let pace = check.limit("pace_min_percent", self.pace_min_percent, 1..=99)?;
        let keyframes = |seconds: Option<f64>| {
            seconds.map(|seconds| Limit {
                value: Duration::from_secs_f64(seconds),
                action: self.keyframe_interval_action,
            })
        };
        Ok(IngestRules {
            bitrate: kbps.map(|kbps| BitrateRule {
                max_kbps: Limit {
                    value: kbps.into(),
                    action: self.video_bitrate_action,
                },
                over: Duration::from_secs(over.into()),
            }),
            resolution: width.zip(height).map(|value| Limit {
                value,
                action: self.resolution_action,
            }),
            frame_rate: frame_rate.map(|value| Limit {
                value,
                action: self.frame_rate_action,
            }),
            keyframe_interval_max: keyframes(longest),
            keyframe_interval_min: keyframes(shortest),
            pace_min_percent: pace.map(|percent| Limit {
                value: percent.into(),
                action: self.pace_action,
            }),
        })
    }
}

struct Check<'a> {
    at: &'a KeyPath,
}

impl Check<'_> {
    fn range(
        &self,
        key: &'static str,
        value: u32,
        range: RangeInclusive<u32>,
    ) -> Result<u32, Invalid> {
        if range.contains(&value) {
            return Ok(value);
        }
        let reason = format!("must be {} to {}", range.start(), range.end());
        Err(Invalid::new(self.at.clone().key(key), reason))
    }

    /// 0: none.
    fn limit(
        &self,
        key: &'static str,
        value: u32,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, Invalid> {
        if value == 0 || range.contains(&value) {
            return Ok((value != 0).then_some(value));
        }
        let reason = format!("must be 0 (none), or {} to {}", range.start(), range.end());
        Err(Invalid::new(self.at.clone().key(key), reason))
    }

    /// 0: none.
    fn real(
        &self,
        key: &'static str,
        value: f64,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, Invalid> {
        if value == 0.0 || range.contains(&value) {
            return Ok((value != 0.0).then_some(value));
        }
        let reason = format!("must be 0 (none), or {} to {}", range.start(), range.end());
        Err(Invalid::new(self.at.clone().key(key), reason))
    }
}
