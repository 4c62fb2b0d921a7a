//! Session tickets (RFC 8446 section 4.6.1, RFC 5077) by keys that several nodes share.
//!
//! A ticket is `name (16) | salt (32) | sealed | tag (16)`. The name tells keys apart; it is derived
//! from the secret, so that a key has it on every node. What is sealed (ChaCha20-Poly1305) is the time
//! of issue and rustls' state, under a key that is derived from the secret and the salt. So each ticket
//! has a key of its own, and its nonce may be zero: however many nodes seal however many tickets, none
//! is used twice, which random nonces of 96 bits could not promise.
//!
//! A ticket is good for [`LIFETIME`], whatever its key's age. The secret is what protects the
//! resumed sessions of that time: rotate it (RFC 8446 section 8.1 and appendix C.4).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use base64::Engine;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use rustls::server::ProducesTickets;

/// How long a ticket is good.
pub const LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// Keys at once.
pub const KEYS_MAX: usize = 16;
/// Bytes of a secret: as strong as the key that is derived from it, and no file by mistake.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 32..=128;
/// What another node's clock may be ahead.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(600);
/// rustls' state of a session without client certificates is some hundred bytes.
const STATE_BYTES_MAX: usize = 4096;

const NAME_LEN: usize = 16;
const SALT_LEN: usize = 32;
const ISSUED_LEN: usize = 8;
const TAG_LEN: usize = 16;

/// Keys that cannot be used. Says nothing of what they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketKeysError {
    /// A line is not a key.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Why.
        reason: &'static str,
    },
    /// There is no key.
    #[error("there is no key in it")]
    None,
    /// More than [`KEYS_MAX`].
    #[error("there are more than {KEYS_MAX} keys in it")]
    TooMany,
}

/// Keys of session tickets: the first seals, all open.
#[derive(Clone)]
pub struct TicketKeys(Arc<[TicketKey]>);

struct TicketKey {
    name: [u8; NAME_LEN],
    /// Derives the key of each ticket from its salt.
    derive: hmac::Key,
}

/// Tickets by [`TicketKeys`] that may be replaced while servers run.
#[derive(Debug)]
pub struct Ticketer {
    keys: ArcSwap<TicketKeys>,
    random: SystemRandom,
}

impl TicketKeys {
    /// Of text: a line per key, the Base64 (RFC 4648 section 4) of 32 to 128 random bytes, such as
    /// `openssl rand -base64 48` prints. Empty lines and those that begin with `#` are left out.
    ///
    /// # Errors
    /// See [`TicketKeysError`].
    pub fn parse(text: &str) -> Result<Self, TicketKeysError> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let error = |reason| TicketKeysError::Line {
                line: index + 1,
                reason,
            };
            let secret = base64::engine::general_purpose::STANDARD
                .decode(line)
                .map_err(|_| error("this is not Base64"))?;
            if !SECRET_BYTES.contains(&secret.len()) {
                return Err(error("a key has 32 to 128 bytes"));
            }
            if keys.len() == KEYS_MAX {
                return Err(TicketKeysError::TooMany);
            }
            keys.push(TicketKey::new(&secret));
        }
        if keys.is_empty() {
            return Err(TicketKeysError::None);
        }
        Ok(Self(keys.into()))
    }

    fn seal(&self, state: &[u8], salt: [u8; SALT_LEN], now: SystemTime) -> Option<Vec<u8>> {
        if state.len() > STATE_BYTES_MAX {
            return None;
        }
        let key = self.0.first()?;
        let issued = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let mut sealed = Vec::with_capacity(ISSUED_LEN + state.len() + TAG_LEN);
        sealed.extend_from_slice(&issued.to_be_bytes());
        sealed.extend_from_slice(state);
        key.of_ticket(&salt)?
            .seal_in_place_append_tag(nonce(), Aad::from(key.name), &mut sealed)
            .ok()?;
        Some([&key.name[..], &salt, &sealed].concat())
    }

    fn open(&self, ticket: &[u8], now: SystemTime) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME_LEN>()?;
        let (salt, sealed) = rest.split_first_chunk::<SALT_LEN>()?;
        if sealed.len() > ISSUED_LEN + STATE_BYTES_MAX + TAG_LEN {
            return None;
        }
        // The name is public: nothing is learned from the time that this takes.
        let key = self.0.iter().find(|key| key.name == *name)?;
        let mut sealed = sealed.to_vec();
        let opened = key
            .of_ticket(salt)?
            .open_in_place(nonce(), Aad::from(key.name), &mut sealed)
            .ok()?;
        let (issued, state) = opened.split_first_chunk::<ISSUED_LEN>()?;
        let issued = UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_be_bytes(*issued)))?;
        let is_good = match now.duration_since(issued) {
            Ok(age) => age <= LIFETIME,
            Err(ahead) => ahead.duration() <= CLOCK_SKEW_MAX,
        };
        is_good.then(|| state.to_vec())
    }
}

impl TicketKey {
    fn new(secret: &[u8]) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&secret, b"weir session ticket name");
        let mut name = [0; NAME_LEN];
        for (to, from) in name.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        let derive = hmac::sign(&secret, b"weir session ticket key");
        Self {
            name,
            derive: hmac::Key::new(hmac::HMAC_SHA256, derive.as_ref()),
        }
    }

    fn of_ticket(&self, salt: &[u8; SALT_LEN]) -> Option<LessSafeKey> {
        let key = hmac::sign(&self.derive, salt);
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_ref()).ok()?;
        Some(LessSafeKey::new(key))
    }
}

/// Each key seals once.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

impl Ticketer {
    /// Tickets by `keys`.
    #[must_use]
    pub fn new(keys: TicketKeys) -> Self {
        Self {
            keys: ArcSwap::from_pointee(keys),
            random: SystemRandom::new(),
        }
    }

    /// From now on tickets are by these.
    pub fn replace(&self, keys: TicketKeys) {
        self.keys.store(Arc::new(keys));
    }
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(LIFETIME.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, state: &[u8]) -> Option<Vec<u8>> {
        let mut salt = [0; SALT_LEN];
        self.random.fill(&mut salt).ok()?;
        self.keys.load().seal(state, salt, SystemTime::now())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.keys.load().open(ticket, SystemTime::now())
    }
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TicketKeys").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn line(byte: u8) -> String {
        base64::engine::general_purpose::STANDARD.encode([byte; 48])
    }

    fn keys(bytes: &[u8]) -> TicketKeys {
        let lines: Vec<String> = bytes.iter().map(|byte| line(*byte)).collect();
        TicketKeys::parse(&lines.join("\n")).unwrap()
    }

    fn at(seconds: i64) -> SystemTime {
        let now = i64::try_from(NOW.as_secs()).unwrap() + seconds;
        UNIX_EPOCH + Duration::from_secs(u64::try_from(now).unwrap())
    }

    #[test]
    fn whoever_has_the_key_opens() {
        let ticket = keys(&[1, 2]).seal(b"state", [9; 32], at(0)).unwrap();
        assert_eq!(keys(&[3, 1]).open(&ticket, at(1)).unwrap(), b"state");
        assert_eq!(keys(&[2, 3]).open(&ticket, at(1)), None);
        // Another salt is another key.
        assert_ne!(ticket, keys(&[1]).seal(b"state", [8; 32], at(0)).unwrap());
    }

    #[test]
    fn a_ticket_is_good_for_twelve_hours() {
        let keys = keys(&[1]);
        let ticket = keys.seal(b"", [9; 32], at(0)).unwrap();
        for (seconds, good) in [
            (0, true),
            (12 * 3600, true),
            (12 * 3600 + 1, false),
            (-600, true),
            (-601, false),
        ] {
            assert_eq!(keys.open(&ticket, at(seconds)).is_some(), good, "{seconds}");
        }
    }

    #[test]
    fn nothing_else_opens() {
        let keys = keys(&[1]);
        let ticket = keys.seal(b"state", [9; 32], at(0)).unwrap();
        for place in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[place] ^= 1;
            assert_eq!(keys.open(&changed, at(0)), None, "{place}");
            assert_eq!(keys.open(&ticket[..place], at(0)), None, "{place}");
        }
        assert_eq!(keys.seal(&[0; 4097], [9; 32], at(0)), None);
    }

    #[test]
    fn files() {
        let parse = |text: &str| TicketKeys::parse(text).map(|keys| keys.0.len());
        let (a, b) = (line(1), line(2));
        assert_eq!(parse(&format!("# new\n{a}\n\n  {b}  \r\n")), Ok(2));
        assert_eq!(parse("# none\n"), Err(TicketKeysError::None));
        let many = vec![a.as_str(); 17].join("\n");
        assert_eq!(parse(&many), Err(TicketKeysError::TooMany));
        for (text, reason) in [
            ("%", "line 2: this is not Base64"),
            ("AAAA", "line 2: a key has 32 to 128 bytes"),
        ] {
            let said = parse(&format!("{a}\n{text}")).unwrap_err().to_string();
            assert_eq!(said, reason);
        }
    }
}
