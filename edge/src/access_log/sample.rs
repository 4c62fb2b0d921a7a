//! Which successes are written: a share of them, chosen by a hash of the request's id, so that every tier chooses the
//! same.

/// The longest id that is taken from a request, in bytes.
const ID_BYTES_MAX: usize = 64;

/// A share of all requests, from none to all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Hashes below it are in; `None`: all are.
    below: Option<u64>,
}

impl Share {
    /// `share` from 0 to 1; `None` for anything else.
    #[must_use]
    pub fn new(share: f64) -> Option<Self> {
        if !(0.0..=1.0).contains(&share) {
            return None;
        }
        // 2^64, which no u64 is: `as` would stop one below.
        let below = share * 18_446_744_073_709_551_616.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to below 2^64"
        )]
        let below = (share < 1.0).then_some(below as u64);
        Some(Self { below })
    }

    /// Whether the request with this id is in.
    #[must_use]
    pub fn has(self, request_id: &str) -> bool {
        self.below.is_none_or(|below| hash(request_id) < below)
    }
}

/// FNV-1a of the id's bytes, 64 bits, through MurmurHash3's finalizer: other tiers and tools can do the same.
fn hash(id: &str) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in id.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// Whether an id out of a request is taken for one: 1 to 64 letters, digits, `-`, `_` or `.`.
#[must_use]
pub fn is_request_id(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(fits)
}

/// An id for a request that has none.
#[must_use]
pub fn made_id() -> String {
    format!("{:016x}", rand::random::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_share_and_a_smaller_one_part_of_it() {
        let ids: Vec<String> = (0..20_000).map(|n| format!("request-{n}")).collect();
        let count = |share: f64| {
            let share = Share::new(share).unwrap();
            ids.iter().filter(|id| share.has(id)).count()
        };
        assert_eq!(count(0.0), 0);
        assert_eq!(count(1.0), ids.len());
        assert!((1_800..2_200).contains(&count(0.1)), "{}", count(0.1));
        assert!((9_700..10_300).contains(&count(0.5)), "{}", count(0.5));
        let (few, many) = (Share::new(0.01).unwrap(), Share::new(0.2).unwrap());
        assert!(ids.iter().all(|id| !few.has(id) || many.has(id)));
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Share::new(wrong), None, "{wrong}");
        }
    }

    /// Tiers of other versions sample the same requests: the hash may not change.
    #[test]
    fn the_hash_is_what_the_documentation_says() {
        assert_eq!(hash("request-1"), reference(b"request-1"));
        let zero = Share::new(0.5).unwrap();
        assert_eq!(zero.has("request-1"), reference(b"request-1") < 1 << 63);
    }

    fn reference(text: &[u8]) -> u64 {
        let fnv = text
            .iter()
            .fold(14_695_981_039_346_656_037, |hash: u64, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(1_099_511_628_211)
            });
        let step = |hash: u64, factor: u64| (hash ^ (hash >> 33)).wrapping_mul(factor);
        let mixed = step(
            step(fnv, 18_397_679_294_719_823_053),
            14_181_476_777_654_086_739,
        );
        mixed ^ (mixed >> 33)
    }

    #[test]
    fn ids_are_short_and_plain() {
        for good in ["a", "6e2fb550-c457.11e9_B", &"x".repeat(64)] {
            assert!(is_request_id(good), "{good}");
        }
        for bad in ["", "a b", "a\"b", "a\nb", "ä", &"x".repeat(65)] {
            assert!(!is_request_id(bad), "{bad}");
        }
        assert!(is_request_id(&made_id()));
        assert_ne!(made_id(), made_id());
    }
}
