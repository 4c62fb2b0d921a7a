//! The origin: a packager with moods in front of a `LivePlaylist`, and a store of its objects.

use std::{collections::HashMap, rc::Rc, time::Duration};

use hls::{
    DeliveryDirectives, LiveConfig, LivePlaylist, Msn, NewPart, ObjectName, ObjectState,
    ProgramDateTime, RenderRequest, RenditionName, Skip,
    media::{self, MediaPlaylist},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{player::lists, world::Coverage};

pub(crate) const PART_TARGET: Duration = Duration::from_millis(350);
const PARTS_PER_SEGMENT: u32 = 6;

/// The stretch of the timeline that an object holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Media {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

/// A playlist as sent, with what the checks need.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) playlist: Rc<MediaPlaylist>,
    pub(crate) whole: Rc<MediaPlaylist>,
}

#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) live: LivePlaylist,
    rng: StdRng,
    store: HashMap<ObjectName, Option<Media>>,
    cancelled: Vec<ObjectName>,
    timeline: Duration,
    /// What the complete Segments' EXTINF add up to.
    listed: Duration,
    segment_from: Duration,
    segment_parts: u32,
    gap_parts: u32,
    parts_left: u32,
    /// Rendered once per change, as a real origin does.
    rendered: HashMap<Option<Skip>, Rc<MediaPlaylist>>,
}

impl Origin {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let config = LiveConfig {
            rendition: RenditionName::new("720p").unwrap(),
            target_duration: Duration::from_secs(2),
            part_target: PART_TARGET,
            part_hold_back: PART_TARGET * 3,
            window: Duration::from_secs([6, 10, 20][rng.random_range(0..3)]),
            removed_max: Duration::from_secs(14_400),
            start_msn: Msn::new(1_000),
            start_discontinuity_sequence: 1_000,
            start_time: ProgramDateTime::from_unix_millis(1_767_225_600_000),
        };
        let mut origin = Self {
            live: LivePlaylist::new(config).unwrap(),
            store: HashMap::new(),
            cancelled: Vec::new(),
            timeline: Duration::ZERO,
            listed: Duration::ZERO,
            segment_from: Duration::ZERO,
            segment_parts: PARTS_PER_SEGMENT,
            gap_parts: 0,
            parts_left: rng.random_range(40..160),
            rendered: HashMap::new(),
            rng,
        };
        origin.store_init();
        origin
    }

    /// One step of the packager; returns how long until the next, or `None` at the end.
    pub(crate) fn step(&mut self, coverage: &mut Coverage) -> Option<Duration> {
        self.rendered.clear();
        if self.parts_left == 0 {
            self.cancel_hint();
            self.store_segment();
            self.live.end();
            return None;
        }
        self.parts_left -= 1;
        let mut pause = Duration::ZERO;
        match self.rng.random_range(0..100) {
            _ if self.gap_parts > 0 => {
                self.gap_parts -= 1;
                if self.gap_parts == 0 {
                    self.discontinuity(coverage);
                }
            }
            0..2 => self.discontinuity(coverage),
            2 => {
                // The publisher went away; it takes a while to notice.
                self.cancel_hint();
                self.close();
                self.gap_parts = self.rng.random_range(2..15);
                pause = Duration::from_millis(self.rng.random_range(0..2_000));
                coverage.outages += 1;
            }
            _ => {}
        }
        let duration = self.push();
        let jitter = Duration::from_millis(self.rng.random_range(0..80));
        Some(duration + pause + jitter)
    }

    fn push(&mut self) -> Duration {
        let (msn, part) = self.live.next_part();
        let is_last = part.value() + 1 >= self.segment_parts;
        let nanos_max = u64::try_from(PART_TARGET.as_nanos()).unwrap();
        let nanos_min = if is_last {
            nanos_max / 10
        } else {
            nanos_max * 86 / 100
        };
        let duration = Duration::from_nanos(self.rng.random_range(nanos_min..=nanos_max));
        // Now and then a single Part is missing, as when audio pauses.
        let gap = self.gap_parts > 0 || self.rng.random_range(0..40) == 0;
        let new = NewPart {
            duration,
            independent: part.value() == 0,
            gap,
        };
        let media = Media {
            from: self.timeline,
            to: self.timeline + duration,
        };
        if gap {
            self.cancelled.push(ObjectName::Part(msn, part));
        } else {
            self.store.insert(ObjectName::Part(msn, part), Some(media));
        }
        if self.live.push_part(new).is_err() {
            // The Segment is full: it ends one Part sooner than planned.
            self.store.remove(&ObjectName::Part(msn, part));
            self.cancelled.push(ObjectName::Part(msn, part));
            self.close();
            return self.push();
        }
        self.timeline = media.to;
        if is_last {
            self.close();
        }
        self.evict();
        duration
    }

    fn close(&mut self) {
        self.store_segment();
        // Fails on an empty Segment, which is as good as closed.
        if let Ok(closed) = self.live.close_segment() {
            self.listed += closed.duration;
        }
        let drift = self.listed.abs_diff(self.timeline);
        assert!(
            drift <= Duration::from_nanos(500),
            "the text drifts by {drift:?}"
        );
        self.segment_from = self.timeline;
        self.segment_parts = self.rng.random_range(4..=PARTS_PER_SEGMENT);
    }

    fn discontinuity(&mut self, coverage: &mut Coverage) {
        self.cancel_hint();
        self.close();
        let late = self.rng.random_range(-1_000..5_000);
        let time = self.live.next_time().unix_millis() + late;
        self.live
            .discontinuity(ProgramDateTime::from_unix_millis(time))
            .unwrap();
        self.store_init();
        coverage.discontinuities += 1;
    }

    fn store_init(&mut self) {
        self.store
            .insert(ObjectName::Init(self.live.current_init()), None);
    }

    fn store_segment(&mut self) {
        let media = Media {
            from: self.segment_from,
            to: self.timeline,
        };
        let name = ObjectName::Segment(self.live.next_part().0);
        self.store.insert(name, Some(media));
    }

    fn cancel_hint(&mut self) {
        let (msn, part) = self.live.next_part();
        self.cancelled.push(ObjectName::Part(msn, part));
    }

    fn evict(&mut self) {
        let keep = self.live.retention();
        self.store.retain(|name, _| match name {
            ObjectName::Playlist
            | ObjectName::IFrames
            | ObjectName::Images
            | ObjectName::Image(..) => true,
            ObjectName::Init(msn) => *msn >= keep.inits_from,
            ObjectName::Segment(msn) => *msn >= keep.segments_from,
            ObjectName::Part(msn, _) => *msn >= keep.parts_from,
        });
        // Fifteen seconds each way of Segments and Parts is all that a short window needs.
        assert!(
            self.store.len() < 200,
            "the store grows: {}",
            self.store.len()
        );
    }

    /// `None` while the request has to be held, `Some(None)` for 404.
    #[expect(
        clippy::option_option,
        reason = "held, missing and there are three answers"
    )]
    pub(crate) fn fetch(&self, object: ObjectName) -> Option<Option<Option<Media>>> {
        match self.live.object_state(object) {
            ObjectState::Available => {
                let found = self.store.get(&object);
                assert!(found.is_some(), "{object} is available but was dropped");
                Some(found.copied())
            }
            ObjectState::Hold => None,
            ObjectState::NotFound => Some(None),
        }
    }

    /// Whether a request is held although the playlist lists what it waits for.
    pub(crate) fn is_late(&mut self, query: &str) -> bool {
        let until = DeliveryDirectives::parse(query).unwrap().block_until();
        let whole = self.rendered(None);
        until.is_some_and(|until| lists(&whole, until)) && !whole.segments.is_empty()
    }

    pub(crate) fn was_cancelled(&self, object: ObjectName) -> bool {
        self.cancelled.contains(&object)
    }

    pub(crate) fn playlist(&mut self, skip: Option<Skip>) -> Sent {
        let whole = self.rendered(None);
        let playlist = if skip.is_some() {
            self.rendered(skip)
        } else {
            Rc::clone(&whole)
        };
        Sent { playlist, whole }
    }

    fn rendered(&mut self, skip: Option<Skip>) -> Rc<MediaPlaylist> {
        let live = &self.live;
        let playlist = self.rendered.entry(skip).or_insert_with(|| {
            let reports: Vec<_> = live.report().into_iter().collect();
            let text = live.render(&RenderRequest {
                skip,
                reports: &reports,
            });
            let read = media::parse(&text);
            Rc::new(read.unwrap_or_else(|error| panic!("{error} in\n{text}")))
        });
        Rc::clone(playlist)
    }
}
