//! Where ingest hands a broadcast over: the key is checked, the stream claimed, media sent.
//!
//! Protocol, for whatever speaks to the broadcaster (`ingest`):
//!
//! 1. [`Streams::claim`] with the publish key, before a byte of media is taken. It may ask the auth
//!    filters or the store of rooms, which takes milliseconds. An error is the reason to refuse with; it never contains
//!    the key.
//! 2. For each FLV body [`Publication::send`]. It waits only when this process is overloaded; an
//!    error says why the stream was ended (codec not supported, timestamps broken, drain), which is the
//!    reason to close the connection with.
//! 3. While the connection is idle, [`Publication::ended`] tells when to close it.
//! 4. [`Publication::say_goodbye`] when the broadcaster ended the stream: its last parts are flushed,
//!    EXT-X-ENDLIST is set, and it can be played for a while. Dropping the [`Publication`] without that
//!    is a broadcaster who may come back: the stream waits for `publish.reconnect_grace_seconds`.

mod claim;
mod publication;
mod tag;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::{SecondPublisher, Secret, StreamSettings};
use crate::control::{Admission, Directory};
use crate::filters::{Filters, PublishAsk};

pub use claim::{Claim, EndReason};
pub use publication::Publication;
pub(crate) use tag::TagsIn;
pub use tag::{PublishedBody, PublishedTag, Tags};

use claim::end;

/// A publisher who sent nothing for so long has probably lost its network, and comes back on another
/// connection: see [`SecondPublisher::TakeOverSilent`].
const SILENT: Duration = Duration::from_secs(2);

/// Why a broadcaster may not publish.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// A filter said no, with words for the broadcaster.
    #[error("{message}")]
    Denied {
        /// Stable, for the log.
        code: String,
        /// For people.
        message: String,
    },
    /// The origin is shutting down.
    #[error("the server is shutting down")]
    Draining,
    /// Somebody publishes to this key already.
    #[error("the stream is being published already")]
    InUse,
    /// The key, or its room, is not open to publishers.
    #[error(transparent)]
    NotOpen(#[from] channels::Refused),
    /// The filters, or the store of rooms, could not be asked.
    #[error("publishing cannot be authorised at the moment")]
    Unavailable,
    /// No stream has this key.
    #[error("the publish key is wrong")]
    WrongKey,
}

/// Something that runs a claimed stream until its publisher has gone.
pub type StartStream = Box<dyn Fn(Claim) + Send + Sync>;

/// What a key opens, and the key itself if the API made it.
type Keyed = (StreamSettings, Option<channels::Key>);

/// The streams that may be published, and which of them are.
#[derive(Clone)]
pub struct Streams {
    shared: Arc<Shared>,
}

struct Shared {
    by_key: HashMap<String, StreamSettings>,
    /// Asked instead of `by_key`, about keys that the API did not make.
    filters: Option<Filters>,
    /// Keys of rooms that the API made, and whether rooms are open; and which are off here, whatever
    /// the store says.
    admission: Option<(Admission, Directory)>,
    second: SecondPublisher,
    /// What [`Holder::heard_ms`] counts from.
    opened: Instant,
    state: Mutex<State>,
    start: StartStream,
}

#[derive(Default)]
struct State {
    draining: bool,
    claimed: HashMap<String, Holder>,
    /// Of the newest holder: whoever was taken over must not free what is somebody else's.
    turn: u64,
}

/// Who publishes to a stream.
struct Holder {
    verdict: watch::Sender<Option<EndReason>>,
    /// When it last sent media.
    heard_ms: Arc<AtomicU64>,
    turn: u64,
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The keys are secret.
        f.debug_struct("Streams").finish_non_exhaustive()
    }
}

impl Streams {
    /// The configured streams; `start` is called with every claim. With `filters` they decide who
    /// publishes what, and the configured streams only have titles.
    pub fn new(streams: &[StreamSettings], filters: Option<Filters>, start: StartStream) -> Self {
        Self::admitting(streams, filters, None, SecondPublisher::default(), start)
    }

    /// The same, where rooms may be made and stopped.
    pub(crate) fn admitting(
        streams: &[StreamSettings],
        filters: Option<Filters>,
        admission: Option<(Admission, Directory)>,
        second: SecondPublisher,
        start: StartStream,
    ) -> Self {
        let by_key = streams
            .iter()
            .map(|stream| (stream.publish_key.expose().to_owned(), stream.clone()))
            .collect();
        Self {
            shared: Arc::new(Shared {
                by_key,
                filters,
                admission,
                second,
                opened: Instant::now(),
                state: Mutex::default(),
                start,
            }),
        }
    }

    /// Claims the stream that a broadcaster may publish: by its publish key, or as the filters say. Keys
    /// that the API made are good either way.
    ///
    /// The name is held before the room is asked whether it is open: whoever stops it meanwhile finds
    /// somebody to cut off.
    pub async fn claim(&self, ask: &PublishAsk<'_>) -> Result<Publication, ClaimError> {
        let (stream, key) = match &self.shared.filters {
            None => self.keyed(ask.key).await?,
            Some(filters) => self.filtered(filters, ask).await?,
        };
        let reserved = self.reserve(stream)?;
        if let Some((admission, directory)) = &self.shared.admission {
            let name = &reserved.stream.name;
            if let Some(reason) = directory.off(name) {
                return Err(channels::Refused::Stopped { reason }.into());
            }
            admission.begin(name, key.as_ref()).await?;
        }
        Ok(self.begin(reserved))
    }

    /// The stream of a key: a configured one, or a room that the API made.
    async fn keyed(&self, key: &str) -> Result<Keyed, ClaimError> {
        match self.by_key(key) {
            Err(ClaimError::WrongKey) => self.of_api(key).await,
            found => Ok((found?, None)),
        }
    }

    /// The room of a key that the API made, or what the filters say. A key that is no longer good is not
    /// theirs to let in.
    async fn filtered(&self, filters: &Filters, ask: &PublishAsk<'_>) -> Result<Keyed, ClaimError> {
        match self.of_api(ask.key).await {
            Err(ClaimError::WrongKey) => {
                let name = filters.may_publish(ask).await?;
                Ok((self.named(name), None))
            }
            found => found,
        }
    }

    /// The room of a key that the API made. What cannot be one costs no query.
    async fn of_api(&self, key: &str) -> Result<Keyed, ClaimError> {
        let Some((admission, _)) = &self.shared.admission else {
            return Err(ClaimError::WrongKey);
        };
        let (key, room) = admission.find(key).await?;
        let stream = StreamSettings {
            title: Some(room.title).filter(|title| !title.is_empty()),
            publish_key: Secret::default(),
            name: room.name,
        };
        Ok((stream, Some(key)))
    }

    /// The keys are looked up in a hash map with a random seed: how long that takes says nothing
    /// about how much of a key is right.
    fn by_key(&self, publish_key: &str) -> Result<StreamSettings, ClaimError> {
        let found = self.shared.by_key.get(publish_key);
        found.cloned().ok_or(ClaimError::WrongKey)
    }

    /// A stream that a filter named, with its title if it has one here.
    fn named(&self, name: String) -> StreamSettings {
        let mut streams = self.shared.by_key.values();
        let title = streams.find(|stream| stream.name == name);
        let title = title.and_then(|stream| stream.title.clone());
        let admission = self.shared.admission.as_ref();
        StreamSettings {
            title: title.or_else(|| admission?.0.title(&name)),
            publish_key: Secret::default(),
            name,
        }
    }

    fn reserve(&self, stream: StreamSettings) -> Result<Reserved, ClaimError> {
        let (verdict, _) = watch::channel(None);
        let heard_ms = Arc::new(AtomicU64::new(self.shared.now_ms()));
        let turn = {
            let mut state = self.shared.state.lock();
            if state.draining {
                return Err(ClaimError::Draining);
            }
            if let Some(holder) = state.claimed.get(&stream.name) {
                if !self.shared.may_take_over(holder) {
                    return Err(ClaimError::InUse);
                }
                holder.end(EndReason::TakenOver);
            }
            state.turn += 1;
            let holder = Holder {
                verdict: verdict.clone(),
                heard_ms: Arc::clone(&heard_ms),
                turn: state.turn,
            };
            state.claimed.insert(stream.name.clone(), holder);
            state.turn
        };
        let held = Held {
            shared: Arc::clone(&self.shared),
            name: stream.name.clone(),
            turn,
        };
        Ok(Reserved {
            stream,
            verdict,
            heard_ms,
            held,
        })
    }

    fn begin(&self, reserved: Reserved) -> Publication {
        let (sender, tags) = tag::queue();
        let ended = reserved.verdict.subscribe();
        let name = reserved.stream.name.clone();
        let goodbye = Arc::new(AtomicBool::new(false));
        (self.shared.start)(Claim {
            stream: reserved.stream,
            tags,
            verdict: reserved.verdict,
            goodbye: Arc::clone(&goodbye),
        });
        Publication {
            stream: name,
            tags: sender,
            ended,
            goodbye,
            heard_ms: reserved.heard_ms,
            held: reserved.held,
        }
    }

    /// Cuts a stream's publisher off, who is told why. Whether there was one.
    pub fn cut(&self, name: &str, why: &str) -> bool {
        let state = self.shared.state.lock();
        let Some(holder) = state.claimed.get(name) else {
            return false;
        };
        // Over a reason that is there: who drains shows the stream on, who stops does not.
        holder
            .verdict
            .send_replace(Some(EndReason::Stopped(why.to_owned())));
        true
    }

    /// Ends all streams and refuses new ones.
    pub fn drain(&self) {
        let mut state = self.shared.state.lock();
        state.draining = true;
        for holder in state.claimed.values() {
            holder.end(EndReason::Draining);
        }
    }

    /// How many streams are claimed.
    pub fn claimed(&self) -> usize {
        self.shared.state.lock().claimed.len()
    }
}

impl Shared {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn may_take_over(&self, holder: &Holder) -> bool {
        let silent_ms = self
            .now_ms()
            .saturating_sub(holder.heard_ms.load(Ordering::Relaxed));
        match self.second {
            SecondPublisher::Refuse => false,
            SecondPublisher::TakeOver => true,
            SecondPublisher::TakeOverSilent => u128::from(silent_ms) >= SILENT.as_millis(),
        }
    }
}

impl Holder {
    /// The first reason counts.
    fn end(&self, reason: EndReason) {
        end(&self.verdict, reason);
    }
}

/// A stream's name that nobody else has, while its room is asked whether it is open.
struct Reserved {
    stream: StreamSettings,
    verdict: watch::Sender<Option<EndReason>>,
    heard_ms: Arc<AtomicU64>,
    held: Held,
}

/// Frees the stream's name when its publisher goes: a broadcaster who reconnects at once must not
/// wait for the last parts of before.
struct Held {
    shared: Arc<Shared>,
    name: String,
    turn: u64,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        let own = state.claimed.get(&self.name);
        if own.is_some_and(|holder| holder.turn == self.turn) {
            state.claimed.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests;
