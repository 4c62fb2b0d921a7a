//! An edge below that this one hands a stream on to.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hls::RenditionName;
use live_relay::{Cursor, End, Frame, Interest};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{timeout, timeout_at};

use super::Inner;
use super::stream::Stream;

/// An edge below waits at most so long for this one to be told of the stream itself.
const FIRST_WITHIN: Duration = Duration::from_secs(3);
/// After so long without news it is told that this is all.
const PING_EVERY: Duration = Duration::from_secs(1);

/// Why a stream is not handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFeed {
    /// This edge is not told of it.
    NotFollowed,
    /// It is handed on to as many as it may.
    TooMany,
}

/// The frames for one edge below. Nothing is queued for it: what it was not told yet is looked up when
/// it can take more.
#[derive(Debug)]
pub struct Feed {
    inner: Arc<Inner>,
    stream: Arc<Stream>,
    renditions: Vec<(RenditionName, Cursor)>,
    news: watch::Receiver<u64>,
    leaving: watch::Receiver<bool>,
    ready: VecDeque<Frame>,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn open(
    inner: &Arc<Inner>,
    name: &str,
    interest: &Interest,
) -> Result<Feed, NoFeed> {
    let permit = Arc::clone(&inner.children).try_acquire_owned();
    let permit = permit.map_err(|_| NoFeed::TooMany)?;
    if !inner.settings.follow {
        return Err(NoFeed::NotFollowed);
    }
    let wanted = interest.wanted();
    let names = wanted.iter().map(|wanted| wanted.rendition.clone());
    let stream = inner.want(name, names).ok_or(NoFeed::NotFollowed)?;
    inner.metrics.children.inc();
    let mut feed = Feed {
        inner: Arc::clone(inner),
        news: stream.subscribe(),
        leaving: inner.leaving.subscribe(),
        renditions: wanted
            .iter()
            .map(|wanted| (wanted.rendition.clone(), Cursor::from(wanted.from)))
            .collect(),
        stream,
        ready: VecDeque::new(),
        is_over: false,
        _permit: permit,
    };
    let until = tokio::time::Instant::now() + FIRST_WITHIN;
    loop {
        feed.news.mark_unchanged();
        if feed.look() {
            return Ok(feed);
        }
        match timeout_at(until, feed.news.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Err(NoFeed::NotFollowed),
        }
    }
}

impl Feed {
    /// The next frame; `None` after the last. Waits for one, or for a moment without any.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            if self.is_over {
                return None;
            }
            self.news.mark_unchanged();
            let known = self.look();
            if let Some(last) = self.last(known) {
                self.is_over = true;
                self.ready.push_back(Frame::End(last));
            }
            if !self.ready.is_empty() {
                continue;
            }
            let changed = async {
                tokio::select! {
                    changed = self.news.changed() => changed,
                    changed = self.leaving.changed() => changed,
                }
            };
            match timeout(PING_EVERY, changed).await {
                Ok(Ok(())) => {}
                // The next look says what that means.
                Ok(Err(_)) => {}
                Err(_) => return Some(Frame::Ping),
            }
        }
    }

    /// What is to be said last, if nothing more is.
    fn last(&self, known: bool) -> Option<End> {
        match self.stream.over() {
            Some(over) => Some(over),
            None if *self.leaving.borrow() || !known => Some(End::Leaving),
            None => None,
        }
    }

    /// Looks for what was not told yet. `false`: this edge is not told any more itself.
    fn look(&mut self) -> bool {
        let now = Instant::now();
        let mut known = false;
        for (name, cursor) in &mut self.renditions {
            if let Some(news) = self.stream.since(name, cursor, now) {
                known = true;
                self.ready.extend(news);
            }
        }
        known
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.inner.metrics.children.dec();
    }
}
