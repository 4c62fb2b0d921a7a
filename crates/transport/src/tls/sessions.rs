//! Sessions that are resumed once (RFC 8446 section 8.1), kept in memory: what 0-RTT data need.
//!
//! A ticket is a random name of a session kept here. Whoever shows it first takes the session away, so
//! that what was recorded of a connection opens none again: not here, where the session is gone, and not
//! on another node, which never had it. Its secret is gone, too.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::Instant;

use parking_lot::Mutex;
use rustls::server::StoresServerSessions;

use super::tickets::LIFETIME;

/// Bytes of a session; one without client certificates has some hundred.
const SESSION_BYTES_MAX: usize = 4096;

/// Sessions of the connections of one process.
pub struct Sessions {
    kept: Mutex<Kept>,
    sessions_max: usize,
    on_unknown: Box<dyn Fn() + Send + Sync>,
}

/// A pure core: the time is an argument.
#[derive(Default)]
struct Kept {
    sessions: HashMap<Vec<u8>, (Instant, Vec<u8>)>,
    /// Oldest first. Those that were taken are still in it.
    names: VecDeque<(Instant, Vec<u8>)>,
}

impl Sessions {
    /// At most `sessions_max` of them; beyond that the oldest are forgotten. `on_unknown` is called for
    /// each ticket that names none: used before, older than 12 hours, forgotten, or another node's.
    #[must_use]
    pub fn new(sessions_max: usize, on_unknown: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            kept: Mutex::default(),
            sessions_max,
            on_unknown: Box::new(on_unknown),
        }
    }
}

impl Kept {
    fn put(&mut self, name: Vec<u8>, session: Vec<u8>, now: Instant, most: usize) -> bool {
        if session.len() > SESSION_BYTES_MAX || most == 0 {
            return false;
        }
        while let Some((kept_at, _)) = self.names.front()
            && (self.names.len() >= most || is_over(*kept_at, now))
        {
            if let Some((_, oldest)) = self.names.pop_front() {
                self.sessions.remove(&oldest);
            }
        }
        self.names.push_back((now, name.clone()));
        self.sessions.insert(name, (now, session));
        true
    }

    fn take(&mut self, name: &[u8], now: Instant) -> Option<Vec<u8>> {
        let (kept_at, session) = self.sessions.remove(name)?;
        (!is_over(kept_at, now)).then_some(session)
    }
}

fn is_over(kept_at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(kept_at) > LIFETIME
}

impl StoresServerSessions for Sessions {
    fn put(&self, name: Vec<u8>, session: Vec<u8>) -> bool {
        let mut kept = self.kept.lock();
        kept.put(name, session, Instant::now(), self.sessions_max)
    }

    /// For TLS 1.2, which QUIC does not have.
    fn get(&self, _name: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn take(&self, name: &[u8]) -> Option<Vec<u8>> {
        let taken = self.kept.lock().take(name, Instant::now());
        if taken.is_none() {
            (self.on_unknown)();
        }
        taken
    }

    fn can_cache(&self) -> bool {
        self.sessions_max > 0
    }
}

/// Without secrets.
impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("sessions_max", &self.sessions_max)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn put(kept: &mut Kept, name: u8, now: Instant) -> bool {
        kept.put(vec![name], vec![name; 3], now, 3)
    }

    #[test]
    fn a_session_is_taken_once() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        assert!(put(&mut kept, 1, now));
        assert_eq!(kept.take(&[1], now), Some(vec![1; 3]));
        assert_eq!(kept.take(&[1], now), None);
        assert_eq!(kept.take(&[2], now), None);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        for name in 0..100 {
            assert!(put(&mut kept, name, now));
            // Also when they are used as they are made.
            if name % 2 == 0 {
                assert!(kept.take(&[name], now).is_some());
            }
            assert!(kept.sessions.len() <= 3 && kept.names.len() <= 3);
        }
        assert_eq!(kept.take(&[95], now), None);
        assert!(kept.take(&[97], now).is_some());
        assert!(kept.take(&[99], now).is_some());
        assert!(!kept.put(vec![1], vec![0; SESSION_BYTES_MAX + 1], now, 3));
    }

    #[test]
    fn and_those_of_twelve_hours_ago() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        put(&mut kept, 1, now);
        put(&mut kept, 2, now);
        let later = now + LIFETIME;
        assert!(kept.take(&[1], later).is_some());
        let over = later + Duration::from_secs(1);
        assert_eq!(kept.take(&[2], over), None);
        put(&mut kept, 3, over);
        assert_eq!(kept.names.len(), 1);
    }
}
