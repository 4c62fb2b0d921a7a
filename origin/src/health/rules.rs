//! What a publisher may send, and whether it does: bitrate, picture size, frame rate, keyframes, pace.
//!
//! Pure. Rates are by the publisher's own clock where it has to keep to it anyway: what a network held
//! back and then delivered at once is no higher bitrate.

use std::time::Duration;

use super::arrivals::Picture;
use super::sliding::Sum;

/// The frame rate is over so much media time.
const FRAME_RATE_SPAN: Duration = Duration::from_secs(5);
/// Of a frame rate that is too high, so much is a clock's rounding: 60 may be 60.06.
const FRAME_RATE_SLACK: f64 = 1.02;
/// Media time that steps by more than this, or back, begins anew.
const STEP_MS_MAX: i64 = 5_000;
/// A rule that is kept again for so long is no longer broken.
const MENDED_AFTER: Duration = Duration::from_secs(10);

/// What is done about a publisher that breaks a rule.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum RuleAction {
    /// It is told why, and sent away.
    Cut,
    /// It stays; logs, metrics and health say so.
    #[default]
    Warn,
}

/// What one publisher may send. `None`: anything.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct IngestRules {
    /// Of the picture.
    pub bitrate: Option<BitrateRule>,
    /// Pixels: width and height at most, either way round.
    pub resolution: Option<Limit<(u32, u32)>>,
    /// Frames per second at most.
    pub frame_rate: Option<Limit<f64>>,
    /// From one keyframe to the next, at most.
    pub keyframe_interval_max: Option<Limit<Duration>>,
    /// From one keyframe to the next, at least.
    pub keyframe_interval_min: Option<Limit<Duration>>,
    /// Media time that has to come in a hundred seconds, at least.
    pub pace_min_percent: Option<Limit<f64>>,
}

/// A limit, and what happens to who is beyond it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit<T> {
    /// The last good value.
    pub value: T,
    /// See [`RuleAction`].
    pub action: RuleAction,
}

/// The bitrate of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BitrateRule {
    /// Kilobits per second.
    pub max_kbps: Limit<f64>,
    /// Of media time, over which it is the average.
    pub over: Duration,
}

/// Which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Kilobits per second.
    Bitrate,
    /// Frames per second.
    FrameRate,
    /// Keyframes too far apart.
    KeyframeIntervalMax,
    /// Keyframes too close together.
    KeyframeIntervalMin,
    /// Media slower than the clock.
    Pace,
    /// Width and height.
    Resolution,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Bitrate,
        Self::FrameRate,
        Self::KeyframeIntervalMax,
        Self::KeyframeIntervalMin,
        Self::Pace,
        Self::Resolution,
    ];

    /// Stable: reasons, metrics and logs have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bitrate => "rule_bitrate",
            Self::FrameRate => "rule_frame_rate",
            Self::KeyframeIntervalMax => "rule_keyframe_interval_max",
            Self::KeyframeIntervalMin => "rule_keyframe_interval_min",
            Self::Pace => "rule_pace",
            Self::Resolution => "rule_resolution",
        }
    }
}

/// A rule that is broken.
#[derive(Clone, Debug, PartialEq)]
pub struct Breach {
    /// Which.
    pub rule: Rule,
    /// What is done.
    pub action: RuleAction,
    /// For the broadcaster: what is sent, and what may be.
    pub words: String,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Breach {}

/// What became of a rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    Broken(Breach),
    Mended(Rule),
}

/// One publisher, held against its rules.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    rules: IngestRules,
    /// The publisher's time of the first frame.
    zero_ms: Option<i64>,
    last_ms: i64,
    bytes: Sum,
    frames: Sum,
    keyframe_ms: Option<i64>,
    interval_ms: Option<i64>,
    picture: Option<(u32, u32)>,
    broken: Vec<Broken>,
}

#[derive(Clone, Debug)]
struct Broken {
    breach: Breach,
    last: Duration,
}

impl Watch {
    pub(super) fn new(rules: IngestRules) -> Self {
        let over = rules.bitrate.map_or(FRAME_RATE_SPAN, |rule| rule.over);
        Self {
            rules,
            zero_ms: None,
            last_ms: 0,
            bytes: Sum::over(over),
            frames: Sum::over(FRAME_RATE_SPAN),
            keyframe_ms: None,
            interval_ms: None,
            picture: None,
            broken: Vec::new(),
        }
    }

    /// Goes on under these rules. What was said about others is said no longer.
    pub(super) fn hold_to(&mut self, rules: IngestRules) {
        if self.rules == rules {
            return;
        }
        let before = self.rules.bitrate.map(|rule| rule.over);
        let over = rules.bitrate.map(|rule| rule.over);
        if over != before {
            self.bytes = Sum::over(over.unwrap_or(FRAME_RATE_SPAN));
        }
        self.rules = rules;
        self.broken.clear();
    }

    /// The picture's size, from its configuration.
    pub(super) fn configured(&mut self, width: u32, height: u32) {
        self.picture = Some((width, height));
    }

    pub(super) fn picture(&mut self, picture: &Picture) {
        let step = picture.dts_ms.saturating_sub(self.last_ms);
        if self.zero_ms.is_none() || !(0..=STEP_MS_MAX).contains(&step) {
            self.zero_ms = Some(picture.dts_ms);
            self.keyframe_ms = None;
            self.bytes.clear();
            self.frames.clear();
        }
        self.last_ms = picture.dts_ms;
        let at = self.media_time();
        let bytes = u32::try_from(picture.bytes).unwrap_or(u32::MAX);
        self.bytes.add(at, f64::from(bytes));
        self.frames.add(at, 1.0);
        if picture.keyframe {
            let before = self.keyframe_ms.replace(picture.dts_ms);
            self.interval_ms = before.map(|before| picture.dts_ms.saturating_sub(before));
        }
    }

    /// What has changed. To be asked about once a second.
    pub(super) fn check(&mut self, now: Duration, pace: Option<f64>) -> Vec<Change> {
        let mut changes = Vec::new();
        for breach in self.breaches(pace) {
            let known = self
                .broken
                .iter_mut()
                .find(|own| own.breach.rule == breach.rule);
            match known {
                Some(known) => *known = Broken { breach, last: now },
                None => {
                    changes.push(Change::Broken(breach.clone()));
                    self.broken.push(Broken { breach, last: now });
                }
            }
        }
        self.broken.retain(|own| {
            let mended = now.saturating_sub(own.last) >= MENDED_AFTER;
            if mended {
                changes.push(Change::Mended(own.breach.rule));
            }
            !mended
        });
        changes
    }

    /// The rules that are broken.
    pub(super) fn broken(&self) -> impl Iterator<Item = &Breach> {
        self.broken.iter().map(|own| &own.breach)
    }

    fn media_time(&self) -> Duration {
        let passed = self
            .last_ms
            .saturating_sub(self.zero_ms.unwrap_or_default());
        Duration::from_millis(u64::try_from(passed).unwrap_or(0))
    }

    fn breaches(&self, pace: Option<f64>) -> Vec<Breach> {
        let found = [
            self.resolution(),
            self.bitrate(),
            self.frame_rate(),
            self.keyframes_too_rare(),
            self.keyframes_too_dense(),
            self.slow(pace),
        ];
        found.into_iter().flatten().collect()
    }

    fn bitrate(&self) -> Option<Breach> {
        let BitrateRule { max_kbps, over } = self.rules.bitrate?;
        let at = self.media_time();
        if !self.bytes.is_full(at) {
            return None;
        }
        let kbps = self.bytes.per_second(at)? * 8.0 / 1_000.0;
        let words = format!(
            "the picture's bitrate is {kbps:.0} kbit/s over {} s; at most {:.0} kbit/s are taken",
            over.as_secs(),
            max_kbps.value
        );
        beyond(Rule::Bitrate, max_kbps.action, kbps > max_kbps.value, words)
    }

    fn frame_rate(&self) -> Option<Breach> {
        let Limit { value, action } = self.rules.frame_rate?;
        let at = self.media_time();
        if !self.frames.is_full(at) {
            return None;
        }
        let rate = self.frames.per_second(at)?;
        let words = format!("{rate:.1} frames a second are sent; at most {value} are taken");
        beyond(
            Rule::FrameRate,
            action,
            rate > value * FRAME_RATE_SLACK,
            words,
        )
    }

    fn resolution(&self) -> Option<Breach> {
        let Limit { value, action } = self.rules.resolution?;
        let (width, height) = value;
        let (long, short) = (width.max(height), width.min(height));
        let (own_width, own_height) = self.picture?;
        let is_beyond = own_width.max(own_height) > long || own_width.min(own_height) > short;
        let words =
            format!("the picture is {own_width}x{own_height}; at most {width}x{height} is taken");
        beyond(Rule::Resolution, action, is_beyond, words)
    }

    fn keyframes_too_rare(&self) -> Option<Breach> {
        let Limit { value, action } = self.rules.keyframe_interval_max?;
        // A GOP that lasts too long already need not end first.
        let since = self.last_ms.saturating_sub(self.keyframe_ms?);
        let interval = self.interval_ms.unwrap_or(0).max(since);
        let words = format!(
            "keyframes are {} s apart; at most {} s are taken: set the encoder's keyframe interval",
            seconds(interval),
            value.as_secs_f64()
        );
        let is_beyond = interval > ms(value).saturating_add(FRAME_MS);
        beyond(Rule::KeyframeIntervalMax, action, is_beyond, words)
    }

    fn keyframes_too_dense(&self) -> Option<Breach> {
        let Limit { value, action } = self.rules.keyframe_interval_min?;
        let interval = self.interval_ms?;
        let words = format!(
            "keyframes are {} s apart; at least {} s are asked for: set the encoder's keyframe interval",
            seconds(interval),
            value.as_secs_f64()
        );
        let is_beyond = interval.saturating_add(FRAME_MS) < ms(value);
        beyond(Rule::KeyframeIntervalMin, action, is_beyond, words)
    }

    fn slow(&self, pace: Option<f64>) -> Option<Breach> {
        let Limit { value, action } = self.rules.pace_min_percent?;
        let percent = pace? * 100.0;
        let words = format!(
            "the stream comes at {percent:.0} % of its speed; at least {value:.0} % are asked for: \
             lower the bitrate, or find a better connection"
        );
        beyond(Rule::Pace, action, percent < value, words)
    }
}

/// A keyframe a frame early or late is on time.
const FRAME_MS: i64 = 50;

fn beyond(rule: Rule, action: RuleAction, is_beyond: bool, words: String) -> Option<Breach> {
    is_beyond.then_some(Breach {
        rule,
        action,
        words,
    })
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn seconds(ms: i64) -> String {
    let tenths = ms.saturating_add(50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests;
