//! Who is on this edge.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::{
    config::Config,
    limits::LIKES_PER_CALL_MAX,
    presence::top,
    rng::{Rng, Sample},
    schema::{Member, Report, Roles, Roster, RosterReport, User},
};

/// Users who have left and are kept for the linger time. More leave at once.
const LINGERING_MAX: usize = 10_000;

#[derive(Debug)]
struct Present {
    member: Member,
    connections: u32,
    /// When the last connection went.
    left_ms: u64,
}

/// Users and connections of one room on one edge.
#[derive(Debug)]
pub(crate) struct Local {
    users: BTreeMap<String, Present>,
    connections: u32,
    /// When they left, oldest first. Who came back meanwhile has connections.
    lingering: VecDeque<(u64, String)>,
    joined: Sample<Member>,
    rng: Rng,
    likes: u64,
    number: u64,
    roster: Arc<Vec<Member>>,
    kind: Roster,
    roster_version: u64,
    /// Whether `roster` is not that of the users any more.
    is_stale: bool,
    acknowledged: Option<u64>,
    wants_lists: bool,
    linger_ms: u64,
    exact_max: usize,
    top_max: usize,
}

impl Local {
    pub(crate) fn new(config: &Config, seed: u64) -> Self {
        Self {
            users: BTreeMap::new(),
            connections: 0,
            lingering: VecDeque::new(),
            joined: Sample::new(config.presence_joins),
            rng: Rng::new(seed),
            likes: 0,
            number: 0,
            roster: Arc::default(),
            kind: Roster::Everybody,
            roster_version: 0,
            is_stale: false,
            acknowledged: None,
            wants_lists: true,
            linger_ms: config.linger_ms,
            exact_max: config.presence_exact_max,
            top_max: config.presence_top,
        }
    }

    pub(crate) fn join(&mut self, user: &User) {
        let member = Member {
            id: user.id.clone(),
            name: user.name.clone(),
            roles: user.roles,
        };
        self.connections = self.connections.saturating_add(1);
        if let Some(known) = self.users.get_mut(&user.id) {
            known.connections += 1;
            if known.member != member {
                known.member = member;
                self.is_stale = true;
            }
            return;
        }
        self.joined.offer(member.clone(), &mut self.rng);
        self.users.insert(
            user.id.clone(),
            Present {
                member,
                connections: 1,
                left_ms: 0,
            },
        );
        self.is_stale = true;
    }

    pub(crate) fn leave(&mut self, now_ms: u64, user: &str) {
        self.connections = self.connections.saturating_sub(1);
        let Some(known) = self.users.get_mut(user) else {
            return;
        };
        known.connections = known.connections.saturating_sub(1);
        if known.connections > 0 {
            return;
        }
        known.left_ms = now_ms;
        self.lingering.push_back((now_ms, user.to_owned()));
        while self.lingering.len() > LINGERING_MAX {
            self.let_go();
        }
    }

    pub(crate) fn set_roles(&mut self, user: &str, add: Roles, remove: Roles) {
        if let Some(known) = self.users.get_mut(user) {
            known.member.roles = known.member.roles.union(add).without(remove);
            self.is_stale = true;
        }
    }

    /// Of a user who is here, or has just left.
    pub(crate) fn roles_of(&self, user: &str) -> Option<Roles> {
        self.users.get(user).map(|known| known.member.roles)
    }

    /// Those whose linger time is over are gone.
    pub(crate) fn expire(&mut self, now_ms: u64) {
        while self
            .lingering
            .front()
            .is_some_and(|(left_ms, _)| left_ms.saturating_add(self.linger_ms) <= now_ms)
        {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        let Some((left_ms, user)) = self.lingering.pop_front() else {
            return;
        };
        // Who came back and left again lingers from the last time on.
        let is_gone = |known: &Present| known.connections == 0 && known.left_ms == left_ms;
        if self.users.get(&user).is_some_and(is_gone) {
            self.users.remove(&user);
            self.is_stale = true;
        }
    }

    pub(crate) fn like(&mut self, count: u32) {
        let count = u64::from(count.min(LIKES_PER_CALL_MAX));
        self.likes = self.likes.saturating_add(count);
    }

    /// The next report.
    pub(crate) fn report(&mut self, points: impl Fn(&str) -> u64) -> Report {
        self.refresh(points);
        self.number += 1;
        let roster = (self.acknowledged != Some(self.roster_version)).then(|| RosterReport {
            kind: self.kind,
            members: Arc::clone(&self.roster),
        });
        Report {
            number: self.number,
            users: u32::try_from(self.users.len()).unwrap_or(u32::MAX),
            connections: self.connections,
            likes: self.likes,
            roster_version: self.roster_version,
            roster,
            // With a list the hub sees for itself who came.
            joined: match self.kind {
                Roster::Everybody => {
                    self.joined.take();
                    Vec::new()
                }
                Roster::Top => self.joined.take(),
            },
        }
    }

    fn refresh(&mut self, points: impl Fn(&str) -> u64) {
        let members = self.users.values().map(|known| &known.member);
        let kind = if self.wants_lists && self.users.len() <= self.exact_max {
            Roster::Everybody
        } else {
            Roster::Top
        };
        // Points change without anybody coming or going.
        if kind == self.kind && kind == Roster::Everybody && !self.is_stale {
            return;
        }
        let roster = match kind {
            Roster::Everybody => members.cloned().collect(),
            Roster::Top => top(members, points, self.top_max),
        };
        if kind != self.kind || roster != *self.roster {
            self.kind = kind;
            self.roster = Arc::new(roster);
            self.roster_version += 1;
        }
        self.is_stale = false;
    }

    pub(crate) fn acknowledge(&mut self, roster_version: Option<u64>, wants_lists: bool) {
        self.acknowledged = roster_version;
        self.wants_lists = wants_lists;
    }

    /// Another hub knows nothing.
    pub(crate) fn forget_hub(&mut self) {
        self.acknowledged = None;
        self.wants_lists = true;
    }

    pub(crate) fn users(&self) -> usize {
        self.users.len()
    }
}
