//! Which keyframe goes where: the pure part. Time is that of the segments' dates.

use std::time::Duration;

use bytes::Bytes;
use hls::images::Tile;
use hls::{Msn, ProgramDateTime};

use crate::config::ThumbnailSettings;
use crate::window::Keyframe;

/// A keyframe may be so much before its time: segments are that long, and the one after would be late.
const EARLY_MAX: Duration = Duration::from_secs(1);
/// Bytes of keyframes in one tile; a tile that would have more is complete before its time.
const INPUT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Tiler {
    settings: ThumbnailSettings,
    open: Option<Open>,
    last_msn: Option<Msn>,
}

#[derive(Debug)]
struct Open {
    tile: Tile,
    init: (usize, Msn),
    init_bytes: Bytes,
    frames: Vec<Bytes>,
}

/// What is to be made.
#[derive(Debug)]
pub(super) struct Taken {
    /// The open tile gets no more pictures: this is another one.
    pub(super) closes: bool,
    /// The tile, with the new picture.
    pub(super) tile: Tile,
    /// It is full.
    pub(super) is_complete: bool,
    /// An Initialization Section and a chunk per picture.
    pub(super) input: Vec<Bytes>,
}

impl Tiler {
    pub(super) fn new(settings: ThumbnailSettings) -> Self {
        Self {
            settings,
            open: None,
            last_msn: None,
        }
    }

    /// Takes a keyframe, if it is time for one.
    pub(super) fn take(&mut self, keyframe: Keyframe, size: (u32, u32)) -> Option<Taken> {
        if self.last_msn.is_some_and(|last| keyframe.msn <= last) {
            return None;
        }
        let due = self.open.as_ref().map(Open::due);
        let early = Duration::from_millis(millis_between(keyframe.time, due));
        if early > EARLY_MAX && early <= self.settings.interval {
            return None;
        }
        self.last_msn = Some(keyframe.msn);
        let late = due.map_or(0, |due| millis_between(due, Some(keyframe.time)));
        // Half an interval late, a picture would stand for what was half an interval before it.
        let continues =
            early <= EARLY_MAX && Duration::from_millis(late) <= self.settings.interval / 2;
        let fits = |open: &Open| {
            let bytes: usize = open.frames.iter().map(Bytes::len).sum();
            continues
                && open.init == keyframe.init
                && open.tile.size == size
                && open.tile.count < self.settings.count_max()
                && bytes + keyframe.bytes.len() <= INPUT_BYTES_MAX
        };
        let before = self.open.take();
        let was_full = |open: &Open| open.tile.count >= self.settings.count_max();
        let closes = before
            .as_ref()
            .is_some_and(|open| !fits(open) && !was_full(open));
        let had_one = before.is_some();
        let mut open = match before.filter(|open| fits(open)) {
            Some(open) => open,
            None => self.begin(&keyframe, size, had_one && !continues),
        };
        open.tile.count += 1;
        open.tile.duration = self.settings.interval * open.tile.count;
        open.frames.push(keyframe.bytes);
        let taken = Taken {
            closes,
            tile: open.tile.clone(),
            is_complete: open.tile.count >= self.settings.count_max(),
            input: [open.init_bytes.clone()]
                .into_iter()
                .chain(open.frames.iter().cloned())
                .collect(),
        };
        self.open = Some(open);
        Some(taken)
    }

    fn begin(&self, keyframe: &Keyframe, size: (u32, u32), discontinuity: bool) -> Open {
        Open {
            tile: Tile {
                msn: keyframe.msn,
                count: 0,
                time: keyframe.time,
                duration: Duration::ZERO,
                interval: self.settings.interval,
                size,
                layout: self.settings.layout,
                discontinuity,
            },
            init: keyframe.init,
            init_bytes: keyframe.init_bytes.clone(),
            frames: Vec::new(),
        }
    }
}

impl Open {
    /// When the next picture is due.
    fn due(&self) -> ProgramDateTime {
        self.tile.time.plus(self.tile.duration)
    }
}

/// From one time to a later one; 0 if it is not later, or there is none.
fn millis_between(from: ProgramDateTime, to: Option<ProgramDateTime>) -> u64 {
    let millis = to.map_or(0, |to| to.unix_millis().saturating_sub(from.unix_millis()));
    u64::try_from(millis).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiler() -> Tiler {
        Tiler::new(ThumbnailSettings {
            interval: Duration::from_secs(10),
            longer_side: 160,
            layout: (3, 2),
        })
    }

    fn keyframe(msn: u64, millis: i64) -> Keyframe {
        Keyframe {
            msn: Msn::new(msn),
            init: (0, Msn::new(100)),
            time: ProgramDateTime::from_unix_millis(millis),
            init_bytes: Bytes::from_static(b"init"),
            bytes: Bytes::from_static(b"frame"),
        }
    }

    fn take(tiler: &mut Tiler, msn: u64, millis: i64) -> Option<(u64, u32, bool, bool)> {
        let taken = tiler.take(keyframe(msn, millis), (160, 90))?;
        let pictures = usize::try_from(taken.tile.count).unwrap();
        assert_eq!(taken.input.len(), 1 + pictures);
        let tile = taken.tile;
        Some((
            tile.msn.value(),
            tile.count,
            taken.is_complete,
            taken.closes,
        ))
    }

    #[test]
    fn every_fifth_segment_is_pictured_and_six_make_a_tile() {
        let mut tiler = tiler();
        let taken: Vec<_> = (0..35)
            .filter_map(|at| take(&mut tiler, 100 + at, i64::try_from(at).unwrap() * 2_000))
            .collect();
        let expected: Vec<_> = (1..=6)
            .map(|count| (100, count, count == 6, false))
            .chain([(130, 1, false, false)])
            .collect();
        assert_eq!(taken, expected);
    }

    #[test]
    fn segments_of_another_length_do_not_drift() {
        let mut tiler = tiler();
        let mut counts = 0;
        for at in 0..313 {
            counts +=
                i32::from(take(&mut tiler, 100 + at, i64::try_from(at).unwrap() * 1_920).is_some());
        }
        assert_eq!(counts, 61, "one every 10 s of 600 s");
    }

    #[test]
    fn a_jump_or_another_source_begins_another_tile() {
        let mut tiler = tiler();
        assert_eq!(take(&mut tiler, 100, 0), Some((100, 1, false, false)));
        assert_eq!(take(&mut tiler, 100, 20_000), None, "seen");
        assert_eq!(take(&mut tiler, 110, 30_000), Some((110, 1, false, true)));
        let other = Keyframe {
            init: (0, Msn::new(112)),
            ..keyframe(115, 40_000)
        };
        let taken = tiler.take(other, (160, 90)).unwrap();
        assert_eq!((taken.tile.msn.value(), taken.closes), (115, true));
        assert!(!taken.tile.discontinuity, "time goes on");
    }
}
