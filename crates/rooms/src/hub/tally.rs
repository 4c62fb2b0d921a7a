//! What is counted: likes and points.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    limits::{EDGES_MAX, LEADERBOARD_MAX, SCORES_MAX},
    schema::{Score, User},
};

/// Likes of a room. Edges report sums, so that a report may be lost, repeated or late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Likes {
    total: u64,
    /// Incarnation, and likes counted of it.
    edges: BTreeMap<String, (u64, u64)>,
}

impl Likes {
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Whether that is anything new.
    pub(crate) fn report(&mut self, edge: &str, incarnation: u64, sum: u64) -> bool {
        let mut is_new = false;
        if !self.edges.contains_key(edge) {
            if self.edges.len() >= EDGES_MAX {
                // Edges are named after machines that come and go: the one that began first is gone
                // longest, and its sum is in the total.
                let oldest = self.edges.iter().min_by_key(|(_, known)| known.0);
                if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                    self.edges.remove(&oldest);
                }
            }
            self.edges.insert(edge.to_owned(), (incarnation, 0));
            is_new = true;
        }
        let Some(known) = self.edges.get_mut(edge) else {
            return false;
        };
        if incarnation > known.0 {
            *known = (incarnation, 0);
            is_new = true;
        }
        // Late reports of a former life say nothing that was not lost with it.
        if incarnation == known.0 && sum > known.1 {
            self.total = self.total.saturating_add(sum - known.1);
            known.1 = sum;
            is_new = true;
        }
        is_new
    }
}

/// Points of a room's users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scores {
    by_user: BTreeMap<String, (u64, String)>,
}

impl Scores {
    /// Whether that is anything new.
    pub(crate) fn add(&mut self, user: &User, points: u64) -> bool {
        if points == 0 {
            return false;
        }
        if self.by_user.len() >= SCORES_MAX && !self.by_user.contains_key(&user.id) {
            let least = self.by_user.iter().min_by_key(|(_, (points, _))| *points);
            if let Some(id) = least.map(|(id, _)| id.clone()) {
                self.by_user.remove(&id);
            }
        }
        let known = self.by_user.entry(user.id.clone()).or_default();
        known.0 = known.0.saturating_add(points);
        known.1.clone_from(&user.name);
        true
    }

    /// All anew.
    pub(crate) fn set(&mut self, scores: Vec<Score>) {
        let known = scores.into_iter().take(SCORES_MAX);
        self.by_user = known
            .map(|score| (score.id, (score.points, score.name)))
            .collect();
    }

    /// Whether there were any.
    pub(crate) fn forget(&mut self, user: &str) -> bool {
        self.by_user.remove(user).is_some()
    }

    pub(crate) fn of(&self, id: &str) -> u64 {
        self.by_user.get(id).map_or(0, |(points, _)| *points)
    }

    /// Greatest first; of equals the lesser id.
    pub(crate) fn leaderboard(&self) -> Vec<Score> {
        let mut order: Vec<_> = self.by_user.iter().collect();
        order.sort_by(|(a, (a_points, _)), (b, (b_points, _))| {
            b_points.cmp(a_points).then_with(|| a.cmp(b))
        });
        order
            .into_iter()
            .take(LEADERBOARD_MAX)
            .map(|(id, (points, name))| Score {
                id: id.clone(),
                name: name.clone(),
                points: *points,
            })
            .collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_user.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likes_count_once_however_often_they_are_reported() {
        let mut likes = Likes::default();
        for (edge, incarnation, sum) in [
            ("a", 1, 10),
            ("a", 1, 10),
            ("a", 1, 7),
            ("b", 1, 5),
            ("a", 1, 12),
            ("a", 2, 3),
            ("a", 1, 40),
        ] {
            likes.report(edge, incarnation, sum);
        }
        assert_eq!(likes.total(), 12 + 5 + 3);
    }

    #[test]
    fn edges_come_and_go_for_ever() {
        let mut likes = Likes::default();
        let edges = u64::try_from(EDGES_MAX).unwrap_or(u64::MAX) * 2;
        for edge in 1..=edges {
            assert!(likes.report(&format!("pod-{edge}"), edge, 1));
        }
        assert_eq!(likes.total(), edges);
        assert_eq!(likes.edges.len(), EDGES_MAX);
    }

    #[test]
    fn the_leaderboard_is_bounded_and_in_order() {
        let mut scores = Scores::default();
        for at in 0..2_000_u64 {
            let user = User {
                id: format!("u{at}"),
                ..User::default()
            };
            scores.add(&user, at % 700);
        }
        assert!(scores.len() <= SCORES_MAX);
        let board = scores.leaderboard();
        assert_eq!(board.len(), LEADERBOARD_MAX);
        assert_eq!(board[0].points, 699);
        assert!(board.is_sorted_by_key(|score| std::cmp::Reverse(score.points)));
    }
}
