//! Following one Media Playlist.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, ensure};
use hls::media::{self, MediaPlaylist};
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use crate::client::Client;

use super::buffer::Buffer;
use super::report::RenditionReport;
use super::resolve;
use super::timeline::{self, PlacedPart};

/// How many errors are described.
const ERRORS_DESCRIBED_MAX: usize = 10;

/// Pause after a reload that failed or brought nothing, so that a broken server is not hammered.
const RETRY_PAUSE: Duration = Duration::from_millis(300);

/// Parts that may wait to be loaded; a player further behind than this has lost the stream.
const QUEUE_PARTS_MAX: usize = 256;

/// A Part to load, and when it was first seen in the playlist.
struct Listed {
    part: PlacedPart,
    at: Instant,
    /// It was not there when the watch began.
    fresh: bool,
}

pub(super) async fn follow(
    client: &Client,
    path: &str,
    duration: Duration,
) -> anyhow::Result<RenditionReport> {
    let began = Instant::now();
    let deadline = tokio::time::Instant::now() + duration;
    let playlist = load(client, path, "").await?;
    let part_target = playlist.part_target.context("not a low-latency playlist")?;
    let hold_back = playlist
        .server_control
        .and_then(|control| control.part_hold_back)
        .context("no PART-HOLD-BACK")?;
    let (queue, to_load) = mpsc::channel(QUEUE_PARTS_MAX);
    let mut reloads = Reloads {
        client,
        path,
        report: RenditionReport {
            path: path.to_owned(),
            part_target_ms: millis(part_target),
            ..RenditionReport::default()
        },
        last: None,
        queue,
    };
    let loader = Loader {
        client,
        path,
        buffer: Buffer::new(hold_back, part_target),
        report: RenditionReport::default(),
        load_ms: Vec::new(),
    };
    let start = start_at(&playlist, hold_back);
    // The loader ends when the queue's sending half goes with `reloads`.
    let (report, loader) = tokio::join!(
        async move {
            reloads.run(playlist, start, deadline).await;
            reloads.report
        },
        loader.run(to_load)
    );
    Ok(merge(report, loader, began))
}

/// The first Part to play: the latest that leaves PART-HOLD-BACK to the end of the playlist.
fn start_at(playlist: &MediaPlaylist, hold_back: Duration) -> Option<(u64, usize)> {
    let mut behind = Duration::ZERO;
    let parts = timeline::parts(playlist);
    let mut start = None;
    for part in parts.iter().rev() {
        behind += part.duration;
        start = Some(part.at);
        if behind >= hold_back {
            break;
        }
    }
    start
}

async fn load(client: &Client, path: &str, query: &str) -> anyhow::Result<MediaPlaylist> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let target = if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}{separator}{query}")
    };
    let fetched = client.fetch(&target, &[]).await?;
    ensure!(fetched.status == 200, "{target}: status {}", fetched.status);
    if let Some(broken) = &fetched.broken {
        anyhow::bail!("{target}: {broken}");
    }
    media::parse(&fetched.text()).with_context(|| target)
}

/// The half that reloads the playlist and queues what is new.
struct Reloads<'a> {
    client: &'a Client,
    path: &'a str,
    report: RenditionReport,
    /// The last Part queued.
    last: Option<(u64, usize)>,
    queue: mpsc::Sender<Listed>,
}

impl Reloads<'_> {
    async fn run(
        &mut self,
        first: MediaPlaylist,
        start: Option<(u64, usize)>,
        deadline: tokio::time::Instant,
    ) {
        let mut playlist = first;
        self.enqueue(&playlist, start, false).await;
        while !playlist.end_list {
            let query = format!(
                "_HLS_msn={}&_HLS_part={}",
                playlist.open_msn().value(),
                playlist.open.parts.len()
            );
            let Ok(reloaded) = timeout_at(deadline, load(self.client, self.path, &query)).await
            else {
                return;
            };
            match reloaded {
                Ok(reloaded) => {
                    playlist = reloaded;
                    if self.enqueue(&playlist, None, true).await {
                        self.report.reloads += 1;
                        continue;
                    }
                    self.report.idle_reloads += 1;
                }
                Err(error) => note(&mut self.report, format!("{error:#}")),
            }
            tokio::time::sleep(RETRY_PAUSE).await;
            if tokio::time::Instant::now() >= deadline {
                return;
            }
        }
    }

    /// Queues the Parts after the last one queued; whether there were any.
    async fn enqueue(
        &mut self,
        playlist: &MediaPlaylist,
        start: Option<(u64, usize)>,
        fresh: bool,
    ) -> bool {
        let mut any = false;
        for part in timeline::parts(playlist) {
            let wanted = match self.last {
                Some(last) => part.at > last,
                None => start.is_none_or(|start| part.at >= start),
            };
            if !wanted {
                continue;
            }
            if let Some(last) = self.last
                && !follows(last, part.at)
            {
                self.report.missing += 1;
                let text = format!("after {last:?} the playlist goes on with {:?}", part.at);
                note(&mut self.report, text);
            }
            self.last = Some(part.at);
            self.report.discontinuities += usize::from(part.discontinuity);
            any = true;
            let listed = Listed {
                part,
                at: Instant::now(),
                fresh,
            };
            if self.queue.send(listed).await.is_err() {
                return any;
            }
        }
        any
    }
}

/// Whether `next` can be the Part after `last`: the next index, or the first of the next Segment.
fn follows(last: (u64, usize), next: (u64, usize)) -> bool {
    next == (last.0, last.1 + 1) || next == (last.0 + 1, 0)
}

/// The half that loads Parts, in order.
struct Loader<'a> {
    client: &'a Client,
    path: &'a str,
    buffer: Buffer,
    report: RenditionReport,
    load_ms: Vec<u64>,
}

impl Loader<'_> {
    async fn run(mut self, mut to_load: mpsc::Receiver<Listed>) -> Self {
        while let Some(Listed { part, at, fresh }) = to_load.recv().await {
            if part.gap {
                self.report.gaps += 1;
                continue;
            }
            match self.load(&part).await {
                Ok(bytes) => {
                    self.report.parts += 1;
                    self.report.bytes += bytes;
                    self.load_ms.push(millis(at.elapsed()));
                    self.buffer.add(part.duration, Instant::now());
                    if let Some(ends_at) = part.ends_at {
                        let latency = unix_millis() - ends_at;
                        self.report.latencies_ms.push(latency);
                        if fresh {
                            self.report.fresh_latencies_ms.push(latency);
                        }
                    }
                }
                Err(error) => {
                    self.report.missing += 1;
                    note(&mut self.report, format!("{error:#}"));
                }
            }
        }
        self.buffer.advance(Instant::now());
        self
    }

    async fn load(&self, part: &PlacedPart) -> anyhow::Result<u64> {
        let path = resolve(self.path, &part.uri);
        let fetched = self.client.fetch(&path, &[]).await?;
        ensure!(fetched.status == 200, "{path}: status {}", fetched.status);
        if let Some(broken) = &fetched.broken {
            anyhow::bail!("{path}: {broken}");
        }
        Ok(fetched.body.len() as u64)
    }
}

fn merge(reloads: RenditionReport, loader: Loader<'_>, began: Instant) -> RenditionReport {
    let Loader {
        buffer,
        report: loaded,
        load_ms,
        ..
    } = loader;
    let mut report = RenditionReport {
        parts: loaded.parts,
        bytes: loaded.bytes,
        gaps: loaded.gaps,
        missing: reloads.missing + loaded.missing,
        latencies_ms: loaded.latencies_ms,
        fresh_latencies_ms: loaded.fresh_latencies_ms,
        startup_ms: buffer.began().map(|at| millis(at - began)),
        stalls: buffer.stalls(),
        stalled_ms: millis(buffer.stalled_for(Instant::now())),
        ..reloads
    };
    report.errors.extend(loaded.errors);
    report.conclude(load_ms);
    report
}

fn note(report: &mut RenditionReport, error: String) {
    if report.errors.len() < ERRORS_DESCRIBED_MAX {
        report.errors.push(error);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn unix_millis() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}
