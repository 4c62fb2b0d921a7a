//! What this process knows of its rooms, without asking anybody.

use std::collections::HashMap;
use std::sync::Arc;

use channels::{Channels, Error, Room, RoomState, Snapshot};
use parking_lot::RwLock;

use super::rules;
use crate::config::IngestRulesConfig;
use crate::health::IngestRules;

/// All rooms as they were a moment ago. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    known: Arc<RwLock<Known>>,
    /// `[ingest_rules]`, over which rooms have their own.
    everywhere: Arc<IngestRulesConfig>,
}

#[derive(Debug, Default)]
struct Known {
    version: u64,
    rooms: HashMap<String, Room>,
    /// What may be sent to those that have rules of their own.
    rules: HashMap<String, IngestRules>,
    /// Rooms that were stopped here, until the store has it.
    off: HashMap<String, Off>,
}

/// A room that is stopped whatever the store says.
#[derive(Debug)]
struct Off {
    reason: String,
    /// The room's, before.
    stops: u64,
}

/// A room that nobody may watch any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) name: String,
    /// For its publisher.
    pub(super) why: String,
}

/// What is otherwise since the last time.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Rooms that are closed.
    pub(super) closed: Vec<Closed>,
    /// Rooms whose keys were all taken back: their publishers have to go.
    pub(super) cut: Vec<String>,
}

impl Directory {
    /// Of no rooms yet.
    pub(super) fn under(everywhere: IngestRulesConfig) -> Self {
        Self {
            known: Arc::default(),
            everywhere: Arc::new(everywhere),
        }
    }

    /// What holds in rooms that have no rules of their own.
    pub(super) fn everywhere(&self) -> &IngestRulesConfig {
        &self.everywhere
    }

    /// What may be sent to a room that has rules of its own.
    pub(crate) fn rules(&self, name: &str) -> Option<IngestRules> {
        self.known.read().rules.get(name).copied()
    }

    /// Whether a room is open; `None`: it is not known.
    pub(crate) fn state(&self, name: &str) -> Option<RoomState> {
        let known = self.known.read();
        if known.off.contains_key(name) {
            return Some(RoomState::Stopped);
        }
        known.rooms.get(name).map(|room| room.state)
    }

    /// Stops a room here, before the store has it and whether or not it takes it, until it is switched
    /// on or the store says that it was stopped. Whether there is such a room.
    pub(super) fn switch_off(&self, name: &str, reason: &str) -> bool {
        let mut known = self.known.write();
        let Some(stops) = known.rooms.get(name).map(|room| room.stops) else {
            return false;
        };
        let reason = reason.to_owned();
        known.off.insert(name.to_owned(), Off { reason, stops });
        true
    }

    /// From now on the store alone says whether a room is stopped.
    pub(super) fn switch_on(&self, name: &str) {
        self.known.write().off.remove(name);
    }

    /// Why a room is stopped here, whatever the store says.
    pub(crate) fn off(&self, name: &str) -> Option<String> {
        let known = self.known.read();
        known.off.get(name).map(|off| off.reason.clone())
    }

    /// What a room is called for people.
    pub(super) fn title(&self, name: &str) -> Option<String> {
        let known = self.known.read();
        let room = known.rooms.get(name)?;
        (!room.title.is_empty()).then(|| room.title.clone())
    }

    /// Why a room is closed; `None`: it is not, or not known.
    pub(super) fn stopped(&self, name: &str) -> Option<String> {
        let known = self.known.read();
        if let Some(off) = known.off.get(name) {
            return Some(off.reason.clone());
        }
        let room = known.rooms.get(name)?;
        (room.state == RoomState::Stopped).then(|| room.reason.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.known.read().rooms.len()
    }

    pub(super) fn version(&self) -> u64 {
        self.known.read().version
    }

    /// Reads the store for the first time.
    pub(super) async fn read(&self, store: &Channels) -> Result<(), Error> {
        self.reload(store).await.map(drop)
    }

    /// Reads the store; answers what is otherwise since the last time.
    pub(super) async fn reload(&self, store: &Channels) -> Result<Changes, Error> {
        Ok(self.replace(store.snapshot().await?))
    }

    /// The rules of rooms. Those that were known are not read again: what is wrong with them is said once.
    fn held_to(
        &self,
        rooms: &HashMap<String, Room>,
        before: &HashMap<String, Room>,
        known: &HashMap<String, IngestRules>,
    ) -> HashMap<String, IngestRules> {
        let with_own = rooms.values().filter(|room| !room.rules.is_empty());
        let held = with_own.filter_map(|room| {
            let was = before.get(&room.name);
            let is_known =
                was.is_some_and(|was| (&was.rules, was.source) == (&room.rules, room.source));
            let rules = if is_known {
                known.get(&room.name).copied()
            } else {
                rules::holding(room, &self.everywhere)
            };
            Some((room.name.clone(), rules?))
        });
        held.collect()
    }

    /// An older snapshot, of somebody who was slower, changes nothing.
    fn replace(&self, snapshot: Snapshot) -> Changes {
        let mut known = self.known.write();
        if snapshot.version < known.version {
            return Changes::default();
        }
        known.version = snapshot.version;
        let named = |room: Room| (room.name.clone(), room);
        let rooms = snapshot.rooms.into_iter().map(named).collect();
        let before = std::mem::replace(&mut known.rooms, rooms);
        let Known {
            rooms, rules, off, ..
        } = &mut *known;
        *rules = self.held_to(rooms, &before, rules);
        off.retain(|name, off| {
            let room = rooms.get(name);
            room.is_some_and(|room| room.state == RoomState::Open && room.stops <= off.stops)
        });
        let (mut closed, mut cut) = (Vec::new(), Vec::new());
        for room in rooms.values() {
            let is_stopped = room.state == RoomState::Stopped;
            let before = before.get(&room.name);
            if before.is_some_and(|before| before.cuts != room.cuts) {
                cut.push(room.name.clone());
            }
            match before {
                // Open again is not open still: who came before the stop has to go.
                Some(was) if room.stops > was.stops && room.created_ms != was.created_ms => {
                    closed.push(Closed::deleted(&room.name));
                }
                Some(was) if room.stops <= was.stops => {}
                None if !is_stopped => {}
                _ => closed.push(Closed::stopped(&room.name, &room.reason)),
            }
        }
        let gone = before.keys();
        let gone = gone.filter(|name| !rooms.contains_key(*name));
        closed.extend(gone.map(|name| Closed::deleted(name)));
        Changes { closed, cut }
    }
}

impl Closed {
    fn deleted(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            why: "the room was deleted".to_owned(),
        }
    }

    pub(super) fn stopped(name: &str, reason: &str) -> Self {
        let reason = reason.to_owned();
        Self {
            name: name.to_owned(),
            why: channels::Refused::Stopped { reason }.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use channels::Source;

    use super::*;

    /// Rooms by name, state, and how often they were stopped.
    fn snapshot(version: u64, rooms: &[(&str, RoomState, u64)]) -> Snapshot {
        let room = |(name, state, stops): &(&str, RoomState, u64)| Room {
            name: (*name).to_owned(),
            title: String::new(),
            owner: None,
            state: *state,
            reason: "enough".to_owned(),
            source: Source::Api,
            created_ms: 1,
            stops: *stops,
            stopped_by: None,
            cuts: 0,
            rules: String::new(),
        };
        Snapshot {
            version,
            rooms: rooms.iter().map(room).collect(),
        }
    }

    #[test]
    fn what_is_closed_is_said_once() {
        use RoomState::{Open, Stopped};
        let directory = Directory::default();
        let replace = |snapshot| directory.replace(snapshot).closed;
        assert_eq!(replace(snapshot(1, &[("a", Open, 1), ("b", Open, 1)])), []);
        let closed = replace(snapshot(2, &[("a", Stopped, 2), ("b", Open, 1)]));
        assert_eq!(closed, [Closed::stopped("a", "enough")]);
        assert_eq!(directory.state("a"), Some(Stopped));
        assert_eq!(directory.stopped("a").as_deref(), Some("enough"));
        assert_eq!(
            replace(snapshot(2, &[("a", Stopped, 2), ("b", Open, 1)])),
            []
        );
        assert_eq!(replace(snapshot(1, &[])), [], "somebody was slower");
        let closed = replace(snapshot(3, &[("a", Open, 2)]));
        assert_eq!(closed.len(), 1);
        assert_eq!(closed[0].why, "the room was deleted");
        assert_eq!(
            (directory.state("a"), directory.state("b")),
            (Some(Open), None)
        );
    }

    #[test]
    fn what_is_switched_off_here_is_off_until_the_store_has_it() {
        use RoomState::{Open, Stopped};
        let directory = Directory::default();
        assert!(!directory.switch_off("a", "fire"), "there is none");
        directory.replace(snapshot(1, &[("a", Open, 1)]));
        assert!(directory.switch_off("a", "fire"));
        // Somebody else's change does not tell that the store has it.
        directory.replace(snapshot(2, &[("a", Open, 1), ("b", Open, 2)]));
        assert_eq!(directory.state("a"), Some(Stopped));
        assert_eq!(directory.off("a").as_deref(), Some("fire"));
        assert_eq!(directory.stopped("a").as_deref(), Some("fire"));
        directory.replace(snapshot(4, &[("a", Open, 3)]));
        assert_eq!(
            (directory.state("a"), directory.off("a")),
            (Some(Open), None)
        );
        assert!(directory.switch_off("a", "fire"));
        directory.switch_on("a");
        assert_eq!(directory.state("a"), Some(Open));
        assert!(directory.switch_off("a", "fire"));
        directory.replace(snapshot(5, &[("a", Stopped, 3)]));
        assert_eq!(directory.off("a"), None, "the store says so, too");
        assert!(directory.switch_off("a", "fire"));
        directory.replace(snapshot(5, &[]));
        assert_eq!((directory.state("a"), directory.off("a")), (None, None));
    }

    #[test]
    fn a_stop_between_two_looks_is_not_missed() {
        use RoomState::Open;
        let directory = Directory::default();
        let before = snapshot(1, &[("a", Open, 1), ("b", Open, 1), ("c", Open, 1)]);
        assert_eq!(directory.replace(before).closed, []);
        let mut after = snapshot(9, &[("a", Open, 3), ("b", Open, 4), ("c", Open, 1)]);
        after.rooms[1].created_ms = 2;
        let mut closed = directory.replace(after).closed;
        closed.sort_by(|one, other| one.name.cmp(&other.name));
        assert_eq!(
            closed,
            [Closed::stopped("a", "enough"), Closed::deleted("b")]
        );
    }

    #[test]
    fn whoever_published_with_keys_that_are_taken_back_is_cut_once() {
        let directory = Directory::default();
        let at = |version, cuts| {
            let rooms = [("a", RoomState::Open, 1), ("b", RoomState::Open, 1)];
            let mut snapshot = snapshot(version, &rooms);
            snapshot.rooms[0].cuts = cuts;
            directory.replace(snapshot).cut
        };
        assert!(at(1, 5).is_empty(), "nobody has published yet");
        assert_eq!(at(2, 6), ["a"]);
        assert!(at(3, 6).is_empty());
    }

    #[test]
    fn a_rooms_own_rules_hold_over_those_of_all_and_alone_if_they_do_not_fit() {
        let everywhere = IngestRulesConfig {
            keyframe_interval_max_seconds: 4.0,
            frame_rate_max: 60.0,
            ..IngestRulesConfig::default()
        };
        let directory = Directory::under(everywhere);
        let held = |version, rules: &str, source| {
            let mut snapshot = snapshot(version, &[("a", RoomState::Open, 1)]);
            snapshot.rooms[0].rules = rules.to_owned();
            snapshot.rooms[0].source = source;
            directory.replace(snapshot);
            directory.rules("a")
        };
        let fit = r#"{"keyframe_interval_min_seconds":1.0}"#;
        let rules = held(1, fit, Source::Api).unwrap();
        let limits = (rules.keyframe_interval_min, rules.frame_rate);
        assert_eq!(limits.0.unwrap().value.as_secs(), 1);
        assert_eq!(limits.1.unwrap().value.round() as u32, 60);
        assert_eq!(held(2, fit, Source::Api), Some(rules));
        assert_eq!(held(3, fit, Source::Config), None, "it has its own");
        assert_eq!(held(4, "", Source::Api), None);
        // Written under another configuration, or by another Weir.
        for unfit in [r#"{"keyframe_interval_min_seconds":9.0}"#, r#"{"x":1}"#] {
            assert_eq!(held(5, unfit, Source::Api), None, "{unfit}");
        }
    }
}
