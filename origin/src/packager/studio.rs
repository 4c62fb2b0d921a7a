//! What the tasks of all streams share, and which there are.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use channels::Begun;
use cmaf::VideoRange;
use parking_lot::Mutex;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::BroadcastError;
use super::intake::Source;
use super::plan::Plan;
use super::show::Show;
use super::wall_clock::WallClock;
use crate::config::{PackagingSettings, TranscodeSettings};
use crate::control::Herald;
use crate::metrics::Metrics;
use crate::numbers::Numbers;
use crate::publish::{Claim, EndReason};
use crate::thumbnails::Thumbnails;
use crate::transcode::{Abilities, Job, Jobs, ToneMapping};
use crate::window::Catalog;

/// Publishers that may wait to go on with one stream: each has taken over from the one before.
const CLAIMS_MAX: usize = 4;

/// What the tasks of all streams share.
#[derive(Clone, Debug)]
pub struct Studio {
    /// The ladder and its ffmpeg.
    pub transcode: TranscodeSettings,
    /// What its ffmpeg can do.
    pub abilities: Abilities,
    /// How many ladders may be made at once.
    pub jobs: Jobs,
    /// The window.
    pub packaging: PackagingSettings,
    /// Pictures to seek by.
    pub thumbnails: Thumbnails,
    /// Where streams are found.
    pub catalog: Catalog,
    /// What is counted.
    pub metrics: Metrics,
    /// Who is told that a stream is live, and that it no longer is.
    pub herald: Herald,
    /// Numbers that must not go back.
    pub numbers: Numbers,
    /// What dates are told by.
    pub wall_clock: WallClock,
    /// How long a stream waits for a publisher that vanished.
    pub reconnect_grace: Duration,
    /// What viewers see meanwhile; `None`: gaps.
    pub slate: Option<PathBuf>,
    /// Nothing lingers, or waits for a publisher, once this is cancelled.
    pub shutdown: CancellationToken,
    /// The tasks of shows.
    pub tasks: TaskTracker,
    /// Those that there are.
    pub shows: Shows,
}

/// The streams that have a task.
#[derive(Clone, Debug, Default)]
pub struct Shows(Arc<Mutex<HashMap<String, mpsc::Sender<Claim>>>>);

impl Shows {
    /// The end of a stream's task, unless a publisher has come at the last moment.
    pub(super) fn close(&self, name: &str, claims: &mut mpsc::Receiver<Claim>) -> Option<Claim> {
        let mut shows = self.0.lock();
        let claim = claims.try_recv().ok();
        if claim.is_none() {
            shows.remove(name);
        }
        claim
    }
}

impl Studio {
    /// Hands a publisher to its stream, which begins with it or goes on.
    pub fn begin(&self, claim: Claim) {
        let mut shows = self.shows.0.lock();
        let name = claim.stream.name.clone();
        self.numbers.published(&name, claim.begun.clone());
        let claim = match shows.get(&name) {
            None => claim,
            Some(show) => match show.try_send(claim) {
                Ok(()) => return,
                Err(TrySendError::Full(claim)) => {
                    let why = "too many publishers take over from one another";
                    return claim.end(EndReason::Internal(why.to_owned()));
                }
                // The lock is held whenever a show ends, so that none is found closed.
                Err(TrySendError::Closed(claim)) => claim,
            },
        };
        let (sender, claims) = mpsc::channel(CLAIMS_MAX);
        shows.insert(name.clone(), sender);
        let show = Show::new(self.clone(), name, claims);
        self.tasks.spawn(show.run(Some(claim)));
    }

    /// Makes up its mind how the colours of a source reach the rungs: before the plan.
    pub(super) async fn settle_tone_mapping(&mut self, stream: &str, source: &Source) {
        let transcode = &mut self.transcode;
        if source.video.range() == VideoRange::Sdr || transcode.tone_mapping == ToneMapping::Off {
            return;
        }
        let missing = self
            .abilities
            .missing_for_tone_mapping(&transcode.ffmpeg)
            .await;
        if !missing.is_empty() {
            transcode.tone_mapping = ToneMapping::Off;
            tracing::warn!(
                stream,
                ffmpeg = %transcode.ffmpeg.display(),
                ?missing,
                "the source is HDR, and this ffmpeg lacks filters to map tones: encoded renditions are HDR \
                 too, with eight bits, and look washed out on most screens"
            );
        }
    }

    /// The plan for a stream's first source, with the job that its encoders need. Without a free job the
    /// source plays as it is, or not at all.
    pub(super) fn plan(
        &self,
        stream: &str,
        source: &Source,
    ) -> Result<(Plan, Option<Job>), BroadcastError> {
        let plan = Plan::new(&self.transcode, self.packaging.latency, source)?;
        if plan.encode.is_none() {
            return Ok((plan, None));
        }
        if let Some(job) = self.jobs.take() {
            return Ok((plan, Some(job)));
        }
        let max = self.jobs.max();
        let alone = Plan::without_encoder(&self.transcode, self.packaging.latency, source)?;
        self.jobs.refused(alone.is_some());
        let Some(alone) = alone else {
            return Err(BroadcastError::NoJob { max });
        };
        tracing::warn!(
            stream,
            jobs_max = max,
            rendition = ?alone.names(),
            "no transcode job is free: the source is passed through alone, without a ladder"
        );
        Ok((alone, None))
    }

    /// The job that a stream has, or another.
    pub(super) fn job(&self, own: Option<Job>) -> Result<Job, BroadcastError> {
        own.or_else(|| self.jobs.take()).ok_or_else(|| {
            self.jobs.refused(false);
            let max = self.jobs.max();
            BroadcastError::NoJob { max }
        })
    }

    /// Goes on with the streams of another life of this process, if their publishers come back. Answers which
    /// wait for a key that is good for one broadcast, and how long.
    pub(crate) fn revive(&self) -> Vec<(String, Begun, Duration)> {
        let mut expected = Vec::new();
        let left_behind = self.numbers.left_behind(self.wall_clock.now());
        let mut shows = self.shows.0.lock();
        for (name, live, age) in left_behind {
            if age > self.reconnect_grace {
                self.numbers.give_up(&name);
                self.herald.ended(&name, live.started_at);
                continue;
            }
            let (sender, claims) = mpsc::channel(CLAIMS_MAX);
            let mut show = Show::new(self.clone(), name.clone(), claims);
            let begun = live.begun.clone();
            match show.revive(&name, live, age) {
                Ok(()) => {
                    let grace = self.reconnect_grace.saturating_sub(age);
                    expected.extend(begun.map(|begun| (name.clone(), begun, grace)));
                    shows.insert(name, sender);
                    self.tasks.spawn(show.run(None));
                }
                Err(error) => {
                    tracing::warn!(stream = name, %error, "a stream cannot be gone on with");
                }
            }
        }
        expected
    }
}
