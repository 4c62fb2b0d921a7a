//! Names: what one may be called, and that nobody looks like somebody else.
//!
//! Names are compared by their skeletons (UTS 39), which are never shown. Pure: the time is an
//! argument.

use std::collections::HashMap;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;

use crate::problem::Problem;

/// Characters of a name.
const CHARS_MIN: usize = 2;
/// See [`CHARS_MIN`].
const CHARS_MAX: usize = 24;
/// Names that are in use at once; about 150 bytes each.
const NAMES_MAX: usize = 500_000;
/// Names of accounts; 32 bytes each, and what the map needs beside them.
const OWNED_MAX: usize = 5_000_000;
/// What looks like the house speaking.
const RESERVED: [&str; 14] = [
    "admin",
    "administrator",
    "broadcaster",
    "everyone",
    "filter",
    "host",
    "mod",
    "moderator",
    "official",
    "owner",
    "staff",
    "support",
    "system",
    "weir",
];

/// Why somebody may not be called so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    /// Too short, too long, or of characters that names do not have.
    #[error(
        "a name has 2 to 24 letters, digits, spaces, '-', '_', '.' and apostrophes, and one letter \
         or digit at least"
    )]
    Malformed,
    /// Somebody is called so, or nearly.
    #[error("this name is taken, or looks like one that is")]
    Taken,
    /// There are as many names as may be.
    #[error("no more names can be given out right now")]
    Full,
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        let detail = error.to_string();
        match error {
            NameError::Malformed => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-name", detail),
            NameError::Taken => Self::new(StatusCode::CONFLICT, "name-taken", detail),
            NameError::Full => Self::unavailable("full", detail),
        }
    }
}

/// Who is called what, for how long.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Names {
    /// By skeleton.
    held: HashMap<String, Held>,
    /// Accounts' names for as long as they have them: digests of skeletons, and of owners' ids. The
    /// accounts' store has the names themselves.
    #[serde(skip)]
    owned: HashMap<Digest, Digest>,
    #[serde(skip)]
    reserved: Vec<String>,
}

/// Half a SHA-256.
type Digest = [u8; 16];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    user: String,
    until_ms: u64,
    /// By an operator, and not to a guest.
    #[serde(default)]
    is_given: bool,
}

impl Names {
    /// Takes out what nobody may be called.
    pub(super) fn reserve(&mut self, names: impl IntoIterator<Item = String>) {
        let all = names.into_iter().chain(RESERVED.map(str::to_owned));
        self.reserved = all.map(|name| looks(&name)).collect();
    }

    /// Gives `user` a name until `until_ms`, in place of the one before. Returns it as it is shown.
    pub(super) fn take(
        &mut self,
        user: &str,
        name: &str,
        now_ms: u64,
        until_ms: u64,
    ) -> Result<String, NameError> {
        let name = tidy(name).ok_or(NameError::Malformed)?;
        let looks = looks(&name);
        if self.reserved.contains(&looks) || self.is_owned_by_another(user, &looks) {
            return Err(NameError::Taken);
        }
        match self.held.get(&looks) {
            Some(held) if held.user != user && held.until_ms > now_ms => {
                return Err(NameError::Taken);
            }
            Some(_) => {}
            None if self.held.len() >= NAMES_MAX => {
                self.sweep(now_ms);
                if self.held.len() >= NAMES_MAX {
                    return Err(NameError::Full);
                }
            }
            None => {}
        }
        let held = Held {
            user: user.to_owned(),
            until_ms,
            is_given: false,
        };
        self.held.insert(looks, held);
        Ok(name)
    }

    /// An operator names `user`: anything, be it the house's own, or a name that was given before, to
    /// the same person with another id as a rule. Whether it is not what some guest is called, or nearly.
    pub(super) fn give(&mut self, user: &str, name: &str, now_ms: u64, until_ms: u64) -> bool {
        let looks = looks(name);
        if self.is_owned_by_another(user, &looks) {
            return false;
        }
        let held = self.held.get(&looks);
        if held.is_some_and(|held| held.user != user && !held.is_given && held.until_ms > now_ms) {
            return false;
        }
        let held = Held {
            user: user.to_owned(),
            until_ms,
            is_given: true,
        };
        self.held.insert(looks, held);
        true
    }

    /// Gives a name back that somebody has changed.
    pub(super) fn release(&mut self, user: &str, name: &str) {
        let looks = looks(name);
        if self.held.get(&looks).is_some_and(|held| held.user == user) {
            self.held.remove(&looks);
        }
    }

    /// Gives back whatever a user is called. Whether there was a name.
    pub(super) fn forget(&mut self, user: &str) -> bool {
        let before = self.held.len();
        self.held.retain(|_, held| held.user != user);
        self.held.len() != before
    }

    /// An account takes a name, beside the one that it has. Returns it as it is shown.
    pub(super) fn own(
        &mut self,
        owner: &str,
        name: &str,
        now_ms: u64,
    ) -> Result<String, NameError> {
        let name = tidy(name).ok_or(NameError::Malformed)?;
        let looks = looks(&name);
        let is_free = |held: &Held| held.user == owner || held.until_ms <= now_ms;
        if self.reserved.contains(&looks)
            || self.is_owned_by_another(owner, &looks)
            || !self.held.get(&looks).is_none_or(is_free)
        {
            return Err(NameError::Taken);
        }
        if self.owned.len() >= OWNED_MAX {
            return Err(NameError::Full);
        }
        self.owned.insert(digest(&looks), digest(owner));
        Ok(name)
    }

    /// An account that is there has this name, be it reserved by now. The first keeps it.
    pub(super) fn recall(&mut self, owner: &str, name: &str) {
        if self.owned.len() < OWNED_MAX {
            let looks = digest(&looks(name));
            self.owned.entry(looks).or_insert_with(|| digest(owner));
        }
    }

    /// An account gives a name back. What it keeps may be another spelling of the same.
    pub(super) fn disown(&mut self, owner: &str, name: &str, kept: Option<&str>) {
        let looked = looks(name);
        if kept.is_some_and(|kept| looks(kept) == looked) {
            return;
        }
        let looks = digest(&looked);
        if self.owned.get(&looks) == Some(&digest(owner)) {
            self.owned.remove(&looks);
        }
    }

    /// What was owned by one is another's.
    pub(super) fn pass_on(&mut self, from: &str, to: &str, name: &str) {
        if let Some(owner) = self.owned.get_mut(&digest(&looks(name)))
            && *owner == digest(from)
        {
            *owner = digest(to);
        }
    }

    fn is_owned_by_another(&self, user: &str, looks: &str) -> bool {
        let owner = self.owned.get(&digest(looks));
        owner.is_some_and(|owner| *owner != digest(user))
    }

    /// Lets go of names whose time is over.
    pub(super) fn sweep(&mut self, now_ms: u64) {
        self.held.retain(|_, held| held.until_ms > now_ms);
    }

    /// Names in use.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }
}

fn digest(text: &str) -> Digest {
    let mut digest = Digest::default();
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    for (to, from) in digest.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    digest
}

/// A name as it is shown; `None` if it cannot be one.
fn tidy(name: &str) -> Option<String> {
    // Bounds the work below: a character is four bytes at most, and has few marks.
    if name.len() > CHARS_MAX * 16 {
        return None;
    }
    let composed: String = name.nfkc().collect();
    let words: Vec<&str> = composed.split_whitespace().collect();
    let name = words.join(" ");
    let count = name.chars().count();
    let legal = |c: char| {
        c.is_alphanumeric() || is_mark(c) || matches!(c, ' ' | '-' | '_' | '.' | '\'' | '’')
    };
    let is_legal = (CHARS_MIN..=CHARS_MAX).contains(&count)
        && name.chars().all(legal)
        && name.chars().any(char::is_alphanumeric)
        && name.chars().next().is_some_and(|c| !is_mark(c))
        && !has_heap_of_marks(&name);
    is_legal.then_some(name)
}

fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// Scripts need three marks on a letter at most; more are towers.
fn has_heap_of_marks(name: &str) -> bool {
    let mut marks = 0;
    name.chars().any(|c| {
        marks = if is_mark(c) { marks + 1 } else { 0 };
        marks > 3
    })
}

/// What a name looks like: case, spaces and punctuation make nobody somebody else.
fn looks(name: &str) -> String {
    // As it is written, and then in small letters: `I` is like `l`, which is not like `i`.
    let plain: String = skeleton(name).collect();
    let small = plain.to_lowercase();
    let plain: String = skeleton(&small).collect();
    let letters = plain.to_lowercase();
    let letters = letters.chars().filter(|c| c.is_alphanumeric());
    let alike = |c| match c {
        'i' | '1' | 'ı' => 'l',
        '0' => 'o',
        c => c,
    };
    letters.map(alike).collect()
}

#[cfg(test)]
mod tests;
