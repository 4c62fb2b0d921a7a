//! Links between edges and the hub.

use std::collections::BTreeMap;

use rand::{Rng, rngs::StdRng};
use rooms::schema::{FromEdge, ToEdge};

/// What is on its way.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Up(FromEdge),
    Down(usize, ToEdge),
}

/// Misbehaves as its settings say.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) loss: f64,
    pub(crate) double: f64,
    pub(crate) delay_ms: u64,
    /// Edges whose link is down, until when.
    down: BTreeMap<usize, u64>,
    queue: BTreeMap<(u64, u64), Packet>,
    count: u64,
    pub(crate) lost: u64,
}

impl Network {
    pub(crate) fn new(rng: &mut StdRng) -> Self {
        Self {
            loss: [0.0, 0.02, 0.2][rng.random_range(0..3)],
            double: [0.0, 0.1][rng.random_range(0..2)],
            delay_ms: [1, 30, 300][rng.random_range(0..3)],
            down: BTreeMap::new(),
            queue: BTreeMap::new(),
            count: 0,
            lost: 0,
        }
    }

    /// From now on all is well.
    pub(crate) fn calm(&mut self) {
        self.loss = 0.0;
        self.double = 0.0;
        self.delay_ms = 1;
        self.down.clear();
    }

    pub(crate) fn cut(&mut self, edge: usize, until_ms: u64) {
        self.down.insert(edge, until_ms);
    }

    /// Edges whose link is back.
    pub(crate) fn restored(&mut self, now_ms: u64) -> Vec<usize> {
        let back: Vec<usize> = self
            .down
            .iter()
            .filter(|(_, until)| **until <= now_ms)
            .map(|(edge, _)| *edge)
            .collect();
        self.down.retain(|_, until| *until > now_ms);
        back
    }

    pub(crate) fn send(&mut self, rng: &mut StdRng, now_ms: u64, edge: usize, packet: &Packet) {
        if self.down.contains_key(&edge) || rng.random_bool(self.loss) {
            self.lost += 1;
            return;
        }
        let copies = if rng.random_bool(self.double) { 2 } else { 1 };
        for _ in 0..copies {
            self.count += 1;
            let at = now_ms + rng.random_range(1..=self.delay_ms);
            self.queue.insert((at, self.count), packet.clone());
        }
    }

    pub(crate) fn due(&mut self, now_ms: u64) -> Option<Packet> {
        let entry = self.queue.first_entry()?;
        (entry.key().0 <= now_ms).then(|| entry.remove())
    }
}
