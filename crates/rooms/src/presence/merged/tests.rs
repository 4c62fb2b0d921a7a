use super::*;
use crate::{
    presence::local::Local,
    schema::{Roles, User},
};

fn config() -> Config {
    Config {
        report_ms: 1_000,
        linger_ms: 2_000,
        presence_exact_max: 10,
        presence_top: 3,
        presence_joins: 2,
        ..Config::default()
    }
}

/// Edges that report to one hub without loss.
struct Room {
    merged: Merged,
    edges: Vec<Local>,
    now_ms: u64,
}

impl Room {
    fn new(edges: usize) -> Self {
        let config = config();
        Self {
            merged: Merged::new(&config, 0, 1),
            edges: (0..edges)
                .map(|seed| Local::new(&config, seed as u64))
                .collect(),
            // Past the quiet time of a hub that starts.
            now_ms: 100_000,
        }
    }

    fn join(&mut self, edge: usize, id: &str) {
        let user = User {
            id: id.to_owned(),
            ..User::default()
        };
        self.edges[edge].join(&user);
    }

    fn leave(&mut self, edge: usize, id: &str) {
        self.edges[edge].leave(self.now_ms, id);
    }

    fn report(&mut self, edge: usize) {
        let local = &mut self.edges[edge];
        local.expire(self.now_ms);
        let report = local.report(|_| 0);
        let known = self
            .merged
            .report(self.now_ms, &format!("edge-{edge}"), 1, &report);
        local.acknowledge(known.expect("taken"), self.merged.wants_lists());
    }

    /// One report interval.
    fn round(&mut self) -> Option<(Presence, AudienceChange)> {
        self.now_ms += 1_000;
        for edge in 0..self.edges.len() {
            self.report(edge);
        }
        self.merged.update(self.now_ms, |_| 0)
    }
}

fn names(members: &[Member]) -> Vec<&str> {
    members.iter().map(|member| member.id.as_str()).collect()
}

fn moves(update: Option<(Presence, AudienceChange)>) -> (u32, Vec<String>, Vec<String>) {
    match update {
        Some((presence, AudienceChange::Moves { joined, left, .. })) => {
            let joined = names(&joined).into_iter().map(str::to_owned).collect();
            (presence.users, joined, left)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_user_counts_once_however_many_connections_and_edges() {
    let mut room = Room::new(2);
    room.join(0, "a");
    room.join(0, "a");
    room.join(1, "a");
    room.join(1, "b");
    assert_eq!(
        moves(room.round()),
        (2, vec!["a".to_owned(), "b".to_owned()], vec![])
    );
    room.leave(0, "a");
    for _ in 0..10 {
        let update = room.round();
        // One connection less.
        assert!(update.is_none_or(|(presence, change)| {
            presence.users == 2 && change == AudienceChange::Same
        }));
    }
}

#[test]
fn who_comes_back_in_time_neither_left_nor_joined() {
    let mut room = Room::new(2);
    room.join(0, "a");
    room.round();
    // On another edge, within the linger time of the first.
    room.leave(0, "a");
    assert!(room.round().is_some(), "no connection is left");
    room.join(1, "a");
    for _ in 0..10 {
        let change = room.round().map(|(_, change)| change);
        assert!(change.is_none_or(|change| change == AudienceChange::Same));
    }
    room.leave(1, "a");
    let mut left = None;
    for round in 0..10 {
        if let Some((_, AudienceChange::Moves { left: ids, .. })) = room.round() {
            left = Some((round, ids));
        }
    }
    // Two seconds at the edge, two at the hub.
    assert_eq!(left, Some((3, vec!["a".to_owned()])));
}

#[test]
fn an_edge_silent_for_three_reports_drops_out() {
    let mut room = Room::new(2);
    room.join(0, "a");
    room.join(1, "b");
    room.round();
    let mut gone_after = None;
    for round in 1..10 {
        room.now_ms += 1_000;
        room.report(0);
        if let Some((presence, _)) = room.merged.update(room.now_ms, |_| 0)
            && presence.connections == 1
            && gone_after.is_none()
        {
            gone_after = Some(round);
        }
    }
    assert_eq!(gone_after, Some(3));
    assert_eq!(room.merged.published.users, 1, "lingered, and left");
    // It comes back as it was, once its list has been asked for again.
    room.round();
    assert_eq!(moves(room.round()), (2, vec!["b".to_owned()], vec![]));
}

#[test]
fn a_crowd_is_counted_and_becomes_a_list_only_well_below_the_limit() {
    let mut room = Room::new(2);
    for at in 0..6 {
        room.join(0, &format!("a{at}"));
        room.join(1, &format!("b{at}"));
    }
    let (presence, change) = room.round().expect("news");
    assert_eq!(presence.users, 12);
    assert!(
        matches!(change, AudienceChange::Anew { audience: Audience::Crowd { top } } if top.len() == 3)
    );
    // Joins of a crowd are a sample.
    room.round();
    for at in 0..5 {
        room.join(0, &format!("c{at}"));
    }
    let (presence, change) = room.round().expect("news");
    assert_eq!(presence.users, 17);
    assert!(matches!(change, AudienceChange::Crowd { joined, .. } if joined.len() == 2));
    // Ten are still a crowd, nine are not.
    for at in 0..5 {
        room.leave(0, &format!("c{at}"));
    }
    room.leave(0, "a0");
    room.leave(0, "a1");
    for _ in 0..6 {
        room.round();
    }
    assert_eq!(room.merged.published.users, 10);
    assert!(!room.merged.is_list_published());
    room.leave(0, "a2");
    for _ in 0..6 {
        room.round();
    }
    assert_eq!(room.merged.published.users, 9);
    assert!(room.merged.is_list_published());
}

#[test]
fn the_top_is_by_role_then_points() {
    let member = |id: &str, roles| Member {
        id: id.to_owned(),
        name: String::new(),
        roles,
    };
    let members = [
        member("viewer", Roles::NONE),
        member("giver", Roles::NONE),
        member("mod", Roles::MODERATOR),
        member("host", Roles::BROADCASTER),
        member("mod", Roles::MODERATOR.union(Roles::STAFF)),
    ];
    let points = |id: &str| u64::from(id == "giver");
    let first = top(members.iter(), points, 3);
    assert_eq!(names(&first), ["host", "mod", "giver"]);
}

#[test]
fn late_reports_and_former_lives_say_nothing() {
    let mut merged = Merged::new(&config(), 0, 1);
    let mut old = Local::new(&config(), 1);
    old.join(&User {
        id: "ghost".to_owned(),
        ..User::default()
    });
    let first = old.report(|_| 0);
    let second = old.report(|_| 0);
    assert_eq!(merged.report(1, "e", 5, &second), Some(Some(1)));
    let empty = Report {
        users: 0,
        connections: 0,
        ..first.clone()
    };
    assert_eq!(merged.report(2, "e", 5, &empty), Some(Some(1)));
    assert_eq!(merged.total(), 1, "the later one holds");
    assert_eq!(merged.report(3, "e", 4, &first), None);
    let mut new = Local::new(&config(), 1);
    assert_eq!(merged.report(4, "e", 6, &new.report(|_| 0)), Some(Some(0)));
    assert_eq!(merged.total(), 0);
}
