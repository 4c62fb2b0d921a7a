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
mod holds;
mod publication;
mod tag;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use channels::Begun;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::{SecondPublisher, Secret, StreamSettings};
use crate::control::{Admission, Directory};
use crate::filters::{Filters, PublishAsk};
use crate::health::IngestRules;

pub use claim::{Claim, EndReason};
pub use publication::Publication;
pub(crate) use tag::TagsIn;
pub use tag::{PublishedBody, PublishedTag, Tags};

use holds::{Holds, Seat};

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
    /// What the time of [`Holds`] counts from.
    opened: Instant,
    holds: Mutex<Holds>,
    start: StartStream,
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
        let seconds = (SecondPublisher::default(), Duration::ZERO);
        Self::admitting(streams, filters, None, seconds, start)
    }

    /// The same, where rooms may be made and stopped; with what becomes of a second publisher, and how long
    /// a stream waits for one that vanished.
    pub(crate) fn admitting(
        streams: &[StreamSettings],
        filters: Option<Filters>,
        admission: Option<(Admission, Directory)>,
        (second, grace): (SecondPublisher, Duration),
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
                opened: Instant::now(),
                holds: Mutex::new(Holds::new(second, milliseconds(grace))),
                start,
            }),
        }
    }

    /// Streams of another life of this process wait for their publishers so long: keys that are good for one
    /// broadcast open them again.
    pub(crate) fn expect(&self, left_behind: Vec<(String, Begun, Duration)>) {
        let now_ms = self.shared.now_ms();
        let mut holds = self.shared.holds.lock();
        for (stream, begun, grace) in left_behind {
            holds.expect(stream, begun, now_ms.saturating_add(milliseconds(grace)));
        }
    }

    /// Claims the stream that a broadcaster may publish: by its publish key, or as the filters say. Keys
    /// that the API made are good either way.
    ///
    /// The name is held before the room is asked whether it is open: whoever stops it meanwhile finds
    /// somebody to cut off. A key that is good for one broadcast opens it again, until that has ended.
    pub async fn claim(&self, ask: &PublishAsk<'_>) -> Result<Publication, ClaimError> {
        let (stream, key) = match &self.shared.filters {
            None => self.keyed(ask.key).await?,
            Some(filters) => self.filtered(filters, ask).await?,
        };
        let mut reserved = self.reserve(stream, key.as_ref())?;
        if let Some((admission, directory)) = &self.shared.admission {
            let name = &reserved.stream.name;
            if let Some(reason) = directory.off(name) {
                return Err(channels::Refused::Stopped { reason }.into());
            }
            let comes_back = reserved.begun.take();
            reserved.begun = admission.begin(name, key.as_ref(), comes_back).await?;
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

    fn reserve(
        &self,
        stream: StreamSettings,
        key: Option<&channels::Key>,
    ) -> Result<Reserved, ClaimError> {
        let now_ms = self.shared.now_ms();
        let reserved = (self.shared.holds.lock()).reserve(&stream.name, key, now_ms);
        let (seat, begun) = reserved?;
        let held = Held {
            shared: Arc::clone(&self.shared),
            name: stream.name.clone(),
            turn: seat.turn,
        };
        Ok(Reserved {
            stream,
            seat,
            begun,
            held,
        })
    }

    fn begin(&self, reserved: Reserved) -> Publication {
        let Reserved {
            stream,
            seat,
            begun,
            held,
        } = reserved;
        let name = stream.name.clone();
        let now_ms = self.shared.now_ms();
        let mut holds = self.shared.holds.lock();
        holds.begin(&name, seat.turn, begun.clone(), now_ms);
        drop(holds);
        let (sender, tags) = tag::queue();
        let ended = seat.verdict.subscribe();
        (self.shared.start)(Claim {
            stream,
            begun,
            tags,
            verdict: seat.verdict,
            goodbye: Arc::clone(&seat.goodbye),
        });
        Publication {
            stream: name,
            tags: sender,
            ended,
            goodbye: seat.goodbye,
            heard_ms: seat.heard_ms,
            shows: seat.shows,
            held,
        }
    }

    /// Cuts a stream's publisher off, who is told why, and does not come back. Whether there was one.
    pub fn cut(&self, name: &str, why: &str) -> bool {
        self.shared.holds.lock().cut(name, why)
    }

    /// Ends all streams and refuses new ones.
    pub fn drain(&self) {
        self.shared.holds.lock().drain();
    }

    /// What may be sent to a room that has rules of its own.
    pub(crate) fn rules(&self, name: &str) -> Option<IngestRules> {
        let (_, directory) = self.shared.admission.as_ref()?;
        directory.rules(name)
    }

    /// How many streams are claimed.
    pub fn claimed(&self) -> usize {
        self.shared.holds.lock().len()
    }
}

impl Shared {
    fn now_ms(&self) -> u64 {
        milliseconds(self.opened.elapsed())
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A stream's name that nobody else has, while its room is asked whether it is open.
struct Reserved {
    stream: StreamSettings,
    seat: Seat,
    /// Of a key that is good for one broadcast: what it came back with, then what it comes back with the
    /// next time.
    begun: Option<Begun>,
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
        let now_ms = self.shared.now_ms();
        let mut holds = self.shared.holds.lock();
        holds.free(&self.name, self.turn, now_ms);
    }
}

#[cfg(test)]
mod tests;
