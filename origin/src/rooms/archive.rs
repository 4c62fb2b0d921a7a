//! Stored chat, where the operator wants it: one writer beside the hubs, which never wait for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::RoomName;
use chat_archive::{Archive, ArchiveSettings, Erased, Error, KeyError, KeyFile};
use rooms::schema::{Body, Event};
use tokio::sync::{mpsc, oneshot};

use super::metrics::Metrics;
use crate::clock::unix_ms;

/// Batches that wait for the writer; more are not stored, and counted.
const BATCHES_MAX: usize = 4_096;
/// What was written is on disk after so long at the latest; acts of moderation at once.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// A batch that the disk did not take is tried again after so long; those behind it wait.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// So long the process waits for the writer at its end.
const END_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks at what has been kept long enough.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// The archive cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The keys.
    #[error("rooms.archive.keys_file: {0}")]
    Keys(#[from] KeyError),
    /// The directory, or what is in it.
    #[error("rooms.archive.directory: {0}")]
    Open(#[from] Error),
    /// The task that opens it.
    #[error("rooms.archive: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// To the writer.
#[derive(Debug)]
enum Job {
    Append {
        room: RoomName,
        epoch: u64,
        events: Vec<Arc<Event>>,
    },
    CloseRoom(RoomName),
    /// The end: everything is on disk before it is answered.
    End(oneshot::Sender<()>),
}

/// The way to the writer, and to what is stored. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Chronicle {
    archive: Archive,
    jobs: mpsc::Sender<Job>,
    metrics: Metrics,
}

impl Chronicle {
    /// Opens it; damaged files are reported and left alone.
    pub(super) async fn open(
        settings: ArchiveSettings,
        metrics: Metrics,
    ) -> Result<(Self, Writer), ArchiveError> {
        let opened = tokio::task::spawn_blocking(move || {
            let keys = KeyFile::load(&settings.keys_file)?;
            let opened = Archive::open(&settings.directory, keys, settings.options, unix_ms())?;
            Ok::<_, ArchiveError>(opened)
        });
        let (archive, report) = opened.await??;
        tracing::info!(?report, "the archive of chat is open");
        let (jobs, inbox) = mpsc::channel(BATCHES_MAX);
        let writer = Writer {
            archive: archive.clone(),
            inbox,
            metrics: metrics.clone(),
        };
        let chronicle = Self {
            archive,
            jobs,
            metrics,
        };
        Ok((chronicle, writer))
    }

    /// Stores what everybody was told. What waits for a moderator is not for the archive.
    pub(super) fn append(&self, room: &RoomName, epoch: u64, events: &[Arc<Event>]) {
        let kept = |event: &&Arc<Event>| !matches!(event.body, Body::Review(_) | Body::Void);
        let events: Vec<Arc<Event>> = events.iter().filter(kept).cloned().collect();
        if events.is_empty() {
            return;
        }
        let job = Job::Append {
            room: room.clone(),
            epoch,
            events,
        };
        if self.jobs.try_send(job).is_err() {
            self.metrics.archive_lost.inc();
        }
    }

    /// A room's hub has closed.
    pub(super) fn close_room(&self, room: &RoomName) {
        // If there is no place for it now, the file is closed with the process.
        drop(self.jobs.try_send(Job::CloseRoom(room.clone())));
    }

    /// The process ends: what was told is on disk when this returns.
    pub(super) async fn end(&self) {
        let (done, ended) = oneshot::channel();
        let ending = async {
            if self.jobs.send(Job::End(done)).await.is_ok() {
                // The writer may have gone; then there is nothing to wait for.
                drop(ended.await);
            }
        };
        if tokio::time::timeout(END_WITHIN, ending).await.is_err() {
            tracing::error!("the archive of chat does not take what is left: it is lost");
        }
    }

    /// Takes everything by a user away; durable when it returns.
    pub(super) async fn erase(&self, user: String) -> Result<Erased, String> {
        let archive = self.archive.clone();
        let done = tokio::task::spawn_blocking(move || archive.erase(&user, unix_ms())).await;
        match done {
            Ok(erased) => erased.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Everything by a user, as lines of JSON. The receiver ends early if something cannot be read;
    /// the last item says why.
    pub(super) fn export(&self, user: String) -> mpsc::Receiver<Result<Vec<u8>, String>> {
        let (lines, receiver) = mpsc::channel(64);
        let archive = self.archive.clone();
        tokio::task::spawn_blocking(move || {
            let export = match archive.export(&user) {
                Ok(export) => export,
                Err(error) => {
                    drop(lines.blocking_send(Err(error.to_string())));
                    return;
                }
            };
            for line in export {
                let line = line.map_err(|error| error.to_string());
                let is_over = line.is_err();
                if lines.blocking_send(line).is_err() || is_over {
                    return;
                }
            }
        });
        receiver
    }
}

/// How something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Well,
    /// The disk does not take it now.
    Later,
    /// It would go like this each time.
    Never,
}

/// The one that writes.
#[derive(Debug)]
pub(super) struct Writer {
    archive: Archive,
    inbox: mpsc::Receiver<Job>,
    metrics: Metrics,
}

impl Writer {
    /// Until all who could send have gone; then everything is on disk.
    pub(super) async fn run(mut self) {
        let mut swept_at = Instant::now();
        let mut sync_at: Option<Instant> = None;
        loop {
            let wait = sync_at.map_or(SYNC_EVERY, |at| {
                at.saturating_duration_since(Instant::now())
            });
            match tokio::time::timeout(wait, self.inbox.recv()).await {
                Ok(Some(Job::End(done))) => {
                    self.blocking("close", |archive| archive.close()).await;
                    // Whoever asked may have gone.
                    let _ = done.send(());
                    return;
                }
                Ok(Some(job)) => {
                    let is_act = matches!(&job, Job::Append { events, .. }
                        if events.iter().any(|event| matches!(event.body, Body::Moderation(_))));
                    self.work(job).await;
                    sync_at.get_or_insert_with(|| Instant::now() + SYNC_EVERY);
                    if is_act {
                        // An act that is lost brings back what it deleted.
                        sync_at = Some(Instant::now());
                    }
                }
                Ok(None) => break,
                Err(_) => {}
            }
            if sync_at.is_some_and(|at| at <= Instant::now()) {
                sync_at = None;
                self.blocking("sync", |archive| archive.sync()).await;
            }
            if swept_at.elapsed() >= SWEEP_EVERY {
                swept_at = Instant::now();
                self.blocking("sweep", |archive| {
                    let swept = archive.sweep(unix_ms());
                    tracing::info!(?swept, "the archive of chat was swept");
                    Ok(())
                })
                .await;
            }
        }
        self.blocking("close", |archive| archive.close()).await;
    }

    async fn work(&self, job: Job) {
        match job {
            Job::Append {
                room,
                epoch,
                events,
            } => {
                // An act that is left out brings back what it deleted: nothing is. The queue behind it is
                // bounded, and what it does not take is counted.
                let events: Arc<[Arc<Event>]> = events.into();
                loop {
                    let (room, events) = (room.clone(), Arc::clone(&events));
                    let append = move |archive: &Archive| {
                        archive.append(room.as_str(), epoch, &events).map(drop)
                    };
                    if self.blocking("append", append).await != Done::Later {
                        break;
                    }
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
            Job::End(_) => {}
            Job::CloseRoom(room) => {
                self.blocking("close a room", move |archive| {
                    archive.close_room(room.as_str())
                })
                .await;
            }
        }
    }

    async fn blocking(
        &self,
        what: &'static str,
        work: impl FnOnce(&Archive) -> Result<(), Error> + Send + 'static,
    ) -> Done {
        let archive = self.archive.clone();
        let done = tokio::task::spawn_blocking(move || work(&archive)).await;
        let failed = match done {
            Ok(Ok(())) => return Done::Well,
            Ok(Err(error)) => {
                let is_the_disk = matches!(error, Error::Full { .. } | Error::Io { .. });
                (error.to_string(), is_the_disk)
            }
            Err(error) => (error.to_string(), false),
        };
        let (failed, is_the_disk) = failed;
        self.metrics.archive_failed.inc();
        tracing::error!(what, error = failed, "the archive of chat");
        if is_the_disk {
            Done::Later
        } else {
            Done::Never
        }
    }
}
