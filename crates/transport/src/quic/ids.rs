//! Connection ids that say which process issued them.
//!
//! While an edge is upgraded in place, two processes answer at one UDP port. The one that reads the
//! socket tells by the id whose connection a datagram belongs to. An id is the process's generation,
//! four random bytes, and a hash of both with a key that the processes hand on: what a client makes
//! up, as it does for its first packets, is nobody's. Generations are no secret, and the same in all
//! ids of a process: they tell nothing of which ids are one connection's (RFC 9000 section 5.1).

use std::hash::Hasher as _;
use std::time::Duration;

use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid};
use ring::rand::{SecureRandom as _, SystemRandom};
use siphasher::sip::SipHasher13;

pub use super::destination::{ID_BYTES, OTHER_ID_BYTES_MAX, destination};

const NONCE_BYTES: usize = 4;

/// Makes ids of one process, and knows those of the others.
#[derive(Clone, Copy)]
pub struct Ids {
    key: [u8; 16],
    generation: u8,
}

impl Ids {
    /// With a new key: the first process.
    #[must_use]
    pub fn new() -> Self {
        let mut key = [0; 16];
        // Without randomness nothing of QUIC works; the hash then only keeps accidents away.
        let _ = SystemRandom::new().fill(&mut key);
        Self { key, generation: 0 }
    }

    /// Of the process with this key and generation.
    #[must_use]
    pub fn of(key: [u8; 16], generation: u8) -> Self {
        Self { key, generation }
    }

    /// What the next process needs.
    #[must_use]
    pub fn key(&self) -> [u8; 16] {
        self.key
    }

    /// That of this process.
    #[must_use]
    pub fn generation(&self) -> u8 {
        self.generation
    }

    /// Whose an id is; `None`: nobody's, a client made it up.
    #[must_use]
    pub fn generation_of(&self, id: &[u8]) -> Option<u8> {
        let (head, hash) = id.split_at_checked(1 + NONCE_BYTES)?;
        let generation = *head.first()?;
        (hash == self.hash(head)).then_some(generation)
    }

    /// Whose a datagram is, by the id in its first packet.
    #[must_use]
    pub fn generation_of_datagram(&self, datagram: &[u8]) -> Option<u8> {
        self.generation_of(destination(datagram)?)
    }

    fn hash(&self, head: &[u8]) -> [u8; ID_BYTES - 1 - NONCE_BYTES] {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(head);
        let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
        [a, b, c, d]
    }
}

impl Default for Ids {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ids")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; ID_BYTES];
        let (head, hash) = id.split_at_mut(1 + NONCE_BYTES);
        if let Some((generation, nonce)) = head.split_first_mut() {
            *generation = self.generation;
            let _ = SystemRandom::new().fill(nonce);
        }
        hash.copy_from_slice(&self.hash(head));
        ConnectionId::new(&id)
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        match self.generation_of(id) {
            Some(generation) if generation == self.generation => Ok(()),
            _ => Err(InvalidCid),
        }
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(id: &[u8]) -> Vec<u8> {
        [&[0x40], id, &[0; 30]].concat()
    }

    fn long(id: &[u8]) -> Vec<u8> {
        let length = u8::try_from(id.len()).unwrap();
        [&[0xc0, 0, 0, 0, 1, length], id, &[0; 30]].concat()
    }

    #[test]
    fn each_process_knows_its_own_and_those_of_the_others() {
        let mut first = Ids::new();
        let mut second = Ids::of(first.key(), 1);
        let mut stranger = Ids::new();
        for _ in 0..100 {
            let (old, new) = (first.generate_cid(), second.generate_cid());
            assert!(first.validate(&old).is_ok() && second.validate(&new).is_ok());
            assert!(first.validate(&new).is_err() && second.validate(&old).is_err());
            for datagram in [short(&old), long(&old)] {
                assert_eq!(second.generation_of_datagram(&datagram), Some(0));
            }
            for datagram in [short(&new), long(&new)] {
                assert_eq!(second.generation_of_datagram(&datagram), Some(1));
            }
            let made_up = stranger.generate_cid();
            assert_eq!(second.generation_of_datagram(&short(&made_up)), None);
        }
    }

    #[test]
    fn what_clients_make_up_is_nobodys() {
        let ids = Ids::new();
        for length in 0..=20_u8 {
            let id = vec![0; usize::from(length)];
            assert_eq!(ids.generation_of_datagram(&long(&id)), None, "{length}");
        }
        for datagram in [&[][..], &[0x40], &[0xc0, 0, 0], &[0xff; 6], &[0xff; 300]] {
            assert_eq!(ids.generation_of_datagram(datagram), None);
        }
    }

    #[test]
    fn ids_differ() {
        let mut ids = Ids::new();
        let made: std::collections::HashSet<_> =
            (0..10_000).map(|_| ids.generate_cid().to_vec()).collect();
        assert!(made.len() > 9_990);
    }
}
