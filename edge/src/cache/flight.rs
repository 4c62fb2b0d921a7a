//! A flight: one object while it is being filled, and everybody who reads it meanwhile.
//!
//! A flight is append-only chunks plus a phase. It knows nothing of where the bytes come from
//! (`upstream` does) or of who may have them (`pipeline` does). **A flight that is dropped by its
//! writer before it completed is aborted, and no reader ever sees the end of an aborted flight as
//! the end of the object.**

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use parking_lot::RwLock;
use telemetry::traces::Link;
use tokio::sync::watch;

use super::object::{Object, ObjectHead};

/// Why a flight ended without the whole object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// The parent's answer broke off.
    #[error("the parent's answer broke off")]
    Broken,
    /// The parent stayed silent in the middle of its answer for longer than the read timeout.
    #[error("the parent fell silent")]
    Silent,
    /// The object is larger than `cache.object_bytes_max`.
    #[error("the object is larger than this edge takes")]
    TooLarge,
    /// The filling task went away (shutdown).
    #[error("the fill was abandoned")]
    Abandoned,
}

impl FillError {
    /// Label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Silent => "silent",
            Self::TooLarge => "too_large",
            Self::Abandoned => "abandoned",
        }
    }
}

/// How far a flight has come. Ordered: a flight only ever moves down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No head yet.
    Waiting,
    /// Head known, body arriving.
    Filling,
    /// Everything is here.
    Complete,
    /// It ended early.
    Aborted(FillError),
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    phase: Phase,
    chunks: usize,
}

#[derive(Debug)]
struct Shared {
    head: OnceLock<ObjectHead>,
    chunks: RwLock<Vec<Bytes>>,
    /// Set before the phase is [`Phase::Complete`].
    object: OnceLock<Arc<Object>>,
    /// The request that began it, if that is traced.
    led_by: OnceLock<Box<Link>>,
    progress: watch::Sender<Progress>,
}

/// The writing end: owned by the one task that fills the object.
#[derive(Debug)]
pub struct FlightWriter {
    shared: Arc<Shared>,
    bytes: u64,
    bytes_max: u64,
    withholds_end: bool,
}

/// A place in a flight for readers to start from; cheap to clone, kept in the table of flights.
#[derive(Clone, Debug)]
pub struct Flight {
    shared: Arc<Shared>,
}

/// One reader's position in a flight.
#[derive(Debug)]
pub struct FlightReader {
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
    next: usize,
}

/// Makes a flight whose body may not grow beyond `bytes_max`.
pub fn flight(bytes_max: u64) -> (FlightWriter, Flight) {
    let (progress, _) = watch::channel(Progress {
        phase: Phase::Waiting,
        chunks: 0,
    });
    let shared = Arc::new(Shared {
        head: OnceLock::new(),
        chunks: RwLock::new(Vec::new()),
        object: OnceLock::new(),
        led_by: OnceLock::new(),
        progress,
    });
    let writer = FlightWriter {
        shared: Arc::clone(&shared),
        bytes: 0,
        bytes_max,
        withholds_end: false,
    };
    (writer, Flight { shared })
}

impl FlightWriter {
    /// Notes the request that began it.
    pub fn led_by(&mut self, request: Link) {
        let _ = self.shared.led_by.set(Box::new(request));
    }

    /// From here on no reader gets the piece that makes the announced length full before
    /// [`FlightWriter::complete_kept`] has kept the object: whoever has everything may ask again at once.
    pub fn withhold_end(&mut self) {
        self.withholds_end = true;
    }

    /// Publishes the head. Later calls are ignored: a response has one head.
    pub fn head(&mut self, head: ObjectHead) {
        if self.shared.head.set(head).is_ok() {
            self.shared
                .progress
                .send_modify(|progress| progress.phase = Phase::Filling);
        }
    }

    /// Appends a piece of the body.
    ///
    /// # Errors
    /// [`FillError::TooLarge`] when the body would pass the bound; the flight is then aborted.
    pub fn push(&mut self, chunk: Bytes) -> Result<(), FillError> {
        if chunk.is_empty() {
            return Ok(());
        }
        self.bytes += chunk.len() as u64;
        if self.bytes > self.bytes_max {
            self.end(Phase::Aborted(FillError::TooLarge));
            return Err(FillError::TooLarge);
        }
        self.shared.chunks.write().push(chunk);
        let head = self.shared.head.get();
        let is_end = head.is_some_and(|head| head.content_length == Some(self.bytes));
        if !(is_end && self.withholds_end) {
            self.shared
                .progress
                .send_modify(|progress| progress.chunks += 1);
        }
        Ok(())
    }

    /// Bytes of body so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the flight as a whole object, and returns that object for the cache: the one that its
    /// readers share ([`FlightReader::whole`]).
    ///
    /// `None` if the announced `Content-Length` was not met or no head was published: the flight
    /// is then aborted.
    pub fn complete(self) -> Option<Arc<Object>> {
        self.complete_kept(|_| ())
    }

    /// The same, after `keep`: no reader knows of the end before.
    pub fn complete_kept(self, keep: impl FnOnce(&Arc<Object>)) -> Option<Arc<Object>> {
        let head = self.shared.head.get().cloned();
        let whole = head.as_ref().is_some_and(|head| {
            head.content_length
                .is_none_or(|length| length == self.bytes)
        });
        let Some(head) = head.filter(|_| whole) else {
            self.end(Phase::Aborted(FillError::Broken));
            return None;
        };
        let (body, chunks) = {
            let mut chunks = self.shared.chunks.write();
            (join(&mut chunks), chunks.len())
        };
        let object = Arc::new(Object::new(head, body));
        keep(&object);
        let object = Arc::clone(self.shared.object.get_or_init(|| object));
        self.shared.progress.send_if_modified(|progress| {
            progress.chunks = chunks;
            false
        });
        self.end(Phase::Complete);
        Some(object)
    }

    /// Ends the flight early: every reader gets `error`.
    pub fn abort(self, error: FillError) {
        self.end(Phase::Aborted(error));
    }

    fn end(&self, phase: Phase) {
        self.shared.progress.send_if_modified(|progress| {
            let running = matches!(progress.phase, Phase::Waiting | Phase::Filling);
            if running {
                progress.phase = phase;
            }
            running
        });
    }
}

impl Drop for FlightWriter {
    fn drop(&mut self) {
        self.end(Phase::Aborted(FillError::Abandoned));
    }
}

impl Flight {
    /// A reader that starts at the first byte.
    pub fn reader(&self) -> FlightReader {
        FlightReader {
            shared: Arc::clone(&self.shared),
            progress: self.shared.progress.subscribe(),
            next: 0,
        }
    }
}

impl FlightReader {
    /// The request that began it, if that is traced.
    pub fn led_by(&self) -> Option<&Link> {
        self.shared.led_by.get().map(|request| &**request)
    }

    /// Waits for the head. Cancel-safe.
    ///
    /// # Errors
    /// The reason, if the flight ended before it had a head.
    pub async fn head(&mut self) -> Result<ObjectHead, FillError> {
        loop {
            if let Some(head) = self.shared.head.get() {
                return Ok(head.clone());
            }
            let phase = self.progress.borrow_and_update().phase;
            if let Phase::Aborted(error) = phase {
                return Err(error);
            }
            if self.shared.head.get().is_none() && self.progress.changed().await.is_err() {
                return Err(FillError::Abandoned);
            }
        }
    }

    /// Waits for the next piece of the body; `None` at the true end of the object. Cancel-safe.
    ///
    /// # Errors
    /// The reason, if the flight ended early, after every piece that did arrive.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, FillError> {
        loop {
            let progress = *self.progress.borrow_and_update();
            if self.next < progress.chunks {
                let chunk = self.shared.chunks.read().get(self.next).cloned();
                self.next += 1;
                return Ok(chunk);
            }
            match progress.phase {
                Phase::Complete => return Ok(None),
                Phase::Aborted(error) => return Err(error),
                Phase::Waiting | Phase::Filling => {}
            }
            if self.progress.changed().await.is_err() {
                return Err(FillError::Abandoned);
            }
        }
    }

    /// Waits for the end of the fill: the whole object, one for all readers. Cancel-safe.
    ///
    /// # Errors
    /// The reason, if the flight ended early.
    pub async fn whole(&mut self) -> Result<Arc<Object>, FillError> {
        loop {
            let phase = self.progress.borrow_and_update().phase;
            if let Phase::Aborted(error) = phase {
                return Err(error);
            }
            if let Some(object) = self.shared.object.get() {
                return Ok(Arc::clone(object));
            }
            if self.progress.changed().await.is_err() {
                return Err(FillError::Abandoned);
            }
        }
    }

    /// Whether the whole object is already here, so that no reader will wait for any of it.
    pub fn is_complete(&self) -> bool {
        self.progress.borrow().phase == Phase::Complete
    }
}

/// One buffer of all pieces; no copy when there is only one. The pieces become slices of it, so that
/// readers who are still at them do not keep the bytes a second time.
fn join(chunks: &mut [Bytes]) -> Bytes {
    match chunks {
        [] => Bytes::new(),
        [only] => only.clone(),
        many => {
            let mut whole = BytesMut::with_capacity(many.iter().map(Bytes::len).sum());
            for chunk in &*many {
                whole.extend_from_slice(chunk);
            }
            let whole = whole.freeze();
            let mut at = 0;
            for chunk in many {
                let end = at + chunk.len();
                *chunk = whole.slice(at..end);
                at = end;
            }
            whole
        }
    }
}

#[cfg(test)]
mod tests;
