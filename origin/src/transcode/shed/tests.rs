//! An encoder that is a number: it makes so many media seconds in a second, fewer with more
//! rungs. The controller has to find out.

use super::*;

const SETTINGS: ShedSettings = ShedSettings {
    lag: Duration::from_millis(1_500),
    settle: Duration::from_secs(30),
};
/// What the driver does to a child farther behind, as `lag_max_ms` by default.
const LAG_MAX: f64 = 4.0;
/// What each rung of a ladder costs, in machines.
const COSTS: [f64; 4] = [0.45, 0.3, 0.15, 0.1];
const FRAME: Duration = Duration::from_millis(33);

/// Small, seeded, and good enough to shake a controller.
struct Random(u64);

impl Random {
    /// 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A driver, its child and the machine, in virtual time.
struct World {
    shedder: Shedder,
    random: Random,
    begun: Instant,
    now: Instant,
    lag: f64,
    /// Rungs shed, and when: the first entry is the start.
    changes: Vec<(f64, usize)>,
    kills: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let begun = Instant::now();
        let mut shedder = Shedder::new(SETTINGS, COSTS.len());
        shedder.started(begun);
        Self {
            shedder,
            random: Random(seed * 2 + 1),
            begun,
            now: begun,
            // The backlog of a source that was looked at for two seconds.
            lag: 2.0,
            changes: vec![(0.0, 0)],
            kills: 0,
        }
    }

    fn seconds(&self) -> f64 {
        (self.now - self.begun).as_secs_f64()
    }

    /// Lives for so long on a machine of `capacity` (1: just enough for the whole ladder).
    fn live(&mut self, seconds: f64, capacity: impl Fn(f64) -> f64) {
        let until = self.seconds() + seconds;
        while self.seconds() < until {
            self.now += FRAME;
            let cost: f64 = COSTS[self.shedder.shed()..].iter().sum();
            // A scene is harder or easier than the one before, a neighbour takes a core.
            let noise = 0.8 + 0.4 * self.random.next();
            let speed = capacity(self.seconds()) * noise / cost;
            self.lag = (self.lag + FRAME.as_secs_f64() * (1.0 - speed)).max(0.03);
            let lag = Duration::from_secs_f64(self.lag);
            if self.lag > LAG_MAX {
                self.kills += 1;
                if self.shedder.may_shed() {
                    self.change(Verdict::Shed);
                }
                self.restart();
            } else if let Some(verdict) = self.shedder.observe(self.now, lag) {
                self.change(verdict);
                self.restart();
            }
        }
    }

    fn change(&mut self, verdict: Verdict) {
        self.shedder.apply(self.now, verdict);
        self.changes.push((self.seconds(), self.shedder.shed()));
    }

    /// A new child starts with the GOP.
    fn restart(&mut self) {
        self.shedder.started(self.now);
        self.lag = 2.0 * self.random.next();
    }

    /// Seconds between the times that a rung came back.
    fn restores(&self) -> Vec<f64> {
        let came = self.changes.windows(2).filter(|two| two[1].1 < two[0].1);
        came.map(|two| two[1].0).collect()
    }
}

#[test]
fn a_machine_that_can_sheds_nothing() {
    for seed in 0..50 {
        let mut world = World::new(seed);
        world.live(600.0, |_| 1.3);
        assert_eq!(world.changes.len(), 1, "seed {seed}: {:?}", world.changes);
    }
}

#[test]
fn a_machine_that_cannot_keeps_what_it_can_and_never_stops() {
    for seed in 0..50 {
        // Enough for all rungs but the first.
        let mut world = World::new(seed);
        world.live(20.0, |_| 0.7);
        assert_eq!(world.shedder.shed(), 1, "seed {seed}: {:?}", world.changes);
        assert_eq!(world.kills, 0, "seed {seed}");
        // Enough for the last one only: it takes more steps, and gets there.
        let mut world = World::new(seed);
        world.live(25.0, |_| 0.13);
        assert_eq!(world.shedder.shed(), 3, "seed {seed}: {:?}", world.changes);
    }
}

#[test]
fn the_last_rung_stays_whatever_comes() {
    let mut world = World::new(1);
    world.live(120.0, |_| 0.01);
    assert_eq!(world.shedder.shed(), COSTS.len() - 1);
    assert!(!world.shedder.may_shed());
}

#[test]
fn rungs_come_back_one_by_one_when_the_machine_does() {
    for seed in 0..50 {
        let mut world = World::new(seed);
        world.live(900.0, |seconds| if seconds < 30.0 { 0.2 } else { 1.4 });
        assert_eq!(world.shedder.shed(), 0, "seed {seed}: {:?}", world.changes);
        for two in world.changes.windows(2) {
            assert_eq!(two[0].1.abs_diff(two[1].1), 1, "{:?}", world.changes);
        }
    }
}

#[test]
fn flapping_is_bounded() {
    let settle = SETTINGS.settle.as_secs_f64();
    let mut flapped = 0;
    for seed in 0..50 {
        // Each restored rung proves too much.
        let mut world = World::new(seed);
        world.live(3_600.0, |_| 0.7);
        let restores = world.restores();
        // 30 + 60 + 120 + 240 + 480 s, then every 480 s: eleven tries in an hour at most.
        assert!(restores.len() <= 11, "seed {seed}: {restores:?}");
        let mut gaps = restores.windows(2).map(|two| two[1] - two[0]);
        assert!(gaps.all(|gap| gap >= settle), "seed {seed}: {restores:?}");
        flapped += restores.len();
    }
    assert!(flapped > 100, "the simulation never tried: {flapped}");
}

#[test]
fn a_machine_that_comes_and_goes_is_followed_within_the_bound() {
    for seed in 0..50 {
        let mut world = World::new(seed);
        world.live(
            3_600.0,
            |seconds| if seconds % 200.0 < 100.0 { 1.4 } else { 0.4 },
        );
        let settle = SETTINGS.settle.as_secs_f64();
        let restores = world.restores();
        let mut gaps = restores.windows(2).map(|two| two[1] - two[0]);
        assert!(gaps.all(|gap| gap >= settle), "seed {seed}: {restores:?}");
        assert!(world.lag <= LAG_MAX);
    }
}

#[test]
fn a_backlog_that_shrinks_is_left_alone() {
    let begun = Instant::now();
    let mut shedder = Shedder::new(SETTINGS, 2);
    shedder.started(begun);
    for step in 0..100_u32 {
        let lag = Duration::from_secs(10).saturating_sub(FRAME * step / 4);
        let verdict = shedder.observe(begun + FRAME * step, lag);
        assert_eq!(verdict, None, "at {step}");
    }
}

#[test]
fn it_can_be_turned_off() {
    let settings = ShedSettings {
        lag: Duration::ZERO,
        ..SETTINGS
    };
    let begun = Instant::now();
    let mut shedder = Shedder::new(settings, 4);
    shedder.started(begun);
    for step in 0..1_000 {
        let lag = Duration::from_secs(60);
        assert_eq!(shedder.observe(begun + FRAME * step, lag), None);
    }
    assert!(!shedder.may_shed());
}
