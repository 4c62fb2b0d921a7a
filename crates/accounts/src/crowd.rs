//! Against one network in everybody's way: how many of its passwords are hashed or wait for it, and how
//! often it signs in, with the right password, too. Bounded in memory.
//!
//! [`crate::guard`] is about guessing, and lets the right password through for ever: whoever has an account
//! could keep all places before the hash. Neighbours share what is theirs; other networks are served.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::limits::{SIGN_IN_EVERY_MS, SIGN_INS_AT_ONCE};

/// Of how many networks it is remembered; some 50 bytes each.
const NETWORKS_MAX: usize = 100_000;
/// When a place may be free again: some hashes later.
const PLACE_AGAIN_MS: u64 = 1_000;

/// What one network does.
#[derive(Clone, Copy, Debug, Default)]
struct Network {
    places: usize,
    /// When it may do again as much as a network ever may.
    rested_ms: u64,
}

/// What all networks do. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    networks: Arc<Mutex<HashMap<u64, Network>>>,
    places_max: usize,
}

/// A place of a network, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    crowd: Crowd,
    network: u64,
}

impl Crowd {
    /// Each network has so many places.
    pub(crate) fn new(places_max: usize) -> Self {
        Self {
            networks: Arc::default(),
            places_max: places_max.max(1),
        }
    }

    /// A place for a sign-in of a network (by its keyed hash), or milliseconds to wait before the next.
    pub(crate) fn enter(&self, network: u64, now_ms: u64) -> Result<Place, u64> {
        let mut networks = self.networks.lock();
        if networks.len() >= NETWORKS_MAX {
            networks.retain(|_, it| it.places > 0 || it.rested_ms > now_ms);
            if networks.len() >= NETWORKS_MAX {
                // So many are no people: nobody's pace is remembered, rather than everybody refused.
                networks.retain(|_, it| it.places > 0);
            }
        }
        let own = networks.entry(network).or_default();
        if own.places >= self.places_max {
            return Err(PLACE_AGAIN_MS);
        }
        let tired_ms = SIGN_IN_EVERY_MS.saturating_mul(SIGN_INS_AT_ONCE);
        // A clock that is set back makes nobody wait for longer.
        let latest_ms = now_ms.saturating_add(tired_ms);
        own.rested_ms = own.rested_ms.clamp(now_ms, latest_ms);
        let rested_ms = own.rested_ms.saturating_add(SIGN_IN_EVERY_MS);
        let over = rested_ms.saturating_sub(latest_ms);
        if over > 0 {
            return Err(over);
        }
        own.rested_ms = rested_ms;
        own.places += 1;
        Ok(Place {
            crowd: self.clone(),
            network,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(own) = self.crowd.networks.lock().get_mut(&self.network) {
            own.places = own.places.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;
    const DAY_MS: u64 = 86_400_000;

    #[test]
    fn a_network_has_its_places_and_others_have_theirs() {
        let crowd = Crowd::new(2);
        let first = crowd.enter(1, NOW).unwrap();
        let _second = crowd.enter(1, NOW).unwrap();
        assert_eq!(crowd.enter(1, NOW).unwrap_err(), PLACE_AGAIN_MS);
        let _other = crowd.enter(2, NOW).unwrap();
        drop(first);
        crowd.enter(1, NOW).unwrap();
    }

    #[test]
    fn a_network_has_a_pace() {
        let crowd = Crowd::new(1);
        let burst = |now_ms| {
            (0..1_000)
                .filter(|_| crowd.enter(1, now_ms).is_ok())
                .count()
        };
        let at_once = usize::try_from(SIGN_INS_AT_ONCE).unwrap();
        assert_eq!(burst(NOW), at_once);
        assert_eq!(crowd.enter(1, NOW).unwrap_err(), SIGN_IN_EVERY_MS);
        assert_eq!(burst(NOW + 3 * SIGN_IN_EVERY_MS), 3);
        assert!(crowd.enter(2, NOW).is_ok(), "elsewhere");
        assert_eq!(burst(NOW + DAY_MS), at_once, "never more");
        // The clock is set back: the wait is that of the present.
        assert_eq!(crowd.enter(1, NOW).unwrap_err(), SIGN_IN_EVERY_MS);
        assert_eq!(burst(NOW + SIGN_IN_EVERY_MS), 1);
    }

    #[test]
    fn memory_is_bounded_and_places_are_kept() {
        let crowd = Crowd::new(1);
        let _held = crowd.enter(u64::MAX, NOW).unwrap();
        for network in 0..2 * NETWORKS_MAX as u64 {
            drop(crowd.enter(network, NOW));
        }
        assert!(crowd.networks.lock().len() <= NETWORKS_MAX);
        assert!(crowd.enter(u64::MAX, NOW).is_err(), "its place is taken");
    }
}
