//! The virtual clock, the network, and the origin's held requests.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use hls::{Decision, DeliveryDirectives, ObjectName};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    origin::{Media, Origin, Sent},
    player::{Habit, Player},
};

/// A request under way.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) player: usize,
    pub(crate) target: Target,
}

#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A playlist, by query.
    Playlist(String),
    /// An object, and whether only a hint named it.
    Object { name: ObjectName, hinted: bool },
}

#[derive(Clone, Debug)]
pub(crate) enum Response {
    Playlist {
        query: String,
        sent: Sent,
    },
    Media {
        name: ObjectName,
        media: Option<Media>,
    },
    NotFound {
        name: ObjectName,
    },
}

#[derive(Debug)]
enum Event {
    Push,
    Arrive(Request),
    /// A held request must have been answered by now.
    Deadline(u64),
    Deliver(usize, Response),
}

/// What the seeds have exercised. A simulation that never gets into trouble proves nothing.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    pub(crate) discontinuities: u64,
    pub(crate) outages: u64,
    pub(crate) held: u64,
    pub(crate) deltas: u64,
    pub(crate) hints_taken: u64,
    pub(crate) hints_cancelled: u64,
    pub(crate) parts: u64,
    pub(crate) segments: u64,
    pub(crate) inits: u64,
    pub(crate) fell_behind: u64,
    pub(crate) answered_old: u64,
}

impl Coverage {
    pub(crate) fn check(&self) {
        for count in [
            self.discontinuities,
            self.outages,
            self.held,
            self.deltas,
            self.hints_taken,
            self.hints_cancelled,
            self.parts,
            self.segments,
            self.inits,
            self.fell_behind,
            self.answered_old,
        ] {
            assert!(count > 0, "something was never exercised: {self:?}");
        }
    }
}

/// Orders events by time, then by age.
type Slot = Reverse<(Duration, u64)>;

pub(crate) struct World {
    now: Duration,
    queue: BinaryHeap<(Slot, usize)>,
    /// The events of `queue`, taken when due.
    events: Vec<Option<Event>>,
    serial: u64,
    rng: StdRng,
    origin: Origin,
    players: Vec<Player>,
    held: Vec<(u64, Request)>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let habits = [
            Habit::HlsJs,
            Habit::HlsJs,
            Habit::Hints,
            Habit::Hints,
            Habit::Segments,
            Habit::Sleepy,
            Habit::TunesIn,
        ];
        let players = (0..)
            .zip(habits)
            .map(|(index, habit)| Player::new(index, habit, seed))
            .collect();
        Self {
            now: Duration::ZERO,
            queue: BinaryHeap::new(),
            events: Vec::new(),
            serial: 0,
            rng: StdRng::seed_from_u64(!seed),
            origin: Origin::new(seed),
            players,
            held: Vec::new(),
        }
    }

    pub(crate) fn run(mut self, coverage: &mut Coverage) {
        self.schedule(Duration::ZERO, Event::Push);
        for index in 0..self.players.len() {
            let request = self.players[index].first_request();
            let delay = Duration::from_millis(self.rng.random_range(0..6_000));
            self.schedule(delay, Event::Arrive(request));
        }
        while let Some((Reverse((at, _)), event)) = self.queue.pop() {
            self.now = at;
            let event = self.events[event].take().unwrap();
            self.handle(event, coverage);
        }
        for player in &self.players {
            assert!(player.is_done(), "{player:?} never saw the end");
        }
    }

    fn handle(&mut self, event: Event, coverage: &mut Coverage) {
        match event {
            Event::Push => {
                if let Some(delay) = self.origin.step(coverage) {
                    self.schedule(delay, Event::Push);
                }
                for (serial, request) in std::mem::take(&mut self.held) {
                    if !self.answer(&request) {
                        if let Target::Playlist(query) = &request.target {
                            assert!(!self.origin.is_late(query), "{query} is still held");
                        }
                        self.held.push((serial, request));
                    }
                }
            }
            Event::Arrive(request) => {
                if !self.answer(&request) {
                    coverage.held += 1;
                    self.schedule(self.origin.live.blocked_max(), Event::Deadline(self.serial));
                    self.held.push((self.serial - 1, request));
                }
            }
            Event::Deadline(serial) => {
                let overdue = self.held.iter().find(|(held, _)| *held == serial);
                assert!(
                    overdue.is_none(),
                    "held for too long: {overdue:?} at {:?}",
                    self.now
                );
            }
            Event::Deliver(player, response) => {
                if let Response::NotFound { name } = response {
                    let known = self.origin.was_cancelled(name);
                    assert!(
                        known,
                        "{name} was asked for and not found at {:?}",
                        self.now
                    );
                }
                for (delay, request) in self.players[player].receive(response, coverage) {
                    let latency = self.latency();
                    self.schedule(delay + latency, Event::Arrive(request));
                }
            }
        }
    }

    /// Answers a request unless it has to be held.
    fn answer(&mut self, request: &Request) -> bool {
        let response = match &request.target {
            Target::Playlist(query) => {
                let (decision, directives) = self.origin.live.decide_query(query);
                match decision {
                    Decision::Ready => self.playlist(query, directives),
                    Decision::Wait => return false,
                    Decision::Reject(rejection) => panic!("{request:?} refused: {rejection}"),
                }
            }
            Target::Object { name, hinted } => match self.origin.fetch(*name) {
                None => {
                    assert!(hinted, "{name} is listed but not complete");
                    return false;
                }
                Some(Some(media)) => Response::Media { name: *name, media },
                Some(None) => {
                    assert!(hinted, "{name} is listed but not found at {:?}", self.now);
                    Response::NotFound { name: *name }
                }
            },
        };
        let latency = self.latency();
        self.schedule(latency, Event::Deliver(request.player, response));
        true
    }

    fn playlist(&mut self, query: &str, directives: DeliveryDirectives) -> Response {
        let sent = self.origin.playlist(directives.skip());
        Response::Playlist {
            query: query.to_owned(),
            sent,
        }
    }

    fn latency(&mut self) -> Duration {
        let spike = self.rng.random_range(0..50) == 0;
        Duration::from_millis(self.rng.random_range(if spike { 200..900 } else { 2..60 }))
    }

    fn schedule(&mut self, delay: Duration, event: Event) {
        self.queue
            .push((Reverse((self.now + delay, self.serial)), self.events.len()));
        self.events.push(Some(event));
        self.serial += 1;
    }
}
