//! Pictures to seek by: one task per stream that takes a keyframe every so often and has ffmpeg tile them.
//!
//! It only reads what the window holds. Whatever goes wrong here is counted and logged, and the stream
//! knows nothing of it.

mod job;
mod tiler;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::config::ThumbnailSettings;
use crate::metrics::StreamMetrics;
use crate::window::LiveStream;

use job::Job;
use tiler::{Taken, Tiler};

/// Jobs at once, all streams together: they come when they come, and never beside each other.
const JOBS_MAX: usize = 1;

/// Makes the pictures of all streams. Clones share it.
#[derive(Clone, Debug)]
pub struct Thumbnails {
    settings: Option<ThumbnailSettings>,
    ffmpeg: PathBuf,
    jobs: Arc<Semaphore>,
}

impl Thumbnails {
    /// With this ffmpeg; without settings there are no pictures.
    pub fn new(settings: Option<ThumbnailSettings>, ffmpeg: PathBuf) -> Self {
        Self {
            settings,
            ffmpeg,
            jobs: Arc::new(Semaphore::new(JOBS_MAX)),
        }
    }

    /// Follows a stream until it ends.
    pub fn follow(&self, live: Arc<LiveStream>, metrics: StreamMetrics) {
        let Some(settings) = self.settings else {
            return;
        };
        let own = self.clone();
        tokio::spawn(async move {
            own.run(settings, &live, &metrics).await;
            live.close_images(true);
        });
    }

    async fn run(&self, settings: ThumbnailSettings, live: &LiveStream, metrics: &StreamMetrics) {
        let changes = live.images_rendition();
        let Some(mut changes) = changes.and_then(|rendition| live.subscribe(rendition)) else {
            return;
        };
        let mut tiler = Tiler::new(settings);
        let mut is_failing = false;
        while changes.changed().await.is_ok() {
            if live.is_cut() || live.is_left() || live.is_ended() {
                return;
            }
            let Some(keyframe) = live.newest_keyframe() else {
                continue;
            };
            let source = live.source();
            let size = settings.size(source.width, source.height);
            let Some(taken) = tiler.take(keyframe, size) else {
                continue;
            };
            let made = self.make(&taken, live).await;
            if let Err(error) = &made {
                metrics.packaging_event("thumbnail_failed");
                if !is_failing {
                    tracing::warn!(stream = live.name(), %error, "no picture to seek by");
                }
            }
            is_failing = made.is_err();
        }
    }

    async fn make(&self, taken: &Taken, live: &LiveStream) -> Result<(), job::JobError> {
        if taken.closes {
            live.close_images(false);
        }
        // It is never closed.
        let _permit = self.jobs.acquire().await;
        let job = Job {
            ffmpeg: &self.ffmpeg,
            tile: &taken.tile,
        };
        let jpeg = job.run(&taken.input).await?;
        live.put_image(taken.tile.clone(), jpeg, taken.is_complete);
        Ok(())
    }
}
