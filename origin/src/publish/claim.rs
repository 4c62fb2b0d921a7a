//! The stream's side of a claim: media, and the word that ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use channels::Begun;
use tokio::sync::watch;

use super::tag::{self, Tags, TagsIn};
use crate::config::StreamSettings;

/// Why a stream was ended from this side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndReason {
    /// The origin is shutting down.
    #[error("the server is shutting down")]
    Draining,
    /// Something failed here.
    #[error("{0}")]
    Internal(String),
    /// What the broadcaster sends cannot be taken.
    #[error("{0}")]
    Refused(String),
    /// The room was stopped: nothing of the stream is to be seen any more.
    #[error("{0}")]
    Stopped(String),
    /// Somebody else publishes with the same key, and the setting `publish.second_publisher` is for them.
    #[error("another publisher has taken the stream over")]
    TakenOver,
}

/// The stream's side of a claim: what [`crate::packager`] reads from.
#[derive(Debug)]
pub struct Claim {
    /// Which stream.
    pub stream: StreamSettings,
    /// What its key comes back with, if that is good for one broadcast.
    pub(crate) begun: Option<Begun>,
    /// The media.
    pub tags: Tags,
    /// To tell the publisher why the stream ended; see [`Claim::end`].
    pub(super) verdict: watch::Sender<Option<EndReason>>,
    pub(super) goodbye: Arc<AtomicBool>,
}

impl Claim {
    /// A publisher within this process, who has claimed nothing and is told nothing.
    pub(crate) fn internal(stream: StreamSettings) -> (Self, TagsIn) {
        let (sender, tags) = tag::queue();
        let claim = Self {
            stream,
            begun: None,
            tags,
            verdict: watch::channel(None).0,
            goodbye: Arc::default(),
        };
        (claim, sender)
    }

    /// Tells the publisher why the stream ends. The first reason counts.
    pub fn end(&self, reason: EndReason) {
        end(&self.verdict, reason);
    }

    /// Whether nothing of the stream is to be seen any more.
    pub fn is_cut(&self) -> bool {
        matches!(*self.verdict.borrow(), Some(EndReason::Stopped(_)))
    }

    /// Whether the publisher ended its stream, rather than vanished. To be asked when there are no more tags.
    pub fn said_goodbye(&self) -> bool {
        self.goodbye.load(Ordering::Acquire)
    }

    /// Whether this process is about to end.
    pub fn is_draining(&self) -> bool {
        matches!(*self.verdict.borrow(), Some(EndReason::Draining))
    }

    /// Waits until the stream is to end, for whatever reason but the publisher's leaving.
    pub fn ended(&self) -> impl Future<Output = ()> + use<> {
        let mut verdict = self.verdict.subscribe();
        async move {
            // The sender has gone only with the claim, and with it whoever waits here.
            drop(verdict.wait_for(Option::is_some).await);
        }
    }
}

/// The first reason counts.
pub(super) fn end(verdict: &watch::Sender<Option<EndReason>>, reason: EndReason) {
    verdict.send_if_modified(|verdict| {
        let first = verdict.is_none();
        verdict.get_or_insert(reason);
        first
    });
}
