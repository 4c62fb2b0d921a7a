//! Shared secrets for HMAC-SHA-256, with several in use during a rotation.

use std::fmt;

use ring::hmac;

/// The shortest secret, in bytes: the length of the hash, as RFC 2104 3 advises and RFC 7518 3.2
/// demands.
pub const SECRET_BYTES_MIN: usize = 32;

/// How many secrets a key may have; each costs an HMAC per check.
pub const SECRETS_MAX: usize = 8;

/// One to [`SECRETS_MAX`] secrets: the first signs, every one verifies. `Debug` shows none.
///
/// To rotate: add the new one at the end everywhere, then move it to the front, then remove the old
/// one when nothing signed with it is in use any more.
#[derive(Clone)]
pub struct Secrets {
    first: hmac::Key,
    others: Vec<hmac::Key>,
}

/// Why secrets are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretsError {
    /// None at all.
    #[error("there is no secret")]
    Empty,
    /// More than [`SECRETS_MAX`].
    #[error("there are {count} secrets, at most {SECRETS_MAX} are allowed")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// One that is too short to be safe.
    #[error("a secret has {bytes} bytes, at least {SECRET_BYTES_MIN} are needed")]
    TooShort {
        /// Its length.
        bytes: usize,
    },
}

impl Secrets {
    /// Takes them in order; the first one signs.
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Result<Self, SecretsError> {
        let mut keys = Vec::new();
        for secret in secrets {
            let secret = secret.as_ref();
            if secret.len() < SECRET_BYTES_MIN {
                return Err(SecretsError::TooShort {
                    bytes: secret.len(),
                });
            }
            keys.push(hmac::Key::new(hmac::HMAC_SHA256, secret));
        }
        let count = keys.len();
        if count > SECRETS_MAX {
            return Err(SecretsError::TooMany { count });
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(SecretsError::Empty)?;
        Ok(Self {
            first,
            others: keys.collect(),
        })
    }

    /// The MAC of `data`, by the first secret.
    pub fn sign(&self, data: &[u8]) -> [u8; 32] {
        let mut mac = [0; 32];
        mac.copy_from_slice(hmac::sign(&self.first, data).as_ref());
        mac
    }

    /// Whether `tag` is the MAC of `data` by any of the secrets. Compared in constant time, and
    /// against every secret whether or not an earlier one matched.
    pub fn verify(&self, data: &[u8], tag: &[u8]) -> bool {
        std::iter::once(&self.first)
            .chain(&self.others)
            .fold(false, |found, key| {
                found | hmac::verify(key, data, tag).is_ok()
            })
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.others.len() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_eight_of_enough_length() {
        let refused = |secrets: &[&[u8]]| Secrets::new(secrets).unwrap_err();
        assert_eq!(refused(&[]), SecretsError::Empty);
        assert_eq!(
            refused(&[&[1; 32], &[2; 31]]),
            SecretsError::TooShort { bytes: 31 }
        );
        assert_eq!(
            refused(&[&[1; 32][..]; 9]),
            SecretsError::TooMany { count: 9 }
        );
        assert!(Secrets::new([[1; 32]; 8]).is_ok());
    }

    #[test]
    fn the_first_signs_and_all_verify() {
        let old = Secrets::new([[1; 32]]).unwrap();
        let both = Secrets::new([[2; 32], [1; 32]]).unwrap();
        assert!(both.verify(b"data", &old.sign(b"data")));
        assert!(!old.verify(b"data", &both.sign(b"data")));
        assert!(both.verify(b"data", &both.sign(b"data")));
        assert!(!both.verify(b"date", &both.sign(b"data")));
        for tag in [&[][..], &[0; 31], &[0; 32], &[0; 33]] {
            assert!(!both.verify(b"data", tag));
        }
    }

    /// RFC 4231 4.3 has a short key; 4.7 has one of 131 bytes.
    #[test]
    fn test_vector() {
        let mac = Secrets::new([[0xaa; 131]])
            .unwrap()
            .sign(b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(mac[..4], [0x60, 0xe4, 0x31, 0x59]);
        assert_eq!(mac[28..], [0x0e, 0xe3, 0x7f, 0x54]);
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", Secrets::new([[77; 32]; 2]).unwrap());
        assert_eq!(shown, "Secrets(2)");
    }
}
