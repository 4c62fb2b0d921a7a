//! One room's hub: its clock, its store and its log.
//!
//! **What moderators did is on disk before anybody hears of it**, as long as the disk takes it; when
//! it does not, the room goes on, says so in the log and in a metric, and tries again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::{EdgeName, RoomName};
use bytes::Bytes;
use rooms::schema::{FromEdge, Outcome, Publish, Review, Score, ToEdge};
use rooms::{Clock, Hub, HubFigures, HubOutput, Saved};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::audit::Line;
use crate::clock::unix_ms;

/// Inputs that are taken before what follows from them is sent.
const BATCH_MAX: usize = 512;
/// Likes and points are saved this often.
const SOFT_SAVE_EVERY: Duration = Duration::from_secs(5);
/// After a save that failed.
const SAVE_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// After a load that failed.
const LOAD_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// So long a room waits for the log of acts.
const AUDIT_WITHIN: Duration = Duration::from_secs(2);
/// A room in which no edge is interested is let go after so long.
const EMPTY_FOR: Duration = Duration::from_secs(300);

/// To a hub.
#[derive(Debug)]
pub(super) enum Input {
    /// An edge says something.
    Edge(FromEdge),
    /// The API publishes something.
    Publish(Box<Publish>, oneshot::Sender<Outcome>),
    /// Points, as the records have them.
    Scores(Vec<Score>),
    /// The API wants to know what waits for a decision.
    Reviews(oneshot::Sender<Vec<Review>>),
    /// The API wants to know how the room does.
    Look(oneshot::Sender<Sight>),
    /// The room is to close.
    End,
    /// The points and the name of a user are not to be kept.
    Forget {
        user: String,
        actor: String,
        answer: oneshot::Sender<()>,
    },
}

/// A room, for operators.
#[derive(Debug, Serialize)]
pub(super) struct Sight {
    pub(super) epoch: u64,
    pub(super) users: u32,
    pub(super) connections: u32,
    pub(super) likes: u64,
    pub(super) head: u64,
    pub(super) edges: usize,
    pub(super) settings: rooms::Settings,
    pub(super) pinned: Option<rooms::schema::Message>,
    pub(super) sanctions: usize,
    pub(super) reviews: usize,
}

/// What is kept of a room.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// Of the life that kept it: the next one is greater, whatever the clock says.
    epoch: u64,
    saved: Saved,
}

/// A room's hub, not running yet.
#[derive(Debug)]
pub(super) struct RoomHub {
    name: RoomName,
    shared: Arc<Shared>,
}

impl RoomHub {
    pub(super) fn new(name: RoomName, shared: Arc<Shared>) -> Self {
        Self { name, shared }
    }

    /// Runs until nobody wants the room, or the process ends.
    pub(super) async fn run(self, mut inputs: mpsc::Receiver<Input>, stop: CancellationToken) {
        let loading = load(self.name.clone(), Arc::clone(&self.shared));
        let kept = tokio::select! {
            kept = loading => kept,
            () = stop.clone().cancelled_owned() => return,
        };
        let now = unix_ms();
        let clock = Clock::new(now, Instant::now());
        let epoch = now.max(kept.epoch + 1);
        let config = &self.shared.settings.room;
        let hub = match Hub::new(config, epoch, kept.saved, now, rand::random()) {
            Ok(hub) => hub,
            Err(error) => {
                tracing::error!(room = %self.name, %error, "a room's settings");
                return;
            }
        };
        tracing::info!(room = %self.name, epoch, "room open");
        self.shared.metrics.rooms.inc();
        let mut running = Running {
            name: self.name,
            shared: self.shared,
            hub,
            clock,
            kept: None,
            retry_at: None,
            soft_at: Instant::now() + SOFT_SAVE_EVERY,
            empty_since: Some(Instant::now()),
            counted: HubFigures::default(),
            forgotten: Vec::new(),
            is_ended: false,
        };
        // The epoch is kept before anybody hears of it.
        running.save().await;
        running.serve(&mut inputs, stop).await;
        running.close().await;
    }
}

/// Takes what a user wrote out of a room that is not open. Whether there was anything.
pub(super) async fn forget(shared: &Shared, name: &RoomName, user: &str) -> Result<bool, String> {
    let loaded = shared.store.load(name).await;
    let Some(bytes) = loaded.map_err(|error| error.to_string())? else {
        return Ok(false);
    };
    let mut kept: Kept = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    if !kept.saved.forget(user) {
        return Ok(false);
    }
    let bytes = serde_json::to_vec(&kept).map_err(|error| error.to_string())?;
    let saved = shared.store.save(name, Bytes::from(bytes)).await;
    saved.map_err(|error| error.to_string())?;
    Ok(true)
}

/// A room that forgot who is banned is worse than one that is not there yet.
async fn load(name: RoomName, shared: Arc<Shared>) -> Kept {
    loop {
        let loaded = shared.store.load(&name).await;
        let read = match loaded {
            Ok(None) => return Kept::default(),
            Ok(Some(bytes)) => serde_json::from_slice(&bytes).map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(kept) => return kept,
            Err(error) => {
                shared.metrics.loads_failed.inc();
                tracing::error!(room = %name, error, "a room cannot be read: trying again");
                tokio::time::sleep(LOAD_AGAIN_AFTER).await;
            }
        }
    }
}

struct Running {
    name: RoomName,
    shared: Arc<Shared>,
    hub: Hub,
    clock: Clock,
    /// Versions that are on disk: what must survive a crash, and what should.
    kept: Option<(u64, u64)>,
    retry_at: Option<Instant>,
    soft_at: Instant,
    empty_since: Option<Instant>,
    counted: HubFigures,
    forgotten: Vec<oneshot::Sender<()>>,
    is_ended: bool,
}

impl Running {
    async fn serve(&mut self, inputs: &mut mpsc::Receiver<Input>, stop: CancellationToken) {
        let mut stopped = std::pin::pin!(stop.cancelled_owned());
        loop {
            tokio::select! {
                biased;
                () = &mut stopped => return,
                input = inputs.recv() => {
                    let Some(input) = input else { return };
                    self.take(input);
                    for _ in 1..BATCH_MAX {
                        match inputs.try_recv() {
                            Ok(input) => self.take(input),
                            Err(_) => break,
                        }
                    }
                }
                () = tokio::time::sleep(self.until_deadline()) => {}
            }
            let now = self.now();
            if now >= self.hub.deadline() {
                self.hub.tick(now);
            }
            self.follow().await;
            if self.is_over() {
                return;
            }
        }
    }

    /// The room's time, whatever is done to the wall's meanwhile.
    fn now(&self) -> u64 {
        self.clock.at(Instant::now())
    }

    fn until_deadline(&self) -> Duration {
        self.clock.until(self.hub.deadline(), Instant::now())
    }

    fn take(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Edge(message) => self.hub.handle(now, message),
            Input::Publish(publish, answer) => {
                // Nobody may wait for it any more.
                drop(answer.send(self.hub.publish(now, *publish)));
            }
            Input::Scores(scores) => self.hub.set_scores(scores),
            Input::End => self.is_ended = true,
            Input::Reviews(answer) => drop(answer.send(self.hub.room().reviews().to_vec())),
            Input::Look(answer) => drop(answer.send(self.sight())),
            Input::Forget {
                user,
                actor,
                answer,
            } => {
                self.hub.forget(now, &user, &actor);
                // Answered when it has been saved.
                self.forgotten.push(answer);
            }
        }
    }

    /// Keeps what has to be kept, then sends.
    async fn follow(&mut self) {
        let mut sends = Vec::new();
        let mut lines = Vec::new();
        while let Some(output) = self.hub.poll_output() {
            match output {
                HubOutput::All(message) => sends.push((None, message)),
                HubOutput::One { edge, message } => sends.push((Some(edge), message)),
                HubOutput::Acted {
                    seq,
                    at_ms,
                    moderation,
                } => lines.push(Line::acted(&self.name, seq, at_ms, moderation)),
                HubOutput::Reviewed { seq, at_ms, review } => {
                    lines.push(Line::reviewed(&self.name, seq, at_ms, &review));
                }
                HubOutput::Audit { edge, actor, text } => {
                    lines.push(Line::said(&self.name, unix_ms(), edge, actor, text));
                }
            }
        }
        if !lines.is_empty() {
            // A disk that hangs is written to in the background, as long as it takes.
            let written = self.shared.audit.append(&lines);
            if !matches!(tokio::time::timeout(AUDIT_WITHIN, written).await, Ok(true)) {
                self.shared.metrics.audit_failed.inc();
            }
        }
        self.save_if_due().await;
        let is_saved = self.retry_at.is_none();
        for answer in self.forgotten.drain(..).filter(|_| is_saved) {
            // Whoever asked may have gone; who was not answered asks again.
            let _ = answer.send(());
        }
        for (edge, message) in sends {
            if let (Some(archive), ToEdge::Frame(frame)) = (&self.shared.archive, &message) {
                archive.append(&self.name, frame.epoch, &frame.events);
            }
            self.send(edge, &message);
        }
        self.count();
    }

    fn send(&self, edge: Option<String>, message: &ToEdge) {
        let bytes = message.to_binary();
        let bus = &self.shared.bus;
        match edge.as_deref().map(EdgeName::new) {
            None => bus.publish(&self.name, bytes),
            Some(Ok(edge)) => bus.send(&self.name, &edge, bytes),
            // The link said who it was: nobody else is answered.
            Some(Err(_)) => {}
        }
    }

    async fn save_if_due(&mut self) {
        let (hard, soft) = (self.hub.durable_version(), self.hub.soft_version());
        let is_hard = self.kept.is_none_or(|kept| kept.0 != hard);
        let is_soft = self.kept.is_none_or(|kept| kept.1 != soft);
        let now = Instant::now();
        let may_try = self.retry_at.is_none_or(|at| now >= at);
        if may_try && (is_hard || (is_soft && now >= self.soft_at)) {
            self.save().await;
        }
    }

    async fn save(&mut self) {
        let versions = (self.hub.durable_version(), self.hub.soft_version());
        let kept = Kept {
            epoch: self.hub.epoch(),
            saved: self.hub.saved().clone(),
        };
        let saved = match serde_json::to_vec(&kept) {
            Ok(bytes) => {
                let saved = self.shared.store.save(&self.name, Bytes::from(bytes)).await;
                saved.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match saved {
            Ok(()) => {
                self.kept = Some(versions);
                self.retry_at = None;
                self.soft_at = Instant::now() + SOFT_SAVE_EVERY;
            }
            Err(error) => {
                self.shared.metrics.saves_failed.inc();
                if self.retry_at.is_none() {
                    tracing::error!(
                        room = %self.name,
                        error,
                        "a room cannot be saved: it goes on, and what moderators do now does not \
                         survive a crash"
                    );
                }
                self.retry_at = Some(Instant::now() + SAVE_AGAIN_AFTER);
            }
        }
    }

    fn count(&mut self) {
        let figures = self.hub.figures();
        self.shared.metrics.room(&self.counted, &figures);
        self.shared
            .counts
            .set(&self.name, Some(figures.connections));
        let is_empty = figures.edges == 0;
        if !is_empty {
            self.empty_since = None;
        } else if self.empty_since.is_none() {
            self.empty_since = Some(Instant::now());
        }
        self.counted = figures;
    }

    fn is_over(&self) -> bool {
        let is_empty = self
            .empty_since
            .is_some_and(|since| since.elapsed() >= EMPTY_FOR);
        self.is_ended || is_empty
    }

    async fn close(mut self) {
        if self.kept != Some((self.hub.durable_version(), self.hub.soft_version())) {
            self.save().await;
        }
        self.shared.metrics.gone(&self.counted);
        self.shared.counts.set(&self.name, None);
        if let Some(archive) = &self.shared.archive {
            archive.close_room(&self.name);
        }
        tracing::info!(room = %self.name, "room closed");
    }

    fn sight(&self) -> Sight {
        let figures = self.hub.figures();
        let room = self.hub.room();
        Sight {
            epoch: self.hub.epoch(),
            users: figures.users,
            connections: figures.connections,
            likes: figures.likes,
            head: figures.head,
            edges: figures.edges,
            settings: room.settings().clone(),
            pinned: room.pinned().cloned(),
            sanctions: figures.sanctions,
            reviews: figures.reviews,
        }
    }
}
