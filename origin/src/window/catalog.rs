//! The streams that can be played, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::LiveStream;

/// Clones share one catalogue.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    streams: Arc<Mutex<BTreeMap<String, Arc<LiveStream>>>>,
}

impl Catalog {
    /// The stream of that name, live or lingering.
    pub fn get(&self, name: &str) -> Option<Arc<LiveStream>> {
        self.streams.lock().get(name).cloned()
    }

    /// All streams that can be played, by name.
    pub fn all(&self) -> Vec<Arc<LiveStream>> {
        self.streams.lock().values().cloned().collect()
    }

    /// Adds a stream, in place of a lingering one of its name, whose media goes on being served.
    pub fn insert(&self, stream: Arc<LiveStream>) {
        let mut streams = self.streams.lock();
        let former = streams.insert(stream.name().to_owned(), Arc::clone(&stream));
        drop(streams);
        if let Some(former) = former.filter(|former| !former.is_cut()) {
            stream.succeed(former);
        }
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
        let mut streams = self.streams.lock();
        let own = streams.get(stream.name());
        if own.is_some_and(|own| Arc::ptr_eq(own, stream)) {
            streams.remove(stream.name());
        }
    }
}
