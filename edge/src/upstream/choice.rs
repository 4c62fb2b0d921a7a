//! Which parents to ask, and in which order. Pure.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::standing::Availability;

/// How the first one is chosen among parents that are equals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The order in which they are listed.
    #[default]
    First,
    /// By the stream: each has its own order, the same on every edge (rendezvous hashing). A parent that falls or is
    /// added moves the streams that it had or gets, and no other.
    Hash,
}

/// What the choice looks at.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// `host:port`, the same on every edge.
    pub authority: &'a str,
    /// It is asked only when none of the others is up.
    pub backup: bool,
    /// Whether it can be asked.
    pub availability: Availability,
}

/// The places of all candidates, best first: those that are up, then those that may be tried, then the
/// others, which are asked when there is nobody else. Backups come last in the first group, too.
///
/// One that may be tried goes before everything else if it would be first if it were up: the request
/// that finds it well brings it back, and the one that does not goes on to the next.
pub fn order(choice: Choice, target: &str, candidates: &[Candidate<'_>]) -> Vec<usize> {
    let preference = |place: usize, candidate: &Candidate<'_>| {
        let hash = match choice {
            Choice::First => 0,
            // Highest first.
            Choice::Hash => !score(candidate.authority, of_stream(target)),
        };
        (candidate.backup, hash, place)
    };
    let mut ranked: Vec<_> = candidates.iter().enumerate().collect();
    ranked.sort_by_key(|(place, candidate)| preference(*place, candidate));
    let tried = ranked
        .first()
        .is_some_and(|(_, first)| first.availability == Availability::Trial);
    if tried {
        if let Some((_, rest)) = ranked.split_first_mut() {
            rest.sort_by_key(|(_, candidate)| candidate.availability);
        }
    } else {
        ranked.sort_by_key(|(_, candidate)| candidate.availability);
    }
    ranked.into_iter().map(|(place, _)| place).collect()
}

/// What the objects of one stream have in common, and what hands it on: the first two segments of their
/// paths, in two pieces. All of them go through the same parent, which so has the stream's playlists
/// beside its parts.
fn of_stream(target: &str) -> [&str; 2] {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    if let Some(stream) = path.strip_prefix(live_relay::PATH_PREFIX) {
        return ["/live/", stream];
    }
    let ends = path.match_indices('/').nth(2).map(|(at, _)| at);
    ["", ends.and_then(|end| path.get(..end)).unwrap_or(path)]
}

/// Highest random weight (Thaler and Ravishankar 1998). The keys are zero so that all edges agree.
fn score(authority: &str, stream: [&str; 2]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(authority.as_bytes());
    hasher.write_u8(0xff);
    for piece in stream {
        hasher.write(piece.as_bytes());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
