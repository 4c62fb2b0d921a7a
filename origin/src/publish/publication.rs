//! The broadcaster's side of a claim.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rtmp::flv::VideoBody;
use tokio::sync::watch;

use super::Held;
use super::claim::EndReason;
use super::tag::{PublishedBody, PublishedTag, TagsIn};

/// A broadcaster's hold on its stream.
#[derive(Debug)]
pub struct Publication {
    pub(super) stream: String,
    pub(super) tags: TagsIn,
    pub(super) ended: watch::Receiver<Option<EndReason>>,
    pub(super) goodbye: Arc<AtomicBool>,
    pub(super) heard_ms: Arc<AtomicU64>,
    pub(super) shows: Arc<AtomicBool>,
    pub(super) held: Held,
}

impl Publication {
    /// The stream's name, for logs.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Hands media over. An error ends the connection.
    pub async fn send(&mut self, tag: PublishedTag) -> Result<(), EndReason> {
        if let Some(reason) = self.ended.borrow().clone() {
            return Err(reason);
        }
        let now_ms = self.held.shared.now_ms();
        self.heard_ms.store(now_ms, Ordering::Relaxed);
        if matches!(tag.body, PublishedBody::Video(VideoBody::Frame { .. })) {
            self.shows.store(true, Ordering::Relaxed);
        }
        if self.tags.send(tag).await {
            Ok(())
        } else {
            Err(self.reason())
        }
    }

    /// The broadcaster ended its stream: nobody is to wait for it.
    pub fn say_goodbye(self) {
        self.goodbye.store(true, Ordering::Release);
    }

    /// Waits until the stream is ended from this side; cancel-safe.
    pub async fn ended(&mut self) -> EndReason {
        loop {
            if let Some(reason) = self.ended.borrow_and_update().clone() {
                return reason;
            }
            if self.ended.changed().await.is_err() {
                return self.reason();
            }
        }
    }

    fn reason(&self) -> EndReason {
        let given = self.ended.borrow().clone();
        given.unwrap_or_else(|| EndReason::Internal("the stream has stopped".to_owned()))
    }
}
