//! The live relay: streams that parents hand on as they are made ([`live_relay`]).
//!
//! What viewers ask for and the cache has not ([`LiveRelay::lead`]) is answered from what the parent
//! has told, or held until it tells, without a request to anybody. Whatever the relay does not know is
//! asked of the parents, as if there were no relay: it makes things faster, and nothing depends on it.
//!
//! A stream is followed from the first playlist of it that a parent gave until nobody has asked for any
//! of its renditions for some seconds; one subscription carries all renditions that are asked for.
//! A shield answers the edges below from the same state ([`LiveRelay::feed`]).

mod answers;
mod feed;
mod follow;
mod metrics;
mod stream;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_policy::CacheKey;
use hls::{ObjectName, RenditionName};
use live_relay::{Answer, Interest};
use parking_lot::Mutex;
use playback_token::Keyring;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::cache::{Cache, Fill};
use crate::upstream::{Asking, Upstream};

pub use feed::{Feed, NoFeed};
pub use metrics::Metrics;

use stream::{Held, Stream};

/// Streams that are followed at once; those beyond are asked for object by object.
const STREAMS_MAX: usize = 10_000;

/// How streams are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelaySettings {
    /// Whether parents are asked to hand streams on.
    pub follow: bool,
    /// A rendition that nobody has asked for in so long is not followed any more.
    pub idle: Duration,
    /// Edges below that streams are handed on to, each counted once per stream.
    pub children_max: usize,
}

/// The streams that are followed, and the edges below that follow them here. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LiveRelay {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    cache: Cache,
    upstream: Upstream,
    settings: RelaySettings,
    /// Signs subscriptions, when playback is signed.
    tiers: Option<Keyring>,
    metrics: Metrics,
    runtime: Handle,
    streams: Mutex<HashMap<String, Arc<Stream>>>,
    children: Arc<tokio::sync::Semaphore>,
    leaving: watch::Sender<bool>,
}

/// What a key names.
struct Named<'a> {
    stream: &'a str,
    rendition: RenditionName,
    object: ObjectName,
}

impl LiveRelay {
    /// Follows nothing yet. Subscriptions are read on `runtime`.
    pub fn new(
        settings: RelaySettings,
        cache: Cache,
        upstream: Upstream,
        tiers: Option<Keyring>,
        metrics: Metrics,
        runtime: Handle,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                cache,
                upstream,
                children: Arc::new(tokio::sync::Semaphore::new(settings.children_max)),
                settings,
                tiers,
                metrics,
                runtime,
                streams: Mutex::new(HashMap::new()),
                leaving: watch::channel(false).0,
            }),
        }
    }

    /// Takes over the duty to fill a key. Returns at once.
    pub fn lead(&self, fill: Fill, asking: Asking) {
        let inner = &self.inner;
        if !inner.settings.follow {
            return inner.upstream.spawn_fill(fill, asking);
        }
        let key = fill.key().clone();
        let Some(named) = Named::of(&key) else {
            return inner.upstream.spawn_fill(fill, asking);
        };
        let now = Instant::now();
        let known = inner.streams.lock().get(named.stream).cloned();
        // Whoever plays a stream live asks for its playlists over and over; other objects alone are the past's.
        let begins = named.object == ObjectName::Playlist;
        let Some(stream) = known else {
            return inner.ask_parent(fill, asking, begins.then_some(&named));
        };
        let query = key.query().unwrap_or_default();
        let (answer, followed) = stream.ask(&named.rendition, named.object, query, now);
        match answer {
            Answer::Hold => {
                let held = Held {
                    fill,
                    asking,
                    rendition: named.rendition,
                    object: named.object,
                    since: now,
                };
                // It may have come meanwhile, or the parent may be gone, or enough are held.
                match stream.hold(held, now) {
                    Ok(()) => inner.metrics.asked("held"),
                    Err(back) => inner.settle(*back.0, back.1),
                }
            }
            Answer::AskParent => {
                let named = (begins && !followed).then_some(&named);
                inner.ask_parent(fill, asking, named);
            }
            answer => inner.answer(fill, answer),
        }
    }

    /// The renditions of a stream for an edge below.
    ///
    /// # Errors
    /// There are too many already, or this edge's own parent hands nothing on.
    pub async fn feed(&self, stream: &str, interest: &Interest) -> Result<Feed, NoFeed> {
        feed::open(&self.inner, stream, interest).await
    }

    /// Whether they are the same.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Tells the edges below to go elsewhere: this one stops.
    pub fn drain(&self) {
        self.inner.leaving.send_replace(true);
    }
}

impl Inner {
    /// Asks the parents. A `named` rendition that they have is followed from now on: names that
    /// somebody made up are not.
    fn ask_parent(self: &Arc<Self>, fill: Fill, asking: Asking, named: Option<&Named<'_>>) {
        self.metrics.asked("parent");
        let Some(named) = named else {
            return self.upstream.spawn_fill(fill, asking);
        };
        let (stream, rendition) = (named.stream.to_owned(), named.rendition.clone());
        let inner = Arc::clone(self);
        self.runtime.spawn(async move {
            if inner.upstream.fill(fill, asking).await == Some(http::StatusCode::OK) {
                inner.want(&stream, [rendition]);
            }
        });
    }

    /// Follows renditions of a stream. `None`: too many streams are followed.
    fn want(
        self: &Arc<Self>,
        name: &str,
        renditions: impl IntoIterator<Item = RenditionName>,
    ) -> Option<Arc<Stream>> {
        let now = Instant::now();
        let mut streams = self.streams.lock();
        let stream = match streams.get(name) {
            Some(stream) => Arc::clone(stream),
            None if streams.len() >= STREAMS_MAX => {
                self.metrics.asked("too_many_streams");
                return None;
            }
            None => {
                let stream = Arc::new(Stream::new(name));
                streams.insert(name.to_owned(), Arc::clone(&stream));
                self.runtime
                    .spawn(follow::follow(Arc::clone(self), Arc::clone(&stream)));
                stream
            }
        };
        // Under the lock, so that a stream is not let go of between the two.
        stream.want(renditions, now);
        Some(stream)
    }

    /// Lets go of a stream that nobody asks for. `false`: somebody does again.
    fn forget(&self, stream: &Stream) -> bool {
        let mut streams = self.streams.lock();
        if !stream.is_unwanted() {
            return false;
        }
        streams.remove(stream.name());
        true
    }

    /// Ends what was held, with an answer or by asking the parents.
    fn settle(self: &Arc<Self>, held: Held, answer: Answer) {
        match answer {
            Answer::AskParent | Answer::Hold => self.ask_parent(held.fill, held.asking, None),
            answer => self.answer(held.fill, answer),
        }
    }

    fn answer(&self, fill: Fill, answer: Answer) {
        self.metrics.asked(match answer {
            Answer::Refuse(_) => "refused",
            _ => "answered",
        });
        answers::write(fill, answer);
    }
}

impl<'a> Named<'a> {
    /// What the relay may know: a Media Playlist, a Segment or a Part.
    fn of(key: &'a CacheKey) -> Option<Self> {
        let mut names = key.path().strip_prefix("/live/")?.splitn(3, '/');
        let (stream, rendition) = (names.next()?, names.next()?);
        let object = ObjectName::parse(names.next()?)?;
        let is_told = matches!(
            object,
            ObjectName::Playlist | ObjectName::Segment(_) | ObjectName::Part(..)
        );
        Some(Self {
            stream,
            rendition: RenditionName::new(rendition).ok().filter(|_| is_told)?,
            object,
        })
    }
}
