//! The side of a room that decides: what is accepted, in which order, and what edges are told.

mod bucket;
mod combos;
pub(crate) mod dedup;
mod output;
mod review;
mod saved;
mod tally;
mod verdict;

use std::{collections::VecDeque, sync::Arc};

pub use self::{
    combos::COMBO_END,
    output::{HubFigures, HubOutput},
    saved::Saved,
};

use self::{bucket::Bucket, combos::Combos, dedup::Dedup};
use crate::{
    config::{Config, ConfigError},
    limits::{CROWD, TOLD_WITHIN_MS, WRITE_US},
    moderation::RoomState,
    presence::merged::Merged,
    schema::{
        AudienceChange, Body, Event, EventFrame, FromEdge, FromEdgeBody, Outcome, Position,
        Publish, Relay, Report, Score, Standing, StateChange, StateWhole, ToEdge,
    },
    validate,
    window::Window,
};

/// Where something is published.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// By people, whose ids are their clients'.
    Edge,
    /// By the ledger, an API: nobody else has its ids.
    Driver,
}

/// One room, for one epoch.
///
/// The driver calls [`Self::handle`] with what edges say, [`Self::publish`] for what comes from
/// elsewhere (the ledger, an API), [`Self::tick`] at [`Self::deadline`], and after each of them
/// [`Self::poll_output`] until there is none. Time is Unix milliseconds of a
/// [`crate::Clock`]; one that goes back is taken for the latest seen.
#[derive(Debug)]
pub struct Hub {
    config: Config,
    epoch: u64,
    now_ms: u64,
    window: Window,
    /// The frame of this tick.
    open: Vec<Arc<Event>>,
    open_bytes: usize,
    /// Answers to what is in it: they go out after it, so that what was answered has left.
    answers: Vec<HubOutput>,
    next_seq: u64,
    tick_ms: u64,
    state_tick_ms: u64,
    heartbeat_ms: u64,
    saved: Saved,
    /// Of what people say, and of what the driver publishes: ids of the one hide nothing of the other, nor
    /// push it out.
    said: Dedup,
    told: Dedup,
    bucket: Bucket,
    combos: Combos,
    presence: Merged,
    published: StateWhole,
    durable_version: u64,
    soft_version: u64,
    counts: HubFigures,
    outputs: VecDeque<HubOutput>,
}

impl Hub {
    /// A room that begins now. `epoch` is greater than each before it: the time, as a rule.
    ///
    /// # Errors
    ///
    /// When a setting is out of its range.
    pub fn new(
        config: &Config,
        epoch: u64,
        saved: Saved,
        now_ms: u64,
        seed: u64,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let published = StateWhole {
            likes: saved.likes.total(),
            leaderboard: Arc::new(saved.scores.leaderboard()),
            ..StateWhole::default()
        };
        Ok(Self {
            epoch,
            now_ms,
            window: Window::new(config.window_events, config.window_bytes, 0),
            open: Vec::new(),
            open_bytes: 0,
            answers: Vec::new(),
            next_seq: 1,
            tick_ms: now_ms + config.tick_ms,
            state_tick_ms: now_ms + config.state_tick_ms,
            heartbeat_ms: now_ms,
            saved,
            said: Dedup::new(config.dedup_entries, config.dedup_ms),
            told: Dedup::new(config.dedup_entries, config.dedup_ms),
            bucket: Bucket::default(),
            combos: Combos::default(),
            presence: Merged::new(config, now_ms, seed),
            published,
            durable_version: 0,
            soft_version: 0,
            counts: HubFigures::default(),
            outputs: VecDeque::new(),
            config: config.clone(),
        })
    }

    /// Takes what an edge says.
    pub fn handle(&mut self, now_ms: u64, message: FromEdge) {
        let now_ms = self.advance(now_ms);
        let FromEdge {
            edge,
            incarnation,
            body,
        } = message;
        match body {
            FromEdgeBody::Hello { position } => self.hello(edge, position),
            // Gifts come from the ledger, through the driver: no edge says what was paid.
            FromEdgeBody::Publish(publish) if matches!(publish.body, Body::Gift(_)) => {
                self.counts.malformed += 1;
            }
            FromEdgeBody::Publish(publish) => {
                let author = publish.author.clone();
                let client_id = publish.client_id.clone();
                let outcome = self.decide(now_ms, *publish, Source::Edge);
                let is_open = matches!(&outcome, Outcome::Accepted { seq: Some(seq), .. }
                    if *seq > self.window.head());
                let message = ToEdge::Ack {
                    epoch: self.epoch,
                    at_ms: now_ms,
                    author,
                    client_id,
                    outcome,
                };
                if is_open {
                    self.answers.push(HubOutput::One { edge, message });
                } else {
                    self.send(edge, message);
                }
            }
            FromEdgeBody::Report(report) => self.report(edge, incarnation, &report),
            FromEdgeBody::WantState => {
                let message = ToEdge::State {
                    standing: self.standing(),
                    state: self.published.clone(),
                };
                self.send(edge, message);
            }
            FromEdgeBody::Relay(relay) => self.relay(relay),
            FromEdgeBody::Audit { actor, text } => self.audit(edge, actor, text),
        }
    }

    /// Accepts or refuses what the driver publishes, in the order of the calls.
    pub fn publish(&mut self, now_ms: u64, publish: Publish) -> Outcome {
        self.decide(now_ms, publish, Source::Driver)
    }

    /// The answers that were given to whoever publishes.
    fn known(&mut self, source: Source) -> &mut Dedup {
        match source {
            Source::Edge => &mut self.said,
            Source::Driver => &mut self.told,
        }
    }

    /// Points as whoever keeps gifts has them: after a crash some may have been counted twice or not at
    /// all here, and what is paid back is taken away.
    pub fn set_scores(&mut self, scores: Vec<Score>) {
        self.saved.scores.set(scores);
        self.soft_version += 1;
    }

    /// Closes the frame of the tick, publishes STATE; at [`Self::deadline`], or later.
    pub fn tick(&mut self, now_ms: u64) {
        let now_ms = self.advance(now_ms);
        for notice in self.combos.end(now_ms) {
            let id = notice.id.clone();
            self.accept(id, Body::Notice(notice), None);
        }
        if now_ms >= self.tick_ms {
            self.flush();
            self.tick_ms = now_ms + self.tick_span();
            self.said.expire(now_ms);
            self.told.expire(now_ms);
        }
        if now_ms >= self.state_tick_ms {
            self.state_tick_ms = now_ms + self.config.state_tick_ms;
            self.publish_state();
        }
    }

    /// Longer in a crowd, up to twice: each tick costs a write per connection. But what ten thousand writes
    /// take is waited for by those who are last.
    fn tick_span(&self) -> u64 {
        let tick_ms = self.config.tick_ms;
        let connections = u64::from(self.published.connections);
        let wished_ms = tick_ms + tick_ms * connections.min(CROWD) / CROWD;
        let writes_ms = connections * WRITE_US / 1_000;
        wished_ms
            .min(TOLD_WITHIN_MS.saturating_sub(writes_ms))
            .max(tick_ms)
    }

    /// When [`Self::tick`] has something to do, Unix milliseconds.
    pub fn deadline(&self) -> u64 {
        let mut deadline = self.state_tick_ms;
        if !self.open.is_empty() {
            deadline = deadline.min(self.tick_ms);
        }
        self.combos
            .deadline()
            .map_or(deadline, |combo| deadline.min(combo))
    }

    /// What is to be sent next.
    pub fn poll_output(&mut self) -> Option<HubOutput> {
        self.outputs.pop_front()
    }

    /// What is to be kept for the next epoch.
    pub fn saved(&self) -> &Saved {
        &self.saved
    }

    /// Grows whenever [`Self::saved`] changes in what a crash must not undo: settings, pin,
    /// sanctions, reviews. To be saved before the outputs are sent.
    pub fn durable_version(&self) -> u64 {
        self.durable_version
    }

    /// Grows whenever [`Self::saved`] changes in what may be lost for some seconds: likes, scores.
    pub fn soft_version(&self) -> u64 {
        self.soft_version
    }

    /// Settings, pin, sanctions, reviews, with everything accepted so far.
    pub fn room(&self) -> &RoomState {
        &self.saved.room
    }

    /// STATE as published.
    pub fn state(&self) -> &StateWhole {
        &self.published
    }

    /// Life of this hub.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// For metrics.
    pub fn figures(&self) -> HubFigures {
        HubFigures {
            head: self.next_seq - 1,
            window_events: self.window.events() + self.open.len(),
            window_bytes: self.window.bytes() + self.open_bytes,
            dedup_entries: self.said.len() + self.told.len(),
            sanctions: self.saved.room.sanctions().len(),
            reviews: self.saved.room.reviews().len(),
            scores: self.saved.scores.len(),
            edges: self.presence.edges(),
            members: self.presence.members(),
            users: self.published.users,
            connections: self.published.connections,
            likes: self.saved.likes.total(),
            ..self.counts.clone()
        }
    }

    fn advance(&mut self, now_ms: u64) -> u64 {
        self.now_ms = self.now_ms.max(now_ms);
        self.now_ms
    }

    fn flush(&mut self) {
        let events = std::mem::take(&mut self.open);
        self.open_bytes = 0;
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return;
        };
        let frame = Arc::new(EventFrame {
            epoch: self.epoch,
            at_ms: self.now_ms,
            first: first.seq,
            last: last.seq,
            dropped: 0,
            events,
        });
        self.window.append(Arc::clone(&frame));
        self.outputs.push_back(HubOutput::All(ToEdge::Frame(frame)));
        self.outputs.extend(self.answers.drain(..));
    }

    fn hello(&mut self, edge: String, position: Option<Position>) {
        // State and deletions are as of everything accepted: so must the frames be.
        self.flush();
        let seq = position
            .filter(|position| position.epoch == self.epoch)
            .map(|position| position.seq);
        let frames = seq.and_then(|seq| self.window.after(seq));
        if let Some(frames) = frames.map(|frames| frames.cloned().collect()) {
            self.counts.fills += 1;
            let standing = self.standing();
            return self.send(edge, ToEdge::Fill { standing, frames });
        }
        self.counts.resets += 1;
        let frames = self.window.after(self.window.first() - 1);
        let message = ToEdge::Reset {
            standing: self.standing(),
            room: Arc::new(self.saved.room.clone()),
            frames: frames
                .map(|frames| frames.cloned().collect())
                .unwrap_or_default(),
            state: self.published.clone(),
        };
        self.send(edge, message);
    }

    fn report(&mut self, edge: String, incarnation: u64, report: &Report) {
        let known = self
            .presence
            .report(self.now_ms, &edge, incarnation, report);
        let Some(roster_version) = known else {
            self.counts.reports_refused += 1;
            return;
        };
        if self.saved.likes.report(&edge, incarnation, report.likes) {
            self.soft_version += 1;
        }
        let message = ToEdge::ReportAck {
            epoch: self.epoch,
            incarnation,
            roster_version,
            wants_lists: self.presence.wants_lists(),
        };
        self.send(edge, message);
    }

    fn publish_state(&mut self) {
        let scores = &self.saved.scores;
        let update = self.presence.update(self.now_ms, |id| scores.of(id));
        let likes = self.saved.likes.total();
        let leaderboard = scores.leaderboard();
        let has_new_scores = leaderboard != *self.published.leaderboard;
        let is_same = update.is_none()
            && likes == self.published.likes
            && self.counts.sampled == self.published.sampled
            && !has_new_scores;
        if is_same {
            if self.now_ms >= self.heartbeat_ms {
                self.heartbeat_ms = self.now_ms + self.config.report_ms;
                let standing = self.standing();
                self.outputs
                    .push_back(HubOutput::All(ToEdge::Heartbeat { standing }));
            }
            return;
        }
        let before = &self.published;
        let (users, connections, audience) = match update {
            Some((presence, change)) => (presence.users, presence.connections, change),
            None => (before.users, before.connections, AudienceChange::Same),
        };
        let burst = likes.saturating_sub(before.likes);
        let change = StateChange {
            version: before.version + 1,
            likes,
            burst: u32::try_from(burst).unwrap_or(u32::MAX),
            sampled: self.counts.sampled,
            users,
            connections,
            audience,
            leaderboard: has_new_scores.then(|| Arc::new(leaderboard)),
        };
        // The same step that every edge and client takes. It cannot fail: the change is from here.
        if let Some(whole) = before.changed(&change) {
            self.published = whole;
        }
        self.heartbeat_ms = self.now_ms + self.config.report_ms;
        let message = ToEdge::Change {
            standing: self.standing(),
            change: Arc::new(change),
        };
        self.outputs.push_back(HubOutput::All(message));
    }

    fn relay(&mut self, relay: Relay) {
        if !validate::relay(&relay) {
            self.counts.malformed += 1;
            return;
        }
        self.counts.relays += 1;
        self.outputs.push_back(HubOutput::All(ToEdge::Relay(relay)));
    }

    fn audit(&mut self, edge: String, actor: String, text: String) {
        if !validate::audit(&actor, &text) {
            self.counts.malformed += 1;
            return;
        }
        self.counts.audits += 1;
        self.outputs
            .push_back(HubOutput::Audit { edge, actor, text });
    }

    fn standing(&self) -> Standing {
        Standing {
            epoch: self.epoch,
            head: self.window.head(),
            state_version: self.published.version,
        }
    }

    fn send(&mut self, edge: String, message: ToEdge) {
        self.outputs.push_back(HubOutput::One { edge, message });
    }
}

#[cfg(test)]
mod tests;
