//! Refresh tokens: what becomes of a family when one of its tokens is shown, pure.
//!
//! A token is a selector, the same in all of a family, and a secret, new at every rotation. Stored
//! are SHA-256 of both: who reads the database has no token. A successor is not stored either, but
//! derived from the token before it and a salt, so that a retry gets the same one again; the salt
//! is removed as soon as the successor is used.
//!
//! A family is one row, however often it rotates. A token with its selector that is neither the
//! current nor the previous one is an older one: nobody else knows the selector.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::hmac;

use crate::error::Error;
use crate::limits::{FAMILY_MS, REFRESH_GRACE_MS, REFRESH_MS};
use crate::random::{self, Digest};

const PREFIX: &str = "wr1.";
const SELECTOR_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
/// What the derivation is for: no other HMAC by the same key has this input.
const CONTEXT: &[u8] = b"weir refresh token successor";

/// A refresh token: 128 bits to find it by, and 256 bits to prove it. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    selector: [u8; SELECTOR_BYTES],
    secret: [u8; SECRET_BYTES],
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken")
    }
}

impl RefreshToken {
    /// Reads one as [`Self::expose`] writes it.
    ///
    /// # Errors
    /// [`Error::RefreshToken`]: it is none.
    pub fn new(text: &str) -> Result<Self, Error> {
        let wrong = || Error::RefreshToken;
        let text = text.strip_prefix(PREFIX).ok_or_else(wrong)?;
        let mut bytes = [0; SELECTOR_BYTES + SECRET_BYTES];
        let length = BASE64.decode_slice(text, &mut bytes);
        if length != Ok(bytes.len()) {
            return Err(Error::RefreshToken);
        }
        let (selector, secret) = bytes.split_at(SELECTOR_BYTES);
        Ok(Self {
            selector: random::array(selector),
            secret: random::array(secret),
        })
    }

    pub(crate) fn random() -> Result<Self, Error> {
        Ok(Self {
            selector: random::bytes()?,
            secret: random::bytes()?,
        })
    }

    /// For its owner: `wr1.` and 64 characters of base64url.
    pub fn expose(&self) -> String {
        let bytes = [self.selector.as_slice(), self.secret.as_slice()].concat();
        format!("{PREFIX}{}", BASE64.encode(bytes))
    }

    /// What the family is found by.
    pub(crate) fn family(&self) -> Digest {
        random::sha256(&self.selector)
    }

    fn digest(&self) -> Digest {
        random::sha256(&self.secret)
    }

    fn successor(&self, salt: &Digest) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let mut context = hmac::Context::with_key(&key);
        context.update(CONTEXT);
        context.update(salt);
        Self {
            selector: self.selector,
            secret: random::array(context.sign().as_ref()),
        }
    }
}

/// A family as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    pub(crate) id: Digest,
    pub(crate) current: Digest,
    pub(crate) previous: Option<Previous>,
    pub(crate) created_ms: u64,
    pub(crate) rotated_ms: u64,
    pub(crate) expires_ms: u64,
}

/// The token before the current one, and what the current one was derived with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) digest: Digest,
    pub(crate) salt: Digest,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The token is current: this is its successor, and the family to store.
    Rotated(RefreshToken, Family),
    /// The token was rotated just now: its successor again. Nothing changes.
    Again(RefreshToken),
    /// Older than the one before, and perhaps just a late duplicate: nothing is given, and nothing
    /// is taken.
    Refused,
    /// The time is over: the family ends.
    Expired,
    /// Shown after it was replaced: one of two who have it is a thief. The family ends.
    Reused,
}

impl Family {
    /// That of a new token.
    pub(crate) fn new(token: &RefreshToken, now_ms: u64) -> Self {
        Self {
            id: token.family(),
            current: token.digest(),
            previous: None,
            created_ms: now_ms,
            rotated_ms: now_ms,
            expires_ms: now_ms.saturating_add(REFRESH_MS),
        }
    }

    /// Decides on a token of this family; `salt` is random and used if it is rotated.
    pub(crate) fn show(&self, token: &RefreshToken, salt: Digest, now_ms: u64) -> Decision {
        let digest = token.digest();
        // Of digests: how long it takes tells nothing about a secret.
        let is = |other: &Digest| digest == *other;
        if is(&self.current) {
            if now_ms >= self.expires_ms {
                return Decision::Expired;
            }
            let successor = token.successor(&salt);
            let family = self.rotated(&successor, Previous { digest, salt }, now_ms);
            return Decision::Rotated(successor, family);
        }
        // A clock that was set back by more tells nothing about the order of uses.
        let recent = now_ms.abs_diff(self.rotated_ms) <= REFRESH_GRACE_MS;
        let set_back = now_ms < self.rotated_ms;
        match &self.previous {
            Some(previous) if recent && is(&previous.digest) => {
                Decision::Again(token.successor(&previous.salt))
            }
            // An older one was used before the last rotation: if that is just now, then the older
            // one may be a late duplicate of a request of now.
            _ if recent || set_back => Decision::Refused,
            _ => Decision::Reused,
        }
    }

    fn rotated(&self, successor: &RefreshToken, previous: Previous, now_ms: u64) -> Self {
        let end = self.created_ms.saturating_add(FAMILY_MS);
        Self {
            id: self.id,
            current: successor.digest(),
            previous: Some(previous),
            created_ms: self.created_ms,
            rotated_ms: now_ms,
            expires_ms: now_ms.saturating_add(REFRESH_MS).min(end),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn salt() -> Digest {
        random::bytes().unwrap()
    }

    /// Shows a token, and stores what is decided.
    fn show(family: &mut Family, token: &RefreshToken, now_ms: u64) -> Decision {
        let decision = family.show(token, salt(), now_ms);
        if let Decision::Rotated(_, next) = &decision {
            *family = next.clone();
        }
        decision
    }

    fn rotate(family: &mut Family, token: &RefreshToken, now_ms: u64) -> RefreshToken {
        match show(family, token, now_ms) {
            Decision::Rotated(next, _) => next,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tokens_are_written_and_read() {
        let token = RefreshToken::random().unwrap();
        let text = token.expose();
        assert_eq!(text.len(), 4 + 64);
        assert_eq!(RefreshToken::new(&text), Ok(token.clone()));
        assert_eq!(format!("{token:?}"), "RefreshToken");
        for wrong in [
            "",
            "wr1.",
            &text[1..],
            &text[..60],
            &format!("{text}A"),
            "wr1.!",
        ] {
            assert_eq!(
                RefreshToken::new(wrong),
                Err(Error::RefreshToken),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_lost_answer_harms_nobody_and_a_thief_ends_the_family() {
        let first = RefreshToken::random().unwrap();
        let mut family = Family::new(&first, NOW);
        let second = rotate(&mut family, &first, NOW + 1_000);
        let edge = NOW + 1_000 + REFRESH_GRACE_MS;
        for now in [NOW + 1_000, edge] {
            assert_eq!(
                show(&mut family, &first, now),
                Decision::Again(second.clone())
            );
        }
        assert_eq!(show(&mut family, &first, edge + 1), Decision::Reused);
        let third = rotate(&mut family, &second, edge);
        // Older than the previous one.
        assert_eq!(show(&mut family, &first, edge), Decision::Refused);
        assert_eq!(
            show(&mut family, &first, edge + REFRESH_GRACE_MS + 1),
            Decision::Reused
        );
        // The salt of the second is gone: the first does not lead to it any more.
        assert_eq!(show(&mut family, &second, edge), Decision::Again(third));
    }

    #[test]
    fn times() {
        let first = RefreshToken::random().unwrap();
        let mut family = Family::new(&first, NOW);
        let end = NOW + REFRESH_MS;
        assert_eq!(family.show(&first, salt(), end), Decision::Expired);
        let mut token = rotate(&mut family, &first, end - 1);
        let mut now = end - 1;
        while let Decision::Rotated(next, _) = show(&mut family, &token, now + REFRESH_MS - 1) {
            token = next;
            now += REFRESH_MS - 1;
        }
        assert_eq!(family.expires_ms, NOW + FAMILY_MS);
        // The clock set back a day: the current one goes on, an old one gives and takes nothing.
        let first = RefreshToken::random().unwrap();
        let mut family = Family::new(&first, NOW);
        let second = rotate(&mut family, &first, NOW);
        let back = NOW - 86_400_000;
        assert_eq!(show(&mut family, &first, back), Decision::Refused);
        rotate(&mut family, &second, back);
    }

    proptest! {
        /// Whatever is shown when: only the current token, or the one before within the grace,
        /// leads to a token, and that is always the current one.
        #[test]
        fn only_the_newest_leads_on(
            steps in prop::collection::vec((0_usize..6, 0_u64..90_000), 1..60),
        ) {
            let first = RefreshToken::random().unwrap();
            let mut family = Family::new(&first, NOW);
            let mut tokens = vec![first];
            let mut now = NOW;
            for (back, wait) in steps {
                now += wait;
                let at = tokens.len().saturating_sub(1 + back);
                let age = tokens.len() - 1 - at;
                let since = now - family.rotated_ms;
                match show(&mut family, &tokens[at].clone(), now) {
                    Decision::Rotated(next, _) => {
                        prop_assert_eq!(age, 0);
                        tokens.push(next);
                    }
                    Decision::Again(next) => {
                        prop_assert!(age == 1 && since <= REFRESH_GRACE_MS);
                        prop_assert_eq!(Some(&next), tokens.last());
                    }
                    Decision::Refused => {
                        prop_assert!(age > 1 && since <= REFRESH_GRACE_MS);
                    }
                    Decision::Reused => {
                        prop_assert!(age > 0 && since > REFRESH_GRACE_MS);
                    }
                    Decision::Expired => prop_assert!(false, "a minute has passed at most"),
                }
            }
        }
    }
}
