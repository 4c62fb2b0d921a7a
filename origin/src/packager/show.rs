//! The life of a stream: publishers come, vanish, come back, and say goodbye.
//!
//! ```text
//!            first picture            vanished             grace over
//!  (nothing) -------------> on stage ----------> absent ---------------> ended --linger--> (gone)
//!                            ^    | goodbye        |                      ^ |
//!                            |    +----------------|----------------------+ |
//!                            +---------------------+   the next publisher   |
//!                            +-- a new stream of the same name <------------+
//! ```
//!
//! While nobody is on stage, playlists list gaps at the pace of the clock. Whoever comes back goes on behind
//! them, on the same numbers and timeline. One task per stream, and never two of the same name.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::broadcast::{Broadcast, Renewal, count_bytes};
use super::intake::{Intake, IntakeError, KnownSource, Source};
use super::plan::Plan;
use super::renewals::Renewals;
use super::slate::Slate;
use super::stage::{Absence, Stage};
use super::{BroadcastError, FIRST_PICTURE_TIMEOUT, Studio};
use crate::config::{Secret, StreamSettings};
use crate::numbers::Live;
use crate::publish::{Claim, EndReason};
use crate::transcode::Job;
use crate::window::{LiveStream, StreamInfo};

/// A stream, from its first publisher until it can no longer be played.
pub(super) struct Show {
    studio: Studio,
    name: String,
    claims: mpsc::Receiver<Claim>,
    state: State,
    /// A stream of the same name that has ended, and until when its media is served.
    former: Option<(Arc<LiveStream>, Instant)>,
    /// The source on stage, or the one before: the next may be the same.
    known: Option<KnownSource>,
    /// The slate has failed since the last publisher.
    no_slate: bool,
}

enum State {
    /// There is nothing to play.
    Empty,
    /// Somebody publishes, or is waited for until then.
    Open { stage: Box<Stage>, until: Instant },
    /// EXT-X-ENDLIST is set; it can be played until then.
    Ended {
        live: Arc<LiveStream>,
        until: Instant,
    },
    /// The process ends.
    Left,
}

/// How a publisher left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parting {
    /// The room was stopped: nothing is to be seen any more.
    Cut,
    /// This process is about to end.
    Draining,
    /// It ended its stream.
    Goodbye,
    /// It may come back.
    Vanished,
}

impl Parting {
    fn of(claim: &Claim) -> Self {
        if claim.is_cut() {
            Self::Cut
        } else if claim.is_draining() {
            Self::Draining
        } else if claim.said_goodbye() {
            Self::Goodbye
        } else {
            Self::Vanished
        }
    }
}

impl Show {
    pub(super) fn new(studio: Studio, name: String, claims: mpsc::Receiver<Claim>) -> Self {
        Self {
            studio,
            name,
            claims,
            state: State::Empty,
            former: None,
            known: None,
            no_slate: false,
        }
    }

    pub(super) async fn run(mut self, first: Option<Claim>) {
        let mut next = first;
        loop {
            if let Some(claim) = next {
                self.attend(claim).await;
            }
            next = self.wait().await;
            if next.is_none() {
                next = self.studio.shows.close(&self.name, &mut self.claims);
                if next.is_none() {
                    return;
                }
            }
        }
    }

    /// One publisher, from its first tag to its last part.
    async fn attend(&mut self, mut claim: Claim) {
        self.no_slate = false;
        let shown = self.shown();
        let mut intake = Intake::default();
        let mut renewals = Renewals::default();
        let attended = loop {
            let known = self.known.take().filter(|_| self.shown() > 0);
            let source = match self.meet(&mut claim, &mut intake, known.as_ref()).await {
                Ok(Some(source)) => source,
                Ok(None) => {
                    // It has shown nothing that would make the next one another.
                    self.known = known;
                    break Ok(());
                }
                Err(error) => break Err(error),
            };
            let met = source.known();
            match self.perform(&mut claim, intake, source).await {
                Ok(Some(renewed)) if renewals.may(Instant::now()) => intake = renewed,
                Ok(Some(_)) => break Err(IntakeError::ConfigurationChanged("source").into()),
                Ok(None) => {
                    self.known = met;
                    break Ok(());
                }
                Err(error) => break Err(error),
            }
        };
        if let Err(error) = attended {
            refuse(&claim, &error);
        }
        let has_shown = self.shown() > shown;
        self.part(&claim, has_shown);
    }

    /// Parts of media of the stream on stage.
    fn shown(&self) -> u64 {
        match &self.state {
            State::Open { stage, .. } => stage.writer.shown(),
            _ => 0,
        }
    }

    /// Reads until the source is known, or recognised as the one before; `None` if the publisher left before.
    async fn meet(
        &mut self,
        claim: &mut Claim,
        intake: &mut Intake,
        known: Option<&KnownSource>,
    ) -> Result<Option<Source>, BroadcastError> {
        let metrics = self.studio.metrics.stream(&self.name);
        let deadline = Instant::now() + FIRST_PICTURE_TIMEOUT;
        let mut ended = std::pin::pin!(claim.ended());
        loop {
            let gap_due = self.gap_due();
            tokio::select! {
                tag = claim.tags.recv() => {
                    let Some(tag) = tag else { return Ok(None) };
                    count_bytes(&metrics, &tag);
                    let read = intake.read(tag, self.studio.wall_clock.now())?;
                    if let Some(media) = read {
                        intake.keep(media)?;
                    }
                    if let Some(source) = intake.source(known) {
                        return Ok(Some(source));
                    }
                }
                () = at(gap_due) => self.list_gap(),
                () = sleep_until(deadline) => return Err(BroadcastError::NoPicture),
                () = &mut ended => return Ok(None),
            }
        }
    }

    /// Packages what the publisher sends, until it leaves or is to leave. Whoever goes on with another
    /// configuration is to be met again.
    async fn perform(
        &mut self,
        claim: &mut Claim,
        intake: Intake,
        mut source: Source,
    ) -> Result<Option<Intake>, BroadcastError> {
        let goes_on = self.shown() > 0;
        self.studio.settle_tone_mapping(&self.name, &source).await;
        let (plan, job) = self.set_stage(claim, &source)?;
        let State::Open { stage, .. } = &mut self.state else {
            return Ok(None);
        };
        stage.writer.begin(&plan, &source);
        if goes_on {
            // Gaps are listed for what came while the source was looked at: it must not be shown late.
            source.begin_at_the_last_keyframe();
        }
        stage.job = job.clone();
        let mut broadcast = Broadcast::new(&self.studio, stage, plan, intake, source, job);
        let driven = broadcast.drive(claim).await;
        if !claim.is_cut() {
            broadcast.finish().await;
        }
        let Some(renewal) = driven? else {
            return Ok(None);
        };
        let (now, intake) = (Instant::now(), broadcast.intake);
        tracing::info!(stream = self.name, "the publisher {renewal}");
        if let State::Open { stage, .. } = &mut self.state {
            stage.absence.get_or_insert_with(|| Absence::since(now));
        }
        let header = match renewal {
            Renewal::Header(header) => Some(header),
            Renewal::Mistaken => None,
        };
        let renewed = intake.renew(header, self.studio.wall_clock.now())?;
        Ok(Some(renewed))
    }

    /// A stage for the source, and the job that its encoders need: the stage that is there, if the source
    /// fits it.
    fn set_stage(
        &mut self,
        claim: &Claim,
        source: &Source,
    ) -> Result<(Plan, Option<Job>), BroadcastError> {
        let studio = self.studio.clone();
        if let State::Open { stage, .. } = &mut self.state {
            match Plan::within(&stage.layout, &studio.transcode, source) {
                Ok(plan) => {
                    let job = match &plan.encode {
                        Some(_) => Some(studio.job(stage.job.clone())?),
                        None => None,
                    };
                    stage.resume(&plan, source)?;
                    return Ok((plan, job));
                }
                Err(error) => {
                    tracing::warn!(
                        stream = self.name,
                        %error,
                        "the source does not fit the stream, which ends; another begins"
                    );
                }
            }
            self.end();
        }
        let (plan, job) = studio.plan(&self.name, source)?;
        let info = StreamInfo {
            name: self.name.clone(),
            title: claim.stream.title.clone(),
            started_at: source.started_at,
            source: plan.describe(source),
        };
        let begun = claim.begun.clone();
        let stage = Box::new(Stage::new(&self.studio, (info, begun), &plan, source)?);
        self.studio.herald.live(&self.name, source.started_at);
        self.open(stage, Instant::now());
        Ok((plan, job))
    }

    fn open(&mut self, stage: Box<Stage>, until: Instant) {
        let live = Arc::clone(stage.live());
        self.studio.catalog.insert(Arc::clone(&live));
        let thumbnails = &self.studio.thumbnails;
        thumbnails.follow(Arc::clone(&live), stage.metrics.clone());
        stage.metrics.started();
        let before = std::mem::replace(&mut self.state, State::Open { stage, until });
        if let State::Ended { live, until } = before {
            self.former = Some((live, until));
        }
    }

    pub(super) fn revive(
        &mut self,
        name: &str,
        live: Live,
        age: Duration,
    ) -> Result<(), BroadcastError> {
        let stage = Box::new(Stage::revived(&self.studio, name, live)?);
        let grace = self.studio.reconnect_grace.saturating_sub(age);
        tracing::info!(
            stream = name,
            ?grace,
            "waiting for the publisher of a stream that was live before this process"
        );
        self.open(stage, Instant::now() + grace);
        Ok(())
    }

    /// What becomes of the stream now that its publisher has gone, and whether that one had something to show.
    fn part(&mut self, claim: &Claim, has_shown: bool) {
        let parting = Parting::of(claim);
        let State::Open { stage, until } = &mut self.state else {
            return;
        };
        match parting {
            Parting::Cut => self.cut(),
            Parting::Draining => self.leave(),
            Parting::Goodbye => self.end(),
            // There is nobody to wait with.
            Parting::Vanished if !stage.writer.has_shown() => {}
            Parting::Vanished => {
                let now = Instant::now();
                stage.absence.get_or_insert_with(|| Absence::since(now));
                // Whoever comes again and again with nothing to show does not keep the stream open.
                if has_shown {
                    *until = now + self.studio.reconnect_grace;
                }
                tracing::info!(
                    stream = self.name,
                    grace = ?self.studio.reconnect_grace,
                    "the publisher has vanished; waiting for it"
                );
            }
        }
    }

    /// Until the next publisher; `None` when there is nothing left to wait for.
    async fn wait(&mut self) -> Option<Claim> {
        loop {
            let until = match &self.state {
                State::Empty | State::Left => return None,
                State::Open { until, .. } | State::Ended { until, .. } => *until,
            };
            if self.studio.shutdown.is_cancelled() {
                self.leave();
                continue;
            }
            if Instant::now() >= until {
                self.time_is_up();
                continue;
            }
            if let Some(slate) = self.slate() {
                match self.show(slate, until).await {
                    Some(claim) => return Some(claim),
                    None => {
                        self.look_whether_it_was_cut();
                        continue;
                    }
                }
            }
            let former_until = self.former.as_ref().map(|(_, until)| *until);
            let gap_due = self.gap_due();
            tokio::select! {
                biased;
                Some(claim) = self.claims.recv() => return Some(claim),
                () = self.studio.shutdown.cancelled() => self.leave(),
                () = sleep_until(until) => self.time_is_up(),
                () = at(former_until) => self.forget_former(),
                () = at(gap_due) => self.list_gap(),
            }
        }
    }

    /// A slate, if there is to be one and somebody to see it.
    fn slate(&mut self) -> Option<Slate> {
        let file = self.studio.slate.clone().filter(|_| !self.no_slate)?;
        let State::Open { stage, .. } = &self.state else {
            return None;
        };
        if !stage.writer.has_shown() {
            return None;
        }
        let stream = StreamSettings {
            name: self.name.clone(),
            publish_key: Secret::default(),
            title: stage.live().title().map(str::to_owned),
        };
        let ffmpeg = &self.studio.transcode.ffmpeg;
        match Slate::start(ffmpeg, &file, &stage.layout, stream) {
            Ok(slate) => Some(slate),
            Err(error) => {
                tracing::warn!(stream = self.name, %error, "no slate: gaps are listed");
                self.no_slate = true;
                None
            }
        }
    }

    /// Shows a slate until the next publisher comes, or nobody is waited for any more.
    async fn show(&mut self, mut slate: Slate, until: Instant) -> Option<Claim> {
        let State::Open { stage, .. } = &self.state else {
            return None;
        };
        let live = Arc::clone(stage.live());
        let (_, nobody) = mpsc::channel(1);
        let mut claims = std::mem::replace(&mut self.claims, nobody);
        let shutdown = self.studio.shutdown.clone();
        let next = tokio::select! {
            biased;
            Some(claim) = claims.recv() => Some(claim),
            () = shutdown.cancelled() => None,
            () = sleep_until(until) => None,
            () = cut(&live) => None,
            () = self.show_source(&mut slate.claim) => None,
        };
        self.claims = claims;
        if let State::Open { stage, .. } = &mut self.state {
            stage
                .absence
                .get_or_insert_with(|| Absence::since(Instant::now()));
        }
        next
    }

    /// It has no end of its own but one by failure.
    async fn show_source(&mut self, claim: &mut Claim) {
        let mut intake = Intake::default();
        let shown = match self.meet(claim, &mut intake, None).await {
            Ok(Some(source)) => self.perform(claim, intake, source).await.map(drop),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        let error = shown.err().map(|error| error.to_string());
        tracing::warn!(
            stream = self.name,
            error,
            "the slate has ended: gaps are listed"
        );
        self.no_slate = true;
    }

    fn time_is_up(&mut self) {
        match &self.state {
            State::Open { .. } => {
                tracing::info!(stream = self.name, "the publisher did not come back");
                self.end();
            }
            State::Ended { live, .. } => {
                self.studio.catalog.remove(live);
                live.forget_former();
                self.studio.metrics.stream(&self.name).window_bytes.set(0);
                self.state = State::Empty;
            }
            State::Empty | State::Left => {}
        }
    }

    /// When a gap is to be listed, if nobody is on stage.
    fn gap_due(&self) -> Option<Instant> {
        match &self.state {
            State::Open { stage, .. } => stage.absence.map(|_| stage.gap_due(Instant::now())),
            _ => None,
        }
    }

    fn list_gap(&mut self) {
        let State::Open { stage, .. } = &mut self.state else {
            return;
        };
        if stage.live().is_cut() {
            return self.cut();
        }
        if let Err(error) = stage.list_gap() {
            tracing::error!(stream = self.name, %error, "a gap cannot be listed");
            self.end();
        }
    }

    fn look_whether_it_was_cut(&mut self) {
        if let State::Open { stage, .. } = &self.state
            && stage.live().is_cut()
        {
            self.cut();
        }
    }

    /// EXT-X-ENDLIST, and linger.
    fn end(&mut self) {
        let Some(mut stage) = self.take_stage() else {
            return;
        };
        // Before the last parts: whoever publishes next to this name is live before those are there.
        let started = stage.live().started_at();
        self.studio.herald.ended(&self.name, started);
        stage.end();
        tracing::info!(stream = self.name, "the stream has ended");
        self.state = State::Ended {
            live: Arc::clone(stage.live()),
            until: Instant::now() + self.studio.packaging.linger,
        };
    }

    /// Nothing of it is to be seen any more.
    fn cut(&mut self) {
        let Some(stage) = self.take_stage() else {
            return;
        };
        let started = stage.live().started_at();
        self.studio.herald.ended(&self.name, started);
        stage.live().cut();
        stage.leave(false);
        self.studio.catalog.remove(stage.live());
        stage.metrics.window_bytes.set(0);
        tracing::info!(stream = self.name, "the stream was cut");
    }

    /// The process ends. A stream that the next life can go on with does not end.
    fn leave(&mut self) {
        let is_open = matches!(self.state, State::Open { .. });
        if is_open && !self.studio.numbers.is_durable() {
            self.end();
        }
        if let Some(mut stage) = self.take_stage() {
            if let Err(error) = stage.close() {
                tracing::warn!(stream = self.name, %error, "the last segment is incomplete");
            }
            stage.leave(true);
            stage.live().leave();
            tracing::info!(stream = self.name, "the stream is left to the next process");
        }
        self.state = State::Left;
    }

    fn forget_former(&mut self) {
        self.former = None;
        if let State::Open { stage, .. } = &self.state {
            stage.live().forget_former();
        }
    }

    /// The stage is no longer open.
    fn take_stage(&mut self) -> Option<Box<Stage>> {
        match std::mem::replace(&mut self.state, State::Empty) {
            State::Open { stage, .. } => {
                stage.metrics.ended();
                Some(stage)
            }
            other => {
                self.state = other;
                None
            }
        }
    }
}

/// Until the stream is taken away from its viewers.
async fn cut(live: &LiveStream) {
    let Some(mut changes) = live.subscribe(0) else {
        return std::future::pending().await;
    };
    while !live.is_cut() {
        // It fails only when the stream has gone, and whoever holds it is here.
        if changes.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// At that time, if there is one.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn refuse(claim: &Claim, error: &BroadcastError) {
    tracing::warn!(stream = claim.stream.name, %error, "the broadcast is ended");
    claim.end(EndReason::from(error));
}
