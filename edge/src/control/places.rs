//! How many may ask at once, and how many of one home.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

/// Who asks, as far as an address says: of IPv6 the first 64 bits are a customer's (RFC 6177), and all the
/// others are his to choose.
pub fn asker(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    most_of_one: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// No more entries than places.
    of: HashMap<IpAddr, usize>,
}

/// Is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    asker: IpAddr,
}

impl Places {
    pub(super) fn new(most: usize, most_of_one: usize) -> Self {
        Self {
            most,
            most_of_one,
            taken: Mutex::default(),
        }
    }

    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let asker = asker(address);
        let mut taken = self.taken.lock();
        let of_one = taken.of.get(&asker).copied().unwrap_or_default();
        if taken.all >= self.most || of_one >= self.most_of_one {
            return None;
        }
        taken.all += 1;
        taken.of.insert(asker, of_one + 1);
        Some(Place {
            places: Arc::clone(self),
            asker,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.all -= 1;
        if let Entry::Occupied(mut of_one) = taken.of.entry(self.asker) {
            *of_one.get_mut() -= 1;
            if *of_one.get() == 0 {
                of_one.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_is_one_asker() {
        let asker = |address: &str| asker(address.parse().unwrap()).to_string();
        assert_eq!(asker("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(asker("192.0.2.7"), "192.0.2.7");
        assert_eq!(asker("::ffff:192.0.2.7"), "192.0.2.7");
    }

    #[test]
    fn nobody_takes_all() {
        let places = Arc::new(Places::new(3, 2));
        let mut kept = vec![
            places.take(ip("2001:db8::1")).unwrap(),
            places.take(ip("2001:db8::2")).unwrap(),
        ];
        assert!(places.take(ip("2001:db8::3")).is_none(), "one home");
        kept.push(places.take(ip("10.0.0.1")).unwrap());
        assert!(places.take(ip("10.0.0.2")).is_none(), "all are taken");
        kept.remove(0);
        kept.push(places.take(ip("::ffff:10.0.0.1")).unwrap());
        assert!(places.take(ip("10.0.0.1")).is_none());
        kept.clear();
        assert!(places.taken.lock().of.is_empty());
        assert_eq!(places.taken.lock().all, 0);
    }
}
