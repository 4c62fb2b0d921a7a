//! Publishers with a virtual clock, held against rules.

use super::*;

fn warn<T>(value: T) -> Limit<T> {
    Limit {
        value,
        action: RuleAction::Warn,
    }
}

fn bitrate(kbps: f64) -> IngestRules {
    IngestRules {
        bitrate: Some(BitrateRule {
            max_kbps: warn(kbps),
            over: Duration::from_secs(10),
        }),
        ..IngestRules::default()
    }
}

/// Sends so many seconds at 30 frames a second, asking once a second; gives what changed and when.
struct Sender {
    watch: Watch,
    frame: i64,
    changes: Vec<(i64, Change)>,
}

impl Sender {
    fn new(rules: IngestRules) -> Self {
        Self {
            watch: Watch::new(rules),
            frame: 0,
            changes: Vec::new(),
        }
    }

    fn send(&mut self, seconds: i64, kbps: i64, gop_frames: i64) {
        for _ in 0..seconds * 30 {
            let picture = Picture {
                dts_ms: 9_000 + self.frame * 1_000 / 30,
                keyframe: self.frame % gop_frames == 0,
                bytes: usize::try_from(kbps * 125 / 30).unwrap(),
            };
            self.watch.picture(&picture);
            self.frame += 1;
            if self.frame % 30 == 0 {
                let second = self.frame / 30;
                let now = Duration::from_secs(u64::try_from(second).unwrap());
                let changes = self.watch.check(now, Some(1.0));
                self.changes
                    .extend(changes.into_iter().map(|change| (second, change)));
            }
        }
    }

    /// The rules that broke, and when, or were mended.
    fn said(&self) -> Vec<(i64, Rule, bool)> {
        let said = |(at, change): &(i64, Change)| match change {
            Change::Broken(breach) => (*at, breach.rule, true),
            Change::Mended(rule) => (*at, *rule, false),
        };
        self.changes.iter().map(said).collect()
    }
}

#[test]
fn without_rules_everything_may_be_sent() {
    let mut sender = Sender::new(IngestRules::default());
    sender.watch.configured(16_000, 16_000);
    sender.send(100, 500_000, 3_000);
    assert_eq!(sender.changes, []);
}

#[test]
fn too_much_is_said_once_and_once_that_it_is_over() {
    let mut sender = Sender::new(bitrate(4_000.0));
    sender.send(30, 3_900, 60);
    assert_eq!(sender.changes, []);
    sender.send(40, 6_000, 60);
    let [(at, Change::Broken(breach))] = &sender.changes[..] else {
        panic!("{:?}", sender.changes);
    };
    assert!((31..42).contains(at), "{at}");
    assert!(breach.words.contains("at most 4000 kbit/s"), "{breach}");
    let newest = sender.watch.broken().next().unwrap();
    assert!(
        newest.words.contains("is 6000 kbit/s over 10 s") || newest.words.contains("is 5998"),
        "{newest}"
    );
    sender.send(40, 3_000, 60);
    let said = sender.said();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        matches!(said[1], (80..95, Rule::Bitrate, false)),
        "{said:?}"
    );
}

#[test]
fn rules_that_change_hold_from_then_on() {
    let mut sender = Sender::new(bitrate(4_000.0));
    sender.send(30, 6_000, 60);
    assert_eq!(sender.said().len(), 1);
    // The same again is nothing new.
    sender.watch.hold_to(bitrate(4_000.0));
    sender.send(30, 6_000, 60);
    assert_eq!(sender.said().len(), 1);
    sender.watch.hold_to(bitrate(8_000.0));
    assert_eq!(sender.watch.broken().count(), 0);
    sender.send(30, 6_000, 60);
    assert_eq!(sender.said().len(), 1);
    // What was a warning cuts now, though it was broken before.
    sender.watch.hold_to(bitrate(4_000.0));
    sender.send(1, 6_000, 60);
    let mut cuts = bitrate(4_000.0);
    if let Some(rule) = &mut cuts.bitrate {
        rule.max_kbps.action = RuleAction::Cut;
        rule.over = Duration::from_secs(2);
    }
    sender.watch.hold_to(cuts);
    sender.send(4, 6_000, 60);
    let Some((_, Change::Broken(breach))) = sender.changes.last() else {
        panic!("{:?}", sender.changes);
    };
    assert_eq!(breach.action, RuleAction::Cut);
    assert!(breach.words.contains("over 2 s"), "{breach}");
}

#[test]
fn a_peak_within_the_average_is_good() {
    let mut sender = Sender::new(bitrate(4_000.0));
    for _ in 0..20 {
        sender.send(1, 20_000, 60);
        sender.send(9, 1_000, 60);
    }
    assert_eq!(sender.changes, []);
}

/// What the network held back comes at once: media time says that it is no more than before.
#[test]
fn what_comes_in_a_burst_is_no_higher_bitrate() {
    let mut watch = Watch::new(bitrate(4_000.0));
    let mut now = Duration::ZERO;
    for frame in 0..3_000_i64 {
        let picture = Picture {
            dts_ms: frame * 1_000 / 30,
            keyframe: false,
            bytes: 3_900 * 125 / 30,
        };
        watch.picture(&picture);
        // Ten seconds of silence, then 300 frames within one.
        if frame % 300 == 0 {
            now += Duration::from_secs(10);
        }
        assert_eq!(watch.check(now, Some(1.0)), []);
    }
}

#[test]
fn a_picture_is_judged_either_way_round() {
    let rules = IngestRules {
        resolution: Some(Limit {
            value: (1_920, 1_080),
            action: RuleAction::Cut,
        }),
        ..IngestRules::default()
    };
    for (size, is_good) in [
        ((1_920, 1_080), true),
        ((1_080, 1_920), true),
        ((640, 360), true),
        ((1_440, 1_440), false),
        ((2_560, 1_080), false),
        ((1_080, 1_924), false),
    ] {
        let mut watch = Watch::new(rules);
        watch.configured(size.0, size.1);
        let changes = watch.check(Duration::ZERO, None);
        assert_eq!(changes.is_empty(), is_good, "{size:?}");
        if let [Change::Broken(breach)] = &changes[..] {
            assert_eq!(breach.action, RuleAction::Cut);
            assert!(
                breach.words.ends_with("at most 1920x1080 is taken"),
                "{breach}"
            );
        }
    }
}

#[test]
fn frame_rates_are_of_the_publishers_clock() {
    for (max, is_good) in [(30.0, true), (29.97, true), (29.0, false), (25.0, false)] {
        let mut sender = Sender::new(IngestRules {
            frame_rate: Some(warn(max)),
            ..IngestRules::default()
        });
        sender.send(20, 1_000, 60);
        assert_eq!(sender.changes.is_empty(), is_good, "{max}");
    }
}

#[test]
fn keyframes_have_to_come_neither_too_late_nor_too_soon() {
    let rules = IngestRules {
        keyframe_interval_max: Some(warn(Duration::from_secs(2))),
        keyframe_interval_min: Some(warn(Duration::from_secs(1))),
        ..IngestRules::default()
    };
    for (gop_frames, rule) in [
        (60, None),
        (30, None),
        (15, Some(Rule::KeyframeIntervalMin)),
        (90, Some(Rule::KeyframeIntervalMax)),
        // It never ends.
        (1_000_000, Some(Rule::KeyframeIntervalMax)),
    ] {
        let mut sender = Sender::new(rules);
        sender.send(20, 1_000, gop_frames);
        let said = sender.said();
        assert_eq!(
            said.first().map(|(_, rule, _)| *rule),
            rule,
            "{gop_frames}: {said:?}"
        );
        assert!(said.len() <= 1, "{said:?}");
    }
}

#[test]
fn a_publisher_slower_than_its_rule_is_told() {
    let mut watch = Watch::new(IngestRules {
        pace_min_percent: Some(warn(80.0)),
        ..IngestRules::default()
    });
    assert_eq!(watch.check(Duration::from_secs(1), None), []);
    assert_eq!(watch.check(Duration::from_secs(2), Some(0.85)), []);
    let changes = watch.check(Duration::from_secs(3), Some(0.5));
    assert!(matches!(&changes[..], [Change::Broken(breach)] if breach.rule == Rule::Pace));
}
