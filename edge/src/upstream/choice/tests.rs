use std::collections::BTreeMap;

use super::*;

use Availability::{Down, Trial, Up};

const NAMES: [&str; 4] = ["a:1", "b:1", "c:1", "d:1"];

fn candidates(availabilities: &[Availability], backups: usize) -> Vec<Candidate<'static>> {
    let primaries = availabilities.len() - backups;
    let each = NAMES.iter().zip(availabilities).enumerate();
    each.map(|(place, (authority, availability))| Candidate {
        authority,
        backup: place >= primaries,
        availability: *availability,
    })
    .collect()
}

#[test]
fn the_order_of_preference_stays_among_equals() {
    for (availabilities, backups, expect) in [
        (vec![Up, Up, Up], 0, vec![0, 1, 2]),
        (vec![Down, Up, Up], 0, vec![1, 2, 0]),
        (vec![Down, Down, Up], 1, vec![2, 0, 1]),
        (vec![Up, Down, Up], 1, vec![0, 2, 1]),
        // One request tries the first; should it fail it goes to those that are up.
        (vec![Trial, Down, Up, Up], 1, vec![0, 2, 3, 1]),
        // What would not be asked first anyway is not tried before one that is up.
        (vec![Up, Trial, Up], 0, vec![0, 2, 1]),
        (vec![Down, Trial, Down], 0, vec![1, 0, 2]),
        (vec![], 0, vec![]),
    ] {
        let candidates = candidates(&availabilities, backups);
        let order = order(Choice::First, "/live/demo/index.m3u8", &candidates);
        assert_eq!(order, expect, "{availabilities:?}, {backups} backups");
    }
}

#[test]
fn a_stream_has_one_home_whatever_is_asked_of_it() {
    let peers = candidates(&[Up; 4], 0);
    let home = |target: &str| order(Choice::Hash, target, &peers);
    let playlist = home("/live/demo/720p/index.m3u8?_HLS_msn=5&_HLS_part=1");
    for target in [
        "/live/demo/index.m3u8",
        "/live/demo/audio/seg5.m4s",
        "/live/demo/",
    ] {
        assert_eq!(home(target), playlist, "{target}");
    }
}

#[test]
fn peers_share_streams_and_one_that_falls_moves_its_own_alone() {
    let all = candidates(&[Up; 4], 0);
    let without = candidates(&[Up, Up, Down, Up], 0);
    let mut shares = BTreeMap::new();
    for stream in 0..10_000 {
        let target = format!("/live/stream-{stream}/index.m3u8");
        let before = order(Choice::Hash, &target, &all);
        let after = order(Choice::Hash, &target, &without);
        *shares.entry(before[0]).or_insert(0) += 1;
        if before[0] == 2 {
            assert_eq!(after[0], before[1], "its second choice takes over");
        } else {
            assert_eq!(after[0], before[0]);
        }
    }
    for share in shares.values() {
        assert!((2_300..2_700).contains(share), "{shares:?}");
    }
}

#[test]
fn backups_wait_for_all_peers_to_fall() {
    let mut peers = candidates(&[Up, Up, Up, Up], 2);
    for stream in 0..100 {
        let target = format!("/live/{stream}/index.m3u8");
        let order = order(Choice::Hash, &target, &peers);
        assert!(order[0] < 2 && order[1] < 2, "{order:?}");
    }
    peers[0].availability = Down;
    peers[1].availability = Down;
    let order = order(Choice::Hash, "/live/x/index.m3u8", &peers);
    assert!(order[0] >= 2, "{order:?}");
}

/// The hash is part of what edges of different versions agree on.
#[test]
fn the_home_of_a_stream_never_changes() {
    let peers = candidates(&[Up; 4], 0);
    let homes = ["demo", "kitchen", "studio"].map(|stream| {
        let target = format!("/live/{stream}/index.m3u8");
        order(Choice::Hash, &target, &peers)
    });
    assert_eq!(homes, [[2, 1, 3, 0], [1, 0, 2, 3], [1, 3, 2, 0]]);
}
