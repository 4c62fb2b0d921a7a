//! Streams that are off: nothing of them is played here, whatever the cache and the parents have kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use rooms::schema::Stopped;

/// An origin names a stream every second while it is off; one that is not named for this long is on again,
/// or its origin is gone.
const NAMED_FOR: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Off {
    /// Until when. No more than an origin's message has names, for each origin.
    until: RwLock<HashMap<String, Instant>>,
    /// Whether there are any: the way of a viewer's request costs nothing while all is well.
    any: AtomicBool,
}

impl Off {
    pub(super) fn hear(&self, message: Stopped, now: Instant) {
        let mut until = self.until.write();
        until.retain(|_, until| *until > now);
        for stream in message.streams {
            until.insert(stream, now + NAMED_FOR);
        }
        self.any.store(!until.is_empty(), Ordering::Release);
    }

    pub(super) fn has(&self, stream: &str, now: Instant) -> bool {
        self.any.load(Ordering::Acquire)
            && self
                .until
                .read()
                .get(stream)
                .is_some_and(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_off_while_it_is_named() {
        let (off, start) = (Off::default(), Instant::now());
        let named = |streams: &[&str]| Stopped {
            streams: streams.iter().map(|&it| it.to_owned()).collect(),
        };
        assert!(!off.has("a", start));
        off.hear(named(&["a"]), start);
        assert!(off.has("a", start) && !off.has("b", start));
        let later = start + NAMED_FOR - Duration::from_millis(1);
        off.hear(named(&["b"]), later);
        assert!(off.has("a", later) && off.has("b", later));
        let end = start + NAMED_FOR;
        assert!(!off.has("a", end) && off.has("b", end));
        off.hear(named(&[]), later + NAMED_FOR);
        assert!(!off.any.load(Ordering::Acquire));
    }
}
