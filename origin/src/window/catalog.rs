//! The streams that can be played, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use hls::Msn;
use parking_lot::Mutex;

use super::LiveStream;

/// Clones share one catalogue.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    streams: Arc<Mutex<BTreeMap<String, Entry>>>,
}

#[derive(Debug, Default)]
struct Entry {
    stream: Option<Arc<LiveStream>>,
    /// Number of the first segment that a stream of this name may use: object names are unique for
    /// ever, so a stream that returns within a second must not begin at the clock's number again.
    msn_min: Msn,
}

impl Catalog {
    /// The stream of that name, live or lingering.
    pub fn get(&self, name: &str) -> Option<Arc<LiveStream>> {
        self.streams.lock().get(name)?.stream.clone()
    }

    /// All streams that can be played, by name.
    pub fn all(&self) -> Vec<Arc<LiveStream>> {
        let streams = self.streams.lock();
        streams
            .values()
            .filter_map(|entry| entry.stream.clone())
            .collect()
    }

    /// The first segment's number for a new stream: the clock's, or above what was used.
    pub fn start_msn(&self, name: &str, clock: Msn) -> Msn {
        let streams = self.streams.lock();
        let used = |entry: &Entry| {
            let next = entry.stream.as_ref().map(|stream| stream.next_msn());
            entry.msn_min.max(next.unwrap_or_default())
        };
        clock.max(streams.get(name).map(used).unwrap_or_default())
    }

    /// Adds a stream, in place of a lingering one of its name.
    pub fn insert(&self, stream: Arc<LiveStream>) {
        let name = stream.info().name.clone();
        self.streams.lock().entry(name).or_default().stream = Some(stream);
    }

    /// Takes the stream of a name away from its viewers, live or lingering. Whether there was one.
    pub fn cut(&self, name: &str) -> bool {
        let Some(stream) = self.get(name) else {
            return false;
        };
        stream.cut();
        self.remove(&stream);
        true
    }

    /// Removes a stream, unless another has taken its name.
    pub fn remove(&self, stream: &Arc<LiveStream>) {
        let next_msn = stream.next_msn();
        let mut streams = self.streams.lock();
        let Some(entry) = streams.get_mut(&stream.info().name) else {
            return;
        };
        entry.msn_min = entry.msn_min.max(next_msn);
        if entry
            .stream
            .as_ref()
            .is_some_and(|own| Arc::ptr_eq(own, stream))
        {
            entry.stream = None;
        }
    }
}
