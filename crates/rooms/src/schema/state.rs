//! The STATE lane: only the latest counts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Roles;

/// Somebody who is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// User id.
    pub id: String,
    /// For display.
    pub name: String,
    /// In this room.
    #[serde(default)]
    pub roles: Roles,
}

/// A line of the leaderboard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// User id.
    pub id: String,
    /// For display.
    pub name: String,
    /// Sum of the gifts' points.
    pub points: u64,
}

/// Who is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Audience {
    /// Everybody, by id.
    Everybody {
        /// At most `presence_exact_max`.
        members: Arc<Vec<Member>>,
    },
    /// Too many for a list.
    Crowd {
        /// The first of them, by role, then by score.
        top: Arc<Vec<Member>>,
    },
}

impl Default for Audience {
    fn default() -> Self {
        Self::Everybody {
            members: Arc::default(),
        }
    }
}

/// All of STATE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateWhole {
    /// Grows by one with each change, within an epoch.
    pub version: u64,
    /// Likes so far.
    pub likes: u64,
    /// Messages left out by sampling so far, in this epoch.
    pub sampled: u64,
    /// Users there; see the README for who counts twice.
    pub users: u32,
    /// Connections there.
    pub connections: u32,
    /// Who is there.
    pub audience: Audience,
    /// Greatest first.
    pub leaderboard: Arc<Vec<Score>>,
}

/// From the version before to this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    /// It applies to the version before, and to no other.
    pub version: u64,
    /// Likes so far.
    pub likes: u64,
    /// Likes since the version before.
    pub burst: u32,
    /// See [`StateWhole::sampled`].
    pub sampled: u64,
    /// See [`StateWhole::users`].
    pub users: u32,
    /// Connections there.
    pub connections: u32,
    /// Who came and went.
    pub audience: AudienceChange,
    /// None: as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaderboard: Option<Arc<Vec<Score>>>,
}

/// How an audience changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AudienceChange {
    /// Not at all.
    Same,
    /// Of a list. Notices are made of `joined` and `left`.
    Moves {
        /// New ones.
        joined: Vec<Member>,
        /// User ids.
        left: Vec<String>,
        /// There already, with another name or other roles.
        changed: Vec<Member>,
    },
    /// Of a crowd.
    Crowd {
        /// None: as it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        top: Option<Arc<Vec<Member>>>,
        /// Some of those who came.
        joined: Vec<Member>,
    },
    /// Begins anew, without notices.
    Anew {
        /// Who is there.
        audience: Audience,
    },
}

impl StateWhole {
    /// The state after `change`; none if that is not for this version.
    pub fn changed(&self, change: &StateChange) -> Option<Self> {
        if change.version != self.version.checked_add(1)? {
            return None;
        }
        let audience = match (&change.audience, &self.audience) {
            (AudienceChange::Same, audience) => audience.clone(),
            (AudienceChange::Anew { audience }, _) => audience.clone(),
            (
                AudienceChange::Moves {
                    joined,
                    left,
                    changed,
                },
                Audience::Everybody { members },
            ) => Audience::Everybody {
                members: Arc::new(moved(members, joined, left, changed)),
            },
            (AudienceChange::Crowd { top, .. }, Audience::Crowd { top: before }) => {
                Audience::Crowd {
                    top: Arc::clone(top.as_ref().unwrap_or(before)),
                }
            }
            // A change of another kind of audience than ours.
            (AudienceChange::Moves { .. } | AudienceChange::Crowd { .. }, _) => return None,
        };
        let leaderboard = change.leaderboard.as_ref().unwrap_or(&self.leaderboard);
        Some(Self {
            version: change.version,
            likes: change.likes,
            sampled: change.sampled,
            users: change.users,
            connections: change.connections,
            audience,
            leaderboard: Arc::clone(leaderboard),
        })
    }
}

/// Members are kept by id.
fn moved(
    members: &[Member],
    joined: &[Member],
    left: &[String],
    changed: &[Member],
) -> Vec<Member> {
    use std::collections::BTreeMap;
    let mut by_id: BTreeMap<&str, &Member> = members
        .iter()
        .map(|member| (member.id.as_str(), member))
        .collect();
    for id in left {
        by_id.remove(id.as_str());
    }
    for member in joined.iter().chain(changed) {
        by_id.insert(&member.id, member);
    }
    by_id.into_values().cloned().collect()
}
