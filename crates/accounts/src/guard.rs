//! Against guessing: who has to wait before a password is looked at. Pure, and bounded in memory.
//!
//! Failures are counted per account *and network*, and per network; never per account alone, so
//! nobody is locked out by what others do elsewhere. A network from which the account was signed in
//! to before does not wait for what its neighbours did to other accounts.
//!
//! An attempt counts as a failure from [`Guard::admit`] on, until [`Guard::settle`] says otherwise:
//! a thousand at once are not all admitted. One that is not admitted changes nothing.

mod table;

use std::net::IpAddr;

use ring::hmac;

use crate::error::Error;
use crate::random;
use crate::text::Login;
use table::Table;

/// Bits of an IPv4 address that are one network: what one home or mobile carrier moves within.
const IPV4_BITS: u32 = 24;
/// Bits of an IPv6 address that are one network: what one customer gets at most.
const IPV6_BITS: u32 = 48;
/// Bytes of the key that hides logins and networks.
const KEY_BYTES: usize = 32;

/// Buckets of the tables, 8 entries of 40 bytes each: at most 2.6 MiB a table.
const BUCKETS: usize = 8_192;

/// How failures of one kind are answered.
#[derive(Clone, Copy, Debug)]
struct Policy {
    /// Failures without any wait: people mistype.
    free: u32,
    /// The first wait in milliseconds; each further failure doubles it.
    first_ms: u64,
    /// The longest wait in milliseconds.
    longest_ms: u64,
    /// Milliseconds without a failure after which half of them are forgotten.
    half_life_ms: u64,
}

/// For one account from one network.
const PAIR: Policy = Policy {
    free: 5,
    first_ms: 1_000,
    longest_ms: 15 * 60 * 1_000,
    half_life_ms: 6 * 60 * 60 * 1_000,
};

/// For all accounts from one network, which may be that of a school.
const NETWORK: Policy = Policy {
    free: 50,
    first_ms: 1_000,
    longest_ms: 5 * 60 * 1_000,
    half_life_ms: 15 * 60 * 1_000,
};

/// Failures that are counted: more would not make any wait longer.
const FAILURES_MAX: u32 = 128;

/// Who tries, without names: a keyed hash of login and network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pair: u64,
    network: u64,
}

impl Source {
    /// From where, without names.
    pub(crate) fn network(self) -> u64 {
        self.network
    }
}

/// What became of an attempt that was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The password was right.
    Right,
    /// It was not, or there is no such account.
    Wrong,
    /// It was not looked at.
    Untried,
}

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: u32,
    last_ms: u64,
}

impl Failures {
    /// Those that still count.
    fn now(self, policy: &Policy, now_ms: u64) -> u32 {
        let halvings = now_ms.saturating_sub(self.last_ms) / policy.half_life_ms;
        let halvings = u32::try_from(halvings).unwrap_or(u32::MAX);
        self.count.checked_shr(halvings).unwrap_or(0)
    }

    /// Milliseconds to wait still.
    fn wait(self, policy: &Policy, now_ms: u64) -> u64 {
        let over = self.now(policy, now_ms).checked_sub(policy.free);
        let Some(over) = over else { return 0 };
        let doubled = 1_u64.checked_shl(over).unwrap_or(u64::MAX);
        let delay = policy.first_ms.saturating_mul(doubled);
        let delay = delay.min(policy.longest_ms);
        delay.saturating_sub(now_ms.saturating_sub(self.last_ms))
    }

    fn add(&mut self, policy: &Policy, now_ms: u64) {
        let count = self.now(policy, now_ms).saturating_add(1);
        self.count = count.min(FAILURES_MAX);
        self.last_ms = now_ms;
    }
}

/// The counts of one process. Forgotten when it ends.
#[derive(Debug)]
pub(crate) struct Guard {
    key: hmac::Key,
    pairs: Table<Failures>,
    networks: Table<Failures>,
    /// Accounts and the networks from which they were signed in to.
    known: Table<()>,
}

impl Guard {
    pub(crate) fn new() -> Result<Self, Error> {
        let key: [u8; KEY_BYTES] = random::bytes()?;
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            pairs: Table::new(BUCKETS),
            networks: Table::new(BUCKETS),
            known: Table::new(BUCKETS),
        })
    }

    /// Who tries: known account or not, it is the same.
    pub(crate) fn source(&self, login: &Login, client: IpAddr) -> Source {
        let network = network(client);
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&network);
        let alone = context.clone();
        // The network has the same length always: nothing else gives the same bytes.
        context.update(login.as_str().as_bytes());
        let short = |tag: hmac::Tag| u64::from_le_bytes(random::array(tag.as_ref()));
        Source {
            pair: short(context.sign()),
            network: short(alone.sign()),
        }
    }

    /// Lets an attempt through, and counts it as a failure until it is settled; or answers for how
    /// many milliseconds none is let through.
    pub(crate) fn admit(&mut self, source: Source, now_ms: u64) -> Result<(), u64> {
        // A wait that began in the future, before the clock was set back, begins now.
        self.pairs.set_back(source.pair, now_ms, Failures::rebase);
        self.networks
            .set_back(source.network, now_ms, Failures::rebase);
        let pair = self.pairs.find(source.pair);
        let mut wait = pair.map_or(0, |failures| failures.wait(&PAIR, now_ms));
        if self.known.find(source.pair).is_none() {
            let network = self.networks.find(source.network);
            let of_network = network.map_or(0, |failures| failures.wait(&NETWORK, now_ms));
            wait = wait.max(of_network);
        }
        if wait > 0 {
            return Err(wait);
        }
        let (pairs, networks) = (&mut self.pairs, &mut self.networks);
        pairs.entry(source.pair, now_ms, |failures| failures.add(&PAIR, now_ms));
        networks.entry(source.network, now_ms, |failures| {
            failures.add(&NETWORK, now_ms);
        });
        Ok(())
    }

    /// What became of it.
    pub(crate) fn settle(&mut self, source: Source, attempt: Attempt, now_ms: u64) {
        match attempt {
            Attempt::Wrong => {}
            Attempt::Right => {
                self.pairs.remove(source.pair);
                // Only its own: else a thief's own account would clear what the thief did.
                self.networks.change(source.network, Failures::take_back);
                self.known.entry(source.pair, now_ms, |()| {});
            }
            Attempt::Untried => {
                self.pairs.change(source.pair, Failures::take_back);
                self.networks.change(source.network, Failures::take_back);
            }
        }
    }
}

impl Failures {
    fn take_back(&mut self) {
        self.count = self.count.saturating_sub(1);
    }

    fn rebase(&mut self, now_ms: u64) {
        self.last_ms = self.last_ms.min(now_ms);
    }
}

/// The bytes of the network that an address is in.
fn network(client: IpAddr) -> [u8; 17] {
    let (family, bits) = match client.to_canonical() {
        IpAddr::V4(address) => {
            let bits = address.to_bits() >> (u32::BITS - IPV4_BITS);
            (4, u128::from(bits))
        }
        IpAddr::V6(address) => (6, address.to_bits() >> (u128::BITS - IPV6_BITS)),
    };
    let mut network = [family; 17];
    for (to, from) in network.iter_mut().skip(1).zip(bits.to_be_bytes()) {
        *to = from;
    }
    network
}

#[cfg(test)]
mod tests;
