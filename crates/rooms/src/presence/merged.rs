//! Who is in the room, from what the edges report.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    config::Config,
    limits::EDGES_MAX,
    presence::{REPORTS_MISSED_MAX, top},
    rng::{Rng, Sample},
    schema::{Audience, AudienceChange, Member, Report, Roster},
};

#[derive(Debug)]
struct EdgeReport {
    incarnation: u64,
    number: u64,
    heard_ms: u64,
    users: u32,
    connections: u32,
    /// What its roster should be, and is.
    roster_version: u64,
    has_version: Option<u64>,
    kind: Roster,
    members: Arc<Vec<Member>>,
}

/// What is published of presence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Presence {
    pub(crate) users: u32,
    pub(crate) connections: u32,
    pub(crate) audience: Audience,
}

/// The audience of a room.
#[derive(Debug)]
pub(crate) struct Merged {
    edges: BTreeMap<String, EdgeReport>,
    /// As published, with those who linger; empty for a crowd.
    members: BTreeMap<String, Member>,
    /// Since when they are not on any edge.
    lingering: BTreeMap<String, u64>,
    joined: Sample<Member>,
    rng: Rng,
    is_crowd: bool,
    /// Whether something came since the last update.
    is_stale: bool,
    /// Until then nobody is announced: a hub that starts finds everybody new.
    quiet_until_ms: u64,
    published: Presence,
    report_ms: u64,
    linger_ms: u64,
    exact_max: usize,
    top_max: usize,
}

impl Merged {
    pub(crate) fn new(config: &Config, now_ms: u64, seed: u64) -> Self {
        let settling_ms = config.linger_ms.max(config.report_ms * REPORTS_MISSED_MAX);
        Self {
            edges: BTreeMap::new(),
            members: BTreeMap::new(),
            lingering: BTreeMap::new(),
            joined: Sample::new(config.presence_joins),
            rng: Rng::new(seed),
            is_crowd: false,
            is_stale: false,
            quiet_until_ms: now_ms + settling_ms,
            published: Presence::default(),
            report_ms: config.report_ms,
            linger_ms: config.linger_ms,
            exact_max: config.presence_exact_max,
            top_max: config.presence_top,
        }
    }

    pub(crate) fn edges(&self) -> usize {
        self.edges.len()
    }

    pub(crate) fn members(&self) -> usize {
        let listed = self.edges.values().map(|edge| edge.members.len());
        self.members.len() + listed.sum::<usize>()
    }

    /// Takes a report. The version of the roster that is known now; none if the report was refused.
    pub(crate) fn report(
        &mut self,
        now_ms: u64,
        edge: &str,
        incarnation: u64,
        report: &Report,
    ) -> Option<Option<u64>> {
        if !self.edges.contains_key(edge) {
            if self.edges.len() >= EDGES_MAX {
                return None;
            }
            self.edges
                .insert(edge.to_owned(), EdgeReport::new(incarnation));
        }
        let known = self.edges.get_mut(edge)?;
        if incarnation < known.incarnation {
            return None;
        }
        if incarnation > known.incarnation {
            *known = EdgeReport::new(incarnation);
        }
        known.heard_ms = now_ms;
        // A late one tells nothing, but that the edge lives.
        if report.number > known.number {
            known.number = report.number;
            known.users = report.users;
            known.connections = report.connections;
            known.roster_version = report.roster_version;
            if let Some(roster) = &report.roster {
                known.has_version = Some(report.roster_version);
                known.kind = roster.kind;
                // No edge of ours sends more; the bound is ours all the same.
                known.members = if roster.members.len() <= self.exact_max.max(self.top_max) {
                    Arc::clone(&roster.members)
                } else {
                    Arc::default()
                };
            }
            for member in &report.joined {
                self.joined.offer(member.clone(), &mut self.rng);
            }
            self.is_stale = true;
        }
        Some(known.has_version)
    }

    /// Whether edges are to send everybody. Back to lists only well below the limit, or a room at
    /// the limit would change its mind with each report.
    pub(crate) fn wants_lists(&self) -> bool {
        !self.is_crowd || self.total() <= self.exact_max * 9 / 10
    }

    fn total(&self) -> usize {
        let users = self.edges.values().map(|edge| u64::from(edge.users));
        usize::try_from(users.sum::<u64>()).unwrap_or(usize::MAX)
    }

    /// What is to be published now, if that is anything new.
    pub(crate) fn update(
        &mut self,
        now_ms: u64,
        points: impl Fn(&str) -> u64,
    ) -> Option<(Presence, AudienceChange)> {
        let silent_ms = self.report_ms * REPORTS_MISSED_MAX;
        let before = self.edges.len();
        self.edges
            .retain(|_, edge| edge.heard_ms.saturating_add(silent_ms) > now_ms);
        self.is_stale |= self.edges.len() != before;
        if !self.is_stale && self.lingering.is_empty() {
            return None;
        }
        self.is_stale = false;
        let was_crowd = self.is_crowd;
        let union = self.union();
        self.is_crowd = match &union {
            Some(union) => union.len() > self.exact_max || (was_crowd && !self.wants_lists()),
            // Some list is on its way: stay, unless there are certainly too many.
            None => was_crowd || self.has_crowd_on_an_edge() || self.total() > self.exact_max,
        };
        let change = match union {
            _ if self.is_crowd => self.crowd(points),
            Some(union) => self.moves(now_ms, union),
            None => AudienceChange::Same,
        };
        let connections = self.edges.values().map(|edge| u64::from(edge.connections));
        let users = if self.is_crowd {
            self.total()
        } else {
            self.members.len()
        };
        let audience = self.audience(&change);
        let presence = Presence {
            users: u32::try_from(users).unwrap_or(u32::MAX),
            connections: u32::try_from(connections.sum::<u64>()).unwrap_or(u32::MAX),
            audience,
        };
        let is_new = presence != self.published
            || matches!(&change, AudienceChange::Crowd { joined, .. } if !joined.is_empty());
        let begins_anew = was_crowd != self.is_crowd || now_ms < self.quiet_until_ms;
        self.published.clone_from(&presence);
        is_new.then(|| {
            let change = if begins_anew {
                AudienceChange::Anew {
                    audience: presence.audience.clone(),
                }
            } else {
                change
            };
            (presence, change)
        })
    }

    fn has_crowd_on_an_edge(&self) -> bool {
        self.edges
            .values()
            .any(|edge| edge.has_version.is_some() && edge.kind == Roster::Top)
    }

    /// Everybody, if the list of each edge is here.
    fn union(&self) -> Option<BTreeMap<String, Member>> {
        let mut union = BTreeMap::new();
        for edge in self.edges.values() {
            if edge.has_version != Some(edge.roster_version) || edge.kind != Roster::Everybody {
                return None;
            }
            for member in edge.members.iter() {
                union.insert(member.id.clone(), member.clone());
            }
        }
        Some(union)
    }

    fn crowd(&mut self, points: impl Fn(&str) -> u64) -> AudienceChange {
        self.members.clear();
        self.lingering.clear();
        let members = self.edges.values().flat_map(|edge| edge.members.iter());
        let top = Arc::new(top(members, points, self.top_max));
        let is_same =
            matches!(&self.published.audience, Audience::Crowd { top: old } if *old == top);
        AudienceChange::Crowd {
            top: (!is_same).then_some(top),
            joined: self.joined.take(),
        }
    }

    fn moves(&mut self, now_ms: u64, union: BTreeMap<String, Member>) -> AudienceChange {
        self.joined.take();
        let mut left = Vec::new();
        let most = self.exact_max;
        let is_full = self.members.len() > most || union.len() > most;
        for id in self.members.keys() {
            if union.contains_key(id) {
                self.lingering.remove(id);
                continue;
            }
            let since_ms = *self.lingering.entry(id.clone()).or_insert(now_ms);
            // A full list has no room for those who are gone.
            if is_full || since_ms.saturating_add(self.linger_ms) <= now_ms {
                left.push(id.clone());
            }
        }
        for id in &left {
            self.members.remove(id);
            self.lingering.remove(id);
        }
        let mut joined = Vec::new();
        let mut changed = Vec::new();
        for (id, member) in union {
            match self.members.insert(id, member.clone()) {
                None => joined.push(member),
                Some(known) if known != member => changed.push(member),
                Some(_) => {}
            }
        }
        if joined.is_empty() && left.is_empty() && changed.is_empty() {
            return AudienceChange::Same;
        }
        AudienceChange::Moves {
            joined,
            left,
            changed,
        }
    }

    fn audience(&self, change: &AudienceChange) -> Audience {
        match change {
            AudienceChange::Crowd { top: Some(top), .. } => Audience::Crowd {
                top: Arc::clone(top),
            },
            AudienceChange::Crowd { top: None, .. } => self.published.audience.clone(),
            AudienceChange::Same if self.is_crowd != self.is_list_published() => {
                self.published.audience.clone()
            }
            _ => Audience::Everybody {
                members: Arc::new(self.members.values().cloned().collect()),
            },
        }
    }

    fn is_list_published(&self) -> bool {
        matches!(self.published.audience, Audience::Everybody { .. })
    }
}

impl EdgeReport {
    fn new(incarnation: u64) -> Self {
        Self {
            incarnation,
            number: 0,
            heard_ms: 0,
            users: 0,
            connections: 0,
            roster_version: 0,
            has_version: None,
            kind: Roster::Everybody,
            members: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests;
