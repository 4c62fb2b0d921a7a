//! Passwords: argon2id (RFC 9106), off the threads that serve, a few at a time.

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::{
    Output, PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString,
};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;

use crate::crowd::Place;
use crate::error::{Error, Invalid};
use crate::limits::{
    HASH_LANES, HASH_MEMORY_KIB, HASH_PASSES, HASHES_LIMIT, HASHES_WAITING_MAX, PASSWORD_BYTES_MAX,
    PASSWORD_BYTES_MIN, PLACES_SHARE,
};
use crate::random;
use crate::text::Login;

/// The commonest, small letters, one a line.
const COMMON: &str = include_str!("common_passwords.txt");
const SALT_BYTES: usize = 16;

/// A password as typed, in NFC: keyboards write the same letter in several ways. Not shown.
#[derive(Clone)]
pub struct Password(String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl Password {
    /// Of any length that a password may have; to be compared.
    ///
    /// # Errors
    /// It has not 8 to 256 bytes.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&text.len()) {
            return Err(Invalid::PasswordLength);
        }
        Ok(Self(text.nfc().collect()))
    }

    /// Whether it may become the password of an account.
    ///
    /// # Errors
    /// It is one of the commonest, or the login name.
    pub fn check(&self, login: &Login) -> Result<(), Invalid> {
        let small = self.0.to_lowercase();
        if small == login.as_str() || COMMON.lines().any(|common| common == small) {
            return Err(Invalid::PasswordCommon);
        }
        Ok(())
    }
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wrong,
    Right {
        /// A hash by the parameters of today, where the one that is stored is not.
        rehashed: Option<String>,
    },
}

/// Computes hashes, a bounded number at a time, with a bounded line before them.
#[derive(Clone, Debug)]
pub(crate) struct Hasher {
    argon2: Argon2<'static>,
    params: Params,
    line: Arc<Semaphore>,
    slots: Arc<Semaphore>,
}

impl Hasher {
    /// `concurrent` hashes at once.
    pub(crate) fn new(concurrent: usize) -> Result<Self, Invalid> {
        if !(1..=HASHES_LIMIT).contains(&concurrent) {
            return Err(Invalid::Options("there have to be 1 to 64 hashes at once"));
        }
        let wrong = |_| Invalid::Options("the parameters of argon2id are out of range");
        let params = Params::new(HASH_MEMORY_KIB, HASH_PASSES, HASH_LANES, None);
        let params = params.map_err(wrong)?;
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone()),
            params,
            line: Arc::new(Semaphore::new(concurrent + HASHES_WAITING_MAX)),
            slots: Arc::new(Semaphore::new(concurrent)),
        })
    }

    /// A PHC string.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, Error> {
        self.run(None, move |hasher| hasher.compute(&password))
            .await
    }

    /// Places before the hash and in it that one network may have.
    pub(crate) fn places(concurrent: usize) -> usize {
        concurrent.saturating_add(HASHES_WAITING_MAX) / PLACES_SHARE
    }

    /// Compares; `None` is an account that is not there, and takes as long. `place` is given back when the
    /// work ends.
    pub(crate) async fn verify(
        &self,
        password: Password,
        stored: Option<String>,
        place: Option<Place>,
    ) -> Result<Verdict, Error> {
        self.run(place, move |hasher| {
            hasher.compare(&password, stored.as_deref())
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        place: Option<Place>,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let line = Arc::clone(&self.line).try_acquire_owned();
        let line = line.map_err(|_| Error::Busy)?;
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let slot = slot.map_err(Error::unavailable)?;
        let hasher = self.clone();
        // The places are given back when the work ends, not when whoever asked goes away.
        let working = tokio::task::spawn_blocking(move || {
            let _kept = (line, slot, place);
            work(&hasher)
        });
        working.await.map_err(Error::unavailable)?
    }

    fn compute(&self, password: &Password) -> Result<String, Error> {
        let salt = salt()?;
        let hash = self.argon2.hash_password(password.0.as_bytes(), &salt);
        Ok(hash.map_err(Error::unavailable)?.to_string())
    }

    fn compare(&self, password: &Password, stored: Option<&str>) -> Result<Verdict, Error> {
        let Some(stored) = stored else {
            let dummy = self.dummy()?;
            let dummy = PasswordHash::new(&dummy).map_err(Error::unavailable)?;
            // All of the work, and never right: the output is random.
            let _ = self.argon2.verify_password(password.0.as_bytes(), &dummy);
            return Ok(Verdict::Wrong);
        };
        let hash = PasswordHash::new(stored).map_err(|_| Error::damaged("password hash"))?;
        match self.argon2.verify_password(password.0.as_bytes(), &hash) {
            Ok(()) => {}
            Err(argon2::password_hash::Error::Password) => return Ok(Verdict::Wrong),
            Err(_) => return Err(Error::damaged("password hash")),
        }
        let rehashed = if self.is_current(&hash) {
            None
        } else {
            Some(self.compute(password)?)
        };
        Ok(Verdict::Right { rehashed })
    }

    fn is_current(&self, hash: &PasswordHash<'_>) -> bool {
        let params = Params::try_from(hash);
        let of = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        hash.algorithm == Algorithm::Argon2id.ident()
            && hash.version == Some(Version::V0x13.into())
            && params.is_ok_and(|params| of(&params) == of(&self.params))
    }

    /// A hash of nothing.
    fn dummy(&self) -> Result<String, Error> {
        let output: random::Digest = random::bytes()?;
        let output = Output::new(&output).map_err(Error::unavailable)?;
        let salt = salt()?;
        let (m, t, p) = (
            self.params.m_cost(),
            self.params.t_cost(),
            self.params.p_cost(),
        );
        Ok(format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${output}"))
    }
}

fn salt() -> Result<SaltString, Error> {
    let bytes: [u8; SALT_BYTES] = random::bytes()?;
    SaltString::encode_b64(&bytes).map_err(Error::unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text).unwrap()
    }

    #[test]
    fn lengths_and_common_ones() {
        for (length, fine) in [(0, false), (7, false), (8, true), (256, true), (257, false)] {
            assert_eq!(Password::new(&"x".repeat(length)).is_ok(), fine, "{length}");
        }
        let login = Login::new("ana-maria").unwrap();
        for common in ["password", "PassWord1", "12345678", "Ana-Maria"] {
            assert_eq!(password(common).check(&login), Err(Invalid::PasswordCommon));
        }
        assert_eq!(password("correct horse").check(&login), Ok(()));
        assert_eq!(format!("{:?}", password("correct horse")), "Password");
        for line in COMMON.lines() {
            assert!(
                line.len() >= PASSWORD_BYTES_MIN,
                "{line}: refused for its length anyway"
            );
            assert_eq!(line, line.to_lowercase());
        }
    }

    #[tokio::test]
    async fn the_right_one_in_any_normalisation() {
        let hasher = Hasher::new(1).unwrap();
        let hash = hasher.hash(password("A\u{30a}ngstrom!")).await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        let verify = |text| hasher.verify(password(text), Some(hash.clone()), None);
        let right = Verdict::Right { rehashed: None };
        assert_eq!(verify("\u{c5}ngstrom!").await, Ok(right));
        assert_eq!(verify("\u{c5}ngstrom?").await, Ok(Verdict::Wrong));
        let nobody = hasher.verify(password("\u{c5}ngstrom!"), None, None).await;
        assert_eq!(nobody, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn older_parameters_are_replaced() {
        let hasher = Hasher::new(1).unwrap();
        let weak = Params::new(8, 1, 1, None).unwrap();
        let weak = Argon2::new(Algorithm::Argon2i, Version::V0x13, weak);
        let salt = salt().unwrap();
        let stored = weak.hash_password(b"correct horse", &salt);
        let stored = stored.unwrap().to_string();
        let verdict = hasher
            .verify(password("correct horse"), Some(stored), None)
            .await;
        let Ok(Verdict::Right {
            rehashed: Some(hash),
        }) = verdict
        else {
            panic!("{verdict:?}");
        };
        let again = hasher
            .verify(password("correct horse"), Some(hash), None)
            .await;
        assert_eq!(again, Ok(Verdict::Right { rehashed: None }));
        let broken = hasher
            .verify(password("correct horse"), Some("$x$".to_owned()), None)
            .await;
        assert_eq!(broken, Err(Error::damaged("password hash")));
    }

    #[tokio::test]
    async fn a_full_line_is_busy() {
        let hasher = Hasher::new(1).unwrap();
        let all = u32::try_from(1 + HASHES_WAITING_MAX).unwrap();
        let kept = hasher.line.try_acquire_many(all).unwrap();
        assert_eq!(
            hasher.hash(password("correct horse")).await,
            Err(Error::Busy)
        );
        drop(kept);
        assert!(hasher.hash(password("correct horse")).await.is_ok());
    }

    /// An unknown account costs what a known one does: compared by the best of several, which other
    /// work on the machine disturbs least.
    #[tokio::test]
    async fn an_unknown_account_takes_as_long() {
        let hasher = Hasher::new(1).unwrap();
        let hash = hasher.hash(password("correct horse")).await.unwrap();
        let mut best = [std::time::Duration::MAX; 2];
        for _ in 0..8 {
            for (best, stored) in best.iter_mut().zip([Some(hash.clone()), None]) {
                let start = std::time::Instant::now();
                let _ = hasher.verify(password("wrong horse"), stored, None).await;
                *best = start.elapsed().min(*best);
            }
        }
        let [known, unknown] = best;
        assert!(
            unknown * 2 > known && known * 2 > unknown,
            "{known:?} {unknown:?}"
        );
    }
}
