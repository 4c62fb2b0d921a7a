//! One task per broadcast: ties ingest, transcoder, packager and window together.
//!
//! ```text
//!  tags -> intake -> probe, then a plan: which renditions, which grid
//!                 -> aligner <- transcoder        no rendition far ahead of another
//!                      -> cmaf::Packager -> writer -> window::LiveStream
//! ```
//!
//! Nothing in the loop waits for anything but its next event, so ingest is never blocked by
//! ffmpeg, nor by viewers.

mod align;
mod intake;
mod plan;
mod writer;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cmaf::{MediaTime, PackageError, Packager, Sample, TrackConfig, TrackId, VideoConfig};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::config::{PackagingSettings, TranscodeSettings};
use crate::control::Herald;
use crate::metrics::{Metrics, StreamMetrics};
use crate::publish::{Claim, EndReason, PublishedBody, PublishedTag};
use crate::transcode::{Job, Jobs, RungCodec, SpawnError, TranscodeEvent, Transcoder};
use crate::window::Catalog;

pub use intake::IntakeError;
pub use plan::PlanError;
pub use writer::WriteError;

use align::{Aligned, Aligner};
use intake::{Intake, Media, Source, video_sample};
use plan::Plan;
use writer::Writer;

/// A publisher without a picture is not waited for longer.
const FIRST_PICTURE_TIMEOUT: Duration = Duration::from_secs(15);
/// At the end ffmpeg has this long to give what it has.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// What every broadcast's task shares.
#[derive(Clone, Debug)]
pub struct Studio {
    /// The ladder and its ffmpeg.
    pub transcode: TranscodeSettings,
    /// How many ladders may be made at once.
    pub jobs: Jobs,
    /// The window.
    pub packaging: PackagingSettings,
    /// Where streams are found.
    pub catalog: Catalog,
    /// What is counted.
    pub metrics: Metrics,
    /// Who is told that a stream is live, and that it no longer is.
    pub herald: Herald,
    /// Nothing lingers once this is cancelled.
    pub shutdown: CancellationToken,
}

/// Why a broadcast was ended from this side.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BroadcastError {
    /// What is sent cannot be taken.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// As many ladders are made as there may be, and this source has to be encoded.
    #[error(
        "all {max} transcode jobs of this server are taken, and without one the source cannot be \
         played: send H.264 with a keyframe every 1 or 2 s, or try again later"
    )]
    NoJob {
        /// How many there are.
        max: usize,
    },
    /// No picture came.
    #[error("no picture in {} s", FIRST_PICTURE_TIMEOUT.as_secs())]
    NoPicture,
    /// The packager failed.
    #[error("packaging failed: {0}")]
    Package(#[from] PackageError),
    /// No renditions, or no grid, for this source.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// ffmpeg could not be run at all.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// ffmpeg gives nothing.
    #[error("the transcoder gives nothing: {0}")]
    Transcode(String),
    /// ffmpeg gives what cannot be used.
    #[error("the transcoder's output cannot be used: {0}")]
    TranscodeOutput(String),
    /// The window failed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<&BroadcastError> for EndReason {
    fn from(error: &BroadcastError) -> Self {
        match error {
            BroadcastError::Intake(_)
            | BroadcastError::NoJob { .. }
            | BroadcastError::NoPicture
            | BroadcastError::Plan(_) => Self::Refused(error.to_string()),
            BroadcastError::Package(_)
            | BroadcastError::Spawn(_)
            | BroadcastError::Transcode(_)
            | BroadcastError::TranscodeOutput(_)
            | BroadcastError::Write(_) => Self::Internal(error.to_string()),
        }
    }
}

impl Studio {
    /// Runs one broadcast until its publisher has gone and its stream has lingered.
    pub async fn run(self, mut claim: Claim) {
        let name = claim.stream.name.clone();
        let metrics = self.metrics.stream(&name);
        let mut intake = Intake::default();
        let source = match self.meet(&mut claim, &mut intake, &metrics).await {
            Ok(Some(source)) => source,
            Ok(None) => {
                tracing::info!(
                    stream = name,
                    "the publisher left before there was a picture"
                );
                return;
            }
            Err(error) => return refuse(&claim, &error),
        };
        let mut broadcast = match Broadcast::new(&self, &claim, intake, source, metrics) {
            Ok(broadcast) => broadcast,
            Err(error) => return refuse(&claim, &error),
        };
        let live = Arc::clone(broadcast.writer.stream());
        self.catalog.insert(Arc::clone(&live));
        broadcast.metrics.started();
        let started = live.info().started_at;
        self.herald.live(&name, started);
        if let Err(error) = broadcast.drive(&mut claim).await {
            tracing::warn!(stream = name, %error, "the broadcast is ended");
            claim.end(EndReason::from(&error));
        }
        // Before its last parts: whoever publishes next to this name does so from now on, and is live
        // before those are there.
        self.herald.ended(&name, started);
        let is_cut = claim.is_cut();
        if is_cut {
            live.cut();
        } else {
            broadcast.finish().await;
        }
        broadcast.metrics.ended();
        tracing::info!(stream = name, is_cut, "the stream has ended");
        drop(claim);
        tokio::select! {
            () = tokio::time::sleep(self.packaging.linger), if !is_cut => {}
            () = self.shutdown.cancelled(), if !is_cut => return,
            else => {}
        }
        self.catalog.remove(&live);
        broadcast.metrics.window_bytes.set(0);
    }

    /// Reads until the source is known; `None` if the publisher left before.
    async fn meet(
        &self,
        claim: &mut Claim,
        intake: &mut Intake,
        metrics: &StreamMetrics,
    ) -> Result<Option<Source>, BroadcastError> {
        let deadline = Instant::now() + FIRST_PICTURE_TIMEOUT;
        loop {
            let Ok(tag) = timeout_at(deadline, claim.tags.recv()).await else {
                return Err(BroadcastError::NoPicture);
            };
            let Some(tag) = tag else {
                return Ok(None);
            };
            count_bytes(metrics, &tag);
            if let Some(media) = intake.read(tag, Instant::now(), SystemTime::now())? {
                intake.keep(media)?;
            }
            if let Some(source) = intake.source() {
                return Ok(Some(source));
            }
        }
    }
}

fn refuse(claim: &Claim, error: &BroadcastError) {
    tracing::warn!(stream = claim.stream.name, %error, "the broadcast is refused");
    claim.end(EndReason::from(error));
}

fn count_bytes(metrics: &StreamMetrics, tag: &PublishedTag) {
    use rtmp::flv::{AudioBody, VideoBody};
    let bytes = match &tag.body {
        PublishedBody::Audio(AudioBody::Frame(data))
        | PublishedBody::Video(VideoBody::Frame { data, .. }) => data.len(),
        _ => 0,
    };
    metrics
        .ingest_bytes
        .inc_by(u64::try_from(bytes).unwrap_or(0));
}

/// A broadcast that is being packaged.
#[derive(Debug)]
struct Broadcast {
    plan: Plan,
    intake: Intake,
    backlog: Vec<Media>,
    transcoder: Option<Transcoder>,
    aligner: Aligner,
    packager: Packager,
    writer: Writer,
    metrics: StreamMetrics,
    /// The first keyframe has been given to the packager.
    begun: bool,
    audio_ignored: bool,
}

impl Broadcast {
    fn new(
        studio: &Studio,
        claim: &Claim,
        intake: Intake,
        source: Source,
        metrics: StreamMetrics,
    ) -> Result<Self, BroadcastError> {
        let (plan, job) = plan(studio, &claim.stream.name, &source)?;
        let leader = TrackId(plan.leader_track());
        let packager = Packager::led_by(leader, &plan.grid, plan.tracks(&source))?;
        let writer = Writer::new(studio, &claim.stream, &plan, &source, metrics.clone())?;
        let transcoder = plan.encode.clone().zip(job).map(|(spec, job)| {
            Transcoder::new(
                studio.transcode.clone(),
                spec,
                source.avcc.clone(),
                &claim.stream.name,
                metrics.transcode(),
                job,
            )
        });
        tracing::info!(
            stream = claim.stream.name,
            width = source.video.width(),
            height = source.video.height(),
            frame_rate = %plan.frames_per_second(),
            passthrough = ?source.report.passthrough,
            renditions = ?plan.names(),
            part_target = ?plan.grid.part_target,
            "the stream starts"
        );
        Ok(Self {
            aligner: Aligner::new(plan.roles()),
            plan,
            intake,
            backlog: source.backlog,
            transcoder,
            packager,
            writer,
            metrics,
            begun: false,
            audio_ignored: false,
        })
    }

    /// Until the publisher leaves, or is told to.
    async fn drive(&mut self, claim: &mut Claim) -> Result<(), BroadcastError> {
        for media in std::mem::take(&mut self.backlog) {
            self.take(media);
        }
        self.pump()?;
        let mut ended = pin!(claim.ended());
        loop {
            let transcoder = self.transcoder.as_mut();
            tokio::select! {
                tag = claim.tags.recv() => {
                    let Some(tag) = tag else { return Ok(()) };
                    count_bytes(&self.metrics, &tag);
                    if let Some(media) = self.intake.read(tag, Instant::now(), SystemTime::now())? {
                        self.take(media);
                    }
                }
                event = next_event(transcoder) => self.handle(event)?,
                () = &mut ended => return Ok(()),
            }
            self.pump()?;
        }
    }

    /// Everything that is still somewhere, then EXT-X-ENDLIST.
    async fn finish(&mut self) {
        if let Err(error) = self.flush().await {
            tracing::warn!(%error, "the end of a broadcast is incomplete");
        }
        self.writer.end();
    }

    async fn flush(&mut self) -> Result<(), BroadcastError> {
        if let Some(transcoder) = &mut self.transcoder {
            transcoder.finish();
        }
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        while let Some(transcoder) = &mut self.transcoder
            && transcoder.is_running()
        {
            let left = deadline.saturating_duration_since(Instant::now());
            match timeout(left, transcoder.next()).await {
                Ok(TranscodeEvent::Lost { .. } | TranscodeEvent::GaveUp { .. }) | Err(_) => break,
                Ok(event) => self.handle(event)?,
            }
            self.pump()?;
        }
        self.transcoder = None;
        while let Some(aligned) = self.aligner.pop_rest() {
            self.package(aligned)?;
        }
        self.packager.end()?;
        self.write()
    }

    fn take(&mut self, media: Media) {
        match media {
            Media::Audio { dts_ms, data } => match self.plan.audio_track() {
                Some(track) => {
                    let sample = Sample::audio(MediaTime::from_millis(dts_ms), data);
                    self.aligner.push(track, sample);
                }
                None if !self.audio_ignored => {
                    self.audio_ignored = true;
                    tracing::warn!("audio that began after the first pictures is left out");
                }
                None => {}
            },
            Media::Video { frame, arrival } => {
                self.writer.arrived(&frame, arrival);
                if let Some(track) = self.plan.passthrough_track() {
                    self.aligner.push(track, video_sample(&frame));
                }
                if let Some(transcoder) = &mut self.transcoder {
                    transcoder.push(&frame);
                    if let Some(at_ms) = transcoder.hands_over_at() {
                        self.aligner.hold(MediaTime::from_millis(at_ms));
                    }
                }
            }
        }
    }

    fn handle(&mut self, event: TranscodeEvent) -> Result<(), BroadcastError> {
        match event {
            TranscodeEvent::Configuration {
                rung,
                codec,
                record,
            } => {
                let config = rung_config(codec, record)?;
                let track = self.plan.encoded_track(rung);
                let config = TrackConfig::Video(config);
                self.writer.configured(track, &config);
                self.packager.configure(TrackId(track), config)?;
                self.write()
            }
            TranscodeEvent::Frame { rung, frame } => {
                let sample = Sample::video(
                    MediaTime::from_millis(frame.dts_ms),
                    MediaTime::from_millis(i64::from(frame.composition_ms)),
                    frame.keyframe,
                    frame.data,
                );
                self.aligner.push(self.plan.encoded_track(rung), sample);
                Ok(())
            }
            TranscodeEvent::HandedOver => {
                while let Some(aligned) = self.aligner.pop_rest() {
                    self.package(aligned)?;
                }
                self.restart(None)
            }
            TranscodeEvent::Lost { reason } => {
                let resume_ms = self.resume_ms();
                tracing::warn!(reason, resume_ms, "ffmpeg has gone; starting another");
                self.restart(resume_ms)
            }
            TranscodeEvent::GaveUp { reason } => Err(BroadcastError::Transcode(reason)),
        }
    }

    /// Another child makes the encoded renditions, or those of them that are not shed. The others
    /// are listed as gaps, so that players go elsewhere, and nobody waits for them.
    fn restart(&mut self, resume_ms: Option<i64>) -> Result<(), BroadcastError> {
        let Some(transcoder) = &mut self.transcoder else {
            return Ok(());
        };
        transcoder.restart(resume_ms);
        let made_from = self.plan.encoded_track(transcoder.shed());
        self.aligner.lose(self.plan.encoded_tracks());
        for track in self.plan.encoded_tracks() {
            let shed = track < made_from;
            self.aligner.set_absent(track, shed);
            if track != self.plan.leader_track() {
                self.packager.suspend(TrackId(track), shed)?;
            }
        }
        self.writer.collect(&mut self.packager);
        Ok(())
    }

    /// Where a new child begins to encode: right after what was shown, unless the source itself
    /// is a rendition, which can only go on at a keyframe of its own.
    fn resume_ms(&self) -> Option<i64> {
        if self.plan.passthrough_track().is_some() {
            return None;
        }
        let released = self.aligner.released()?;
        Some(
            released
                .ticks()
                .div_euclid(MediaTime::from_millis(1).ticks())
                + 1,
        )
    }

    /// Moves on whatever can move.
    fn pump(&mut self) -> Result<(), BroadcastError> {
        while let Some(aligned) = self.aligner.pop() {
            self.package(aligned)?;
        }
        self.write()
    }

    fn package(&mut self, aligned: Aligned) -> Result<(), BroadcastError> {
        match aligned {
            Aligned::Discontinuity if self.begun => self.packager.discontinuity()?,
            Aligned::Discontinuity => self.begun = true,
            Aligned::Sample(track, sample) => {
                if track == self.plan.leader_track() {
                    self.writer.leads(&sample);
                }
                self.packager.push(TrackId(track), sample)?;
            }
        }
        self.writer.collect(&mut self.packager);
        Ok(())
    }

    fn write(&mut self) -> Result<(), BroadcastError> {
        self.writer.collect(&mut self.packager);
        Ok(self.writer.write(|track| self.aligner.delay(track))?)
    }
}

/// A rung's configuration for the packager.
fn rung_config(codec: RungCodec, record: Bytes) -> Result<VideoConfig, BroadcastError> {
    let unusable = |error: cmaf::AvccError| BroadcastError::TranscodeOutput(error.to_string());
    match codec {
        RungCodec::H264 => VideoConfig::from_avcc(record).map_err(unusable),
        // JOIN: hvc1 and av01 go in here, from `record` (hvcC, av1C).
        RungCodec::Av1 | RungCodec::Hevc => Err(BroadcastError::TranscodeOutput(format!(
            "{codec:?} rungs cannot be packaged yet"
        ))),
    }
}

/// The plan, with the job that its encoders need. Without a free job the source plays as it is, or
/// not at all.
fn plan(
    studio: &Studio,
    stream: &str,
    source: &Source,
) -> Result<(Plan, Option<Job>), BroadcastError> {
    let plan = Plan::new(&studio.transcode, source)?;
    if plan.encode.is_none() {
        return Ok((plan, None));
    }
    if let Some(job) = studio.jobs.take() {
        return Ok((plan, Some(job)));
    }
    let max = studio.jobs.max();
    let alone = Plan::without_encoder(&studio.transcode, source)?;
    studio.jobs.refused(alone.is_some());
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

async fn next_event(transcoder: Option<&mut Transcoder>) -> TranscodeEvent {
    match transcoder {
        Some(transcoder) => transcoder.next().await,
        None => std::future::pending().await,
    }
}
