//! Who is there: [`local`] on each edge, [`merged`] at the hub. See the README, "Presence".

pub(crate) mod local;
pub(crate) mod merged;

use std::{cmp::Reverse, collections::BTreeMap};

use crate::schema::Member;

/// Reports that may be missing before an edge drops out.
pub(crate) const REPORTS_MISSED_MAX: u64 = 3;

/// The first `most` by role, then by points, then by id; each user once.
pub(crate) fn top<'a>(
    members: impl Iterator<Item = &'a Member>,
    points: impl Fn(&str) -> u64,
    most: usize,
) -> Vec<Member> {
    let mut first: BTreeMap<(Reverse<u8>, Reverse<u64>, &str), &Member> = BTreeMap::new();
    for member in members {
        let id = member.id.as_str();
        first.insert(
            (Reverse(member.roles.rank()), Reverse(points(id)), id),
            member,
        );
        // Only a user with different roles on two edges can be in it twice.
        if first.len() > most.saturating_mul(2) {
            first.pop_last();
        }
    }
    let mut top: Vec<Member> = Vec::new();
    for member in first.into_values() {
        if top.len() < most && top.iter().all(|known| known.id != member.id) {
            top.push(member.clone());
        }
    }
    top
}
