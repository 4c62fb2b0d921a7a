//! Who may connect: a seat for each connection, few for each address.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;

use super::CloseReason;

/// Counts connections against their limits.
#[derive(Debug)]
pub(super) struct Admission {
    connections_max: usize,
    per_address_max: usize,
    seats: Arc<Mutex<Seats>>,
}

/// A parking_lot mutex, held for a map operation and never across an await.
#[derive(Debug, Default)]
struct Seats {
    taken: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place; dropping it frees the place.
#[derive(Debug)]
pub(super) struct Seat {
    peer: SocketAddr,
    seats: Arc<Mutex<Seats>>,
}

impl Admission {
    pub(super) fn new(connections_max: usize, per_address_max: usize) -> Self {
        Self {
            connections_max,
            per_address_max,
            seats: Arc::default(),
        }
    }

    pub(super) fn admit(&self, peer: SocketAddr) -> Result<Seat, CloseReason> {
        let mut seats = self.seats.lock();
        if seats.taken >= self.connections_max {
            return Err(CloseReason::TooManyConnections);
        }
        let from_address = seats.by_address.entry(peer.ip()).or_insert(0);
        if *from_address >= self.per_address_max {
            return Err(CloseReason::TooManyFromAddress);
        }
        *from_address += 1;
        seats.taken += 1;
        Ok(Seat {
            peer,
            seats: Arc::clone(&self.seats),
        })
    }
}

impl Seat {
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.seats.lock();
        seats.taken = seats.taken.saturating_sub(1);
        if let Some(count) = seats.by_address.get_mut(&self.peer.ip()) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                seats.by_address.remove(&self.peer.ip());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], port))
    }

    #[test]
    fn seats_are_limited_and_come_back() {
        let admission = Admission::new(3, 2);
        let first = admission.admit(peer(1, 1)).unwrap();
        let _second = admission.admit(peer(1, 2)).unwrap();
        let third = admission.admit(peer(1, 3)).unwrap_err();
        assert_eq!(third.as_str(), "too_many_from_address");
        let _other = admission.admit(peer(2, 1)).unwrap();
        let full = admission.admit(peer(3, 1)).unwrap_err();
        assert_eq!(full.as_str(), "too_many_connections");
        drop(first);
        let again = admission.admit(peer(1, 4)).unwrap();
        drop((again, _second, _other));
        assert!(admission.seats.lock().by_address.is_empty(), "no growth");
    }
}
