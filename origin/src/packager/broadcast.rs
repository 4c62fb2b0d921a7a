//! One publisher's media on its way to the stage.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use cmaf::{MediaTime, Sample, TrackConfig, TrackId, VideoConfig};
use rtmp::flv::VideoCodec;
use tokio::time::{Instant, timeout};

use super::align::{Aligned, Aligner};
use super::intake::{Intake, IntakeError, Media, Source, video_config, video_sample};
use super::plan::Plan;
use super::stage::{Absence, Stage};
use super::{BroadcastError, Studio};
use crate::health::SourceInfo;
use crate::metrics::StreamMetrics;
use crate::publish::{Claim, PublishedBody, PublishedTag};
use crate::transcode::{Job, RungCodec, TranscodeEvent, Transcoder};

/// A publisher that is connected, and gives nothing to show for so long, is absent to its viewers. Shorter
/// silences are left to their players' buffers: what comes late is shown late, and nothing is lost.
const SILENCE_MAX: Duration = Duration::from_secs(4);
/// What a network held back while gaps were listed for it is not shown late: it comes in a heap, which has so long
/// to come. Then it is no heap: the source stood still.
const HEAP_MAX: Duration = Duration::from_secs(5);
/// At the end ffmpeg has this long to give what it has.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) fn count_bytes(metrics: &StreamMetrics, tag: &PublishedTag) {
    let bytes = match &tag.body {
        PublishedBody::Audio(body) => body.payload_bytes(),
        PublishedBody::Video(body) => body.payload_bytes(),
    };
    metrics
        .ingest_bytes
        .inc_by(u64::try_from(bytes).unwrap_or(0));
}

fn source_info(plan: &Plan, source: &Source) -> SourceInfo {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let renditions = plan.names();
    SourceInfo {
        video_codec: source.video.codec(),
        audio_codec: source.audio.as_ref().map(|audio| audio.codec().to_owned()),
        width: source.video.width().into(),
        height: source.video.height().into(),
        rungs: names(renditions.get(plan.encoded_tracks()).unwrap_or_default()),
        renditions: names(&renditions),
    }
}

/// Why a publisher has to be looked at anew.
#[derive(Debug)]
pub(super) enum Renewal {
    /// It goes on with another configuration.
    Header(PublishedTag),
    /// It is not the source that it was taken for.
    Mistaken,
}

impl std::fmt::Display for Renewal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Header(_) => "goes on with another configuration",
            Self::Mistaken => "is not the source that was here before: it is looked at anew",
        })
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Broadcast<'a> {
    stage: &'a mut Stage,
    plan: Plan,
    pub(super) intake: Intake,
    backlog: Vec<Media>,
    transcoder: Option<Transcoder>,
    aligner: Aligner,
    metrics: StreamMetrics,
    /// The first keyframe has been given to the packager.
    begun: bool,
    audio_ignored: bool,
    /// When the leader gave something to show last.
    led_at: Instant,
    /// Since when what comes is past.
    heap_since: Option<Instant>,
}

impl<'a> Broadcast<'a> {
    /// The stage has been set for the plan.
    pub(super) fn new(
        studio: &Studio,
        stage: &'a mut Stage,
        plan: Plan,
        intake: Intake,
        source: Source,
        job: Option<Job>,
    ) -> Self {
        let metrics = stage.metrics.clone();
        let name = stage.live().name();
        let transcoder = plan.encode.clone().zip(job).map(|(spec, job)| {
            Transcoder::new(
                studio.transcode.clone(),
                spec,
                &source.video,
                name,
                metrics.transcode(),
                job,
            )
        });
        if let Some(reason) = &source.alone {
            tracing::warn!(
                stream = name,
                reason,
                "of several video tracks only track 0 is used"
            );
        }
        // From here on nothing fails: whoever runs this says when it has ended.
        metrics.health.packaged(source_info(&plan, &source));
        tracing::info!(
            stream = name,
            width = source.video.width(),
            height = source.video.height(),
            frame_rate = %plan.frames_per_second(),
            passthrough = ?source.report.passthrough,
            renditions = ?plan.names(),
            part_target = ?plan.grid.part_target,
            "the source is known"
        );
        Self {
            stage,
            aligner: Aligner::new(plan.roles()),
            plan,
            intake,
            backlog: source.backlog,
            transcoder,
            metrics,
            begun: false,
            audio_ignored: false,
            led_at: Instant::now(),
            heap_since: None,
        }
    }

    /// Until the publisher leaves, is told to, or has to be looked at anew.
    pub(super) async fn drive(
        &mut self,
        claim: &mut Claim,
    ) -> Result<Option<Renewal>, BroadcastError> {
        for media in std::mem::take(&mut self.backlog) {
            self.take(media);
        }
        self.pump()?;
        let mut ended = pin!(claim.ended());
        loop {
            let transcoder = self.transcoder.as_mut();
            let gap_due = self.stage.gap_due(self.led_at + SILENCE_MAX);
            tokio::select! {
                tag = claim.tags.recv() => {
                    let Some(tag) = tag else { return Ok(None) };
                    if let Some(renewal) = self.read(tag)? {
                        return Ok(Some(renewal));
                    }
                }
                event = next_event(transcoder) => self.handle(event)?,
                () = tokio::time::sleep_until(gap_due) => self.gap()?,
                () = &mut ended => return Ok(None),
            }
            self.pump()?;
        }
    }

    /// Takes a tag.
    fn read(&mut self, tag: PublishedTag) -> Result<Option<Renewal>, BroadcastError> {
        count_bytes(&self.metrics, &tag);
        let header = tag.is_header().then(|| tag.clone());
        match self.intake.read(tag, self.stage.wall_clock.now()) {
            Ok(media) => {
                if let Some(by_ms) = self.intake.take_leap() {
                    self.metrics.packaging_event("source_clock_leap");
                    let stream = self.stage.live().name();
                    tracing::warn!(stream, by_ms, "the publisher's clock was set; time goes on");
                }
                let Some(media) = media else {
                    return Ok(None);
                };
                if !self.intake.is_as_taken(&media) {
                    return Ok(Some(Renewal::Mistaken));
                }
                self.take(media);
                Ok(None)
            }
            Err(error @ IntakeError::ConfigurationChanged(_)) => match header {
                Some(header) => Ok(Some(Renewal::Header(header))),
                None => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// The publisher is silent, though connected: viewers are told that there is nothing.
    fn gap(&mut self) -> Result<(), BroadcastError> {
        if self.stage.absence.is_none() {
            tracing::warn!(
                stream = self.stage.live().name(),
                "the publisher sends nothing that can be shown: gaps are listed"
            );
            self.stage.absence = Some(Absence::since(self.led_at));
        }
        self.stage.list_gap()
    }

    /// Everything that is still somewhere.
    pub(super) async fn finish(&mut self) {
        if let Err(error) = self.flush().await {
            tracing::warn!(%error, "the end of a broadcast is incomplete");
        }
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
        self.stage.packager.discontinuity()?;
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
            Media::Video {
                track: number,
                frame,
                arrival,
            } => {
                if let Some(track) = self.plan.source_track(number) {
                    self.aligner.push(track, video_sample(&frame));
                }
                // ffmpeg, and who measures the way of a picture, see the first track.
                if number != 0 {
                    return;
                }
                self.stage.writer.arrived(&frame, arrival);
                self.metrics.health.taken(frame.dts_ms);
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
                self.stage.writer.configured(track, &config);
                self.stage.packager.configure(TrackId(track), config)?;
                self.write()
            }
            TranscodeEvent::Frame { rung, frame } => {
                self.metrics.health.made(rung, frame.dts_ms);
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
                self.stage.packager.suspend(TrackId(track), shed)?;
            }
        }
        self.stage.writer.collect(&mut self.stage.packager);
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
            Aligned::Discontinuity if self.begun => self.stage.packager.discontinuity()?,
            Aligned::Discontinuity => self.begun = true,
            Aligned::Sample(track, sample) => {
                if track == self.plan.leader_track() && self.is_heap(&sample) {
                    return Ok(());
                }
                self.stage.packager.push(TrackId(track), sample)?;
                if track == self.plan.leader_track() && self.stage.packager.is_running() {
                    // Not only once a part is whole: a gap listed meanwhile would end it, and all after it.
                    self.led_at = Instant::now();
                    self.stage.absence = None;
                }
            }
        }
        self.stage.writer.collect(&mut self.stage.packager);
        Ok(())
    }

    /// Whether a picture belongs where gaps are listed already: the next keyframe that does not is shown.
    fn is_heap(&mut self, sample: &Sample) -> bool {
        let absent = self.stage.absence.is_some() && !self.stage.packager.is_running();
        if !absent || !self.stage.writer.is_past(sample.dts) {
            self.heap_since = None;
            return false;
        }
        let now = Instant::now();
        now.saturating_duration_since(*self.heap_since.get_or_insert(now)) < HEAP_MAX
    }

    fn write(&mut self) -> Result<(), BroadcastError> {
        self.stage.writer.collect(&mut self.stage.packager);
        self.stage.write(|track| self.aligner.delay(track))
    }
}

/// A rung's configuration for the packager.
fn rung_config(codec: RungCodec, record: Bytes) -> Result<VideoConfig, BroadcastError> {
    let codec = match codec {
        RungCodec::Av1 => VideoCodec::Av1,
        RungCodec::H264 => VideoCodec::Avc,
        RungCodec::Hevc => VideoCodec::Hevc,
    };
    video_config(codec, record).map_err(BroadcastError::TranscodeOutput)
}

async fn next_event(transcoder: Option<&mut Transcoder>) -> TranscodeEvent {
    match transcoder {
        Some(transcoder) => transcoder.next().await,
        None => std::future::pending().await,
    }
}
