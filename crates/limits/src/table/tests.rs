use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Keys that share the set 0 of a table of `sets` sets.
fn of_one_set(sets: u64) -> impl Iterator<Item = Key> {
    (0..).map(move |index: u64| Key(index * sets))
}

#[test]
fn connections_are_counted_to_the_end() {
    let table = Table::new(64);
    let (key, now) = (Key(7), seconds(1.0));
    assert_eq!(table.connect(key, 2, now), Ok(true));
    assert_eq!(table.connect(key, 2, now), Ok(true));
    assert_eq!(table.connect(key, 2, now), Err(Untaken::Connections));
    assert_eq!(table.connect(Key(8), 2, now), Ok(true));
    table.release(key);
    assert_eq!(table.connections(key), 1);
    assert_eq!(table.connect(key, 2, now), Ok(true));
}

#[test]
fn what_has_connections_stays_and_newcomers_are_let_in() {
    let table = Table::new(WAYS);
    let now = seconds(1.0);
    let mut keys = of_one_set(1);
    let pinned: Vec<Key> = keys.by_ref().take(WAYS).collect();
    for key in &pinned {
        assert_eq!(table.connect(*key, 1, now), Ok(true));
    }
    let newcomer = keys.next().unwrap();
    assert_eq!(table.connect(newcomer, 1, now), Ok(false));
    assert_eq!(table.connect(newcomer, 1, now), Ok(false));
    assert_eq!(table.counts().untracked, 2);
    for key in &pinned {
        assert_eq!(table.connect(*key, 1, now), Err(Untaken::Connections));
        table.release(*key);
    }
    assert_eq!(table.connect(newcomer, 1, now), Ok(true));
    assert_eq!(table.counts().evicted, 0, "what owes nothing is no loss");
}

#[test]
fn the_least_debt_goes_first() {
    let table = Table::new(WAYS);
    let (rate, now) = (Rate::new(1, 100).unwrap(), seconds(1.0));
    let mut keys = of_one_set(1);
    let debtor = keys.next().unwrap();
    for _ in 0..100 {
        assert_eq!(table.request(debtor, rate, now), Ok(()));
    }
    // A thousand other addresses with one request each do not help him.
    for key in keys.by_ref().take(1_000) {
        assert_eq!(table.request(key, rate, now), Ok(()));
    }
    assert!(table.request(debtor, rate, now).is_err());
    assert!(table.counts().evicted > 0);
    // As many as there are ways with as great a debt each would: they have cost as much.
    for key in keys.take(WAYS) {
        for _ in 0..100 {
            let _ = table.request(key, rate, now);
        }
    }
    assert_eq!(table.in_use(now), WAYS);
}

#[test]
fn what_owes_nothing_makes_room_unnoticed() {
    let table = Table::new(WAYS);
    let rate = Rate::new(10, 10).unwrap();
    for (index, key) in of_one_set(1).take(10_000).enumerate() {
        let now = seconds(1.0 + index as f64);
        assert_eq!(table.request(key, rate, now), Ok(()));
        assert_eq!(table.in_use(now), 1);
    }
    assert_eq!(table.counts(), Counts::default());
}

#[test]
fn bytes_and_requests_do_not_mix() {
    let table = Table::new(64);
    let (key, now) = (Key(1), seconds(1.0));
    let (few, rate) = (Rate::new(1, 1).unwrap(), Rate::new(1_000, 1_000).unwrap());
    assert_eq!(table.bytes(key, rate, 3_000, now), seconds(2.0));
    assert_eq!(table.bytes_overdue(key, rate, now), seconds(2.0));
    assert_eq!(table.bytes_overdue(Key(2), rate, now), Duration::ZERO);
    assert_eq!(table.request(key, few, now), Ok(()));
    assert_eq!(
        table.request(key, few, now),
        Err(Untaken::Requests(seconds(1.0)))
    );
}

/// A seeded crowd: honest viewers within their rate, one address that floods, and many addresses
/// that only serve to wash its debt away. Virtual time.
#[test]
fn a_flood_from_many_addresses_buys_no_more_than_the_addresses() {
    let rate = Rate::new(20, 40).unwrap();
    let table = Table::new(1_024);
    let mut state: u64 = 0x5eed;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let viewers: Vec<Key> = (0..300).map(|_| Key(random())).collect();
    let flooder = Key(random());
    let (mut flooded, mut refused_viewers) = (0_u32, 0_u32);
    let steps = 20_000_u32;
    for step in 0..steps {
        // 1 ms each: 20 seconds.
        let now = seconds(1.0 + f64::from(step) * 0.001);
        // A viewer asks five times a second on average.
        for _ in 0..2 {
            let viewer = viewers[(random() % 300) as usize];
            refused_viewers += u32::from(table.request(viewer, rate, now).is_err());
        }
        for _ in 0..5 {
            flooded += u32::from(table.request(flooder, rate, now).is_ok());
        }
        // Twenty addresses never seen before in each millisecond: 20,000 a second.
        for _ in 0..20 {
            let _ = table.request(Key(random()), rate, now);
        }
    }
    let earned = 40 + 20 * 20;
    assert!(flooded <= earned + 1, "{flooded} of {earned} allowed");
    assert_eq!(refused_viewers, 0, "of those who kept to the rate");
    assert!(table.in_use(seconds(21.0)) <= 1_024);
}

#[derive(Clone, Debug)]
enum Act {
    Connect(u64),
    Release(u64),
    Request(u64),
    Bytes(u64, u64),
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let key = 0_u64..60;
    prop_oneof![
        key.clone().prop_map(Act::Connect),
        key.clone().prop_map(Act::Release),
        key.clone().prop_map(Act::Request),
        (key, 0_u64..10_000).prop_map(|(key, bytes)| Act::Bytes(key, bytes)),
        (0_u64..2_000).prop_map(Act::Pass),
    ]
}

proptest! {
    /// Against a map without bounds: connections that were counted are always known; a key is never
    /// held to more than it owes.
    #[test]
    fn never_stricter_than_a_table_without_end(acts in prop::collection::vec(act(), 1..500)) {
        let table = Table::new(32);
        let (requests, bytes) = (Rate::new(5, 3).unwrap(), Rate::new(1_000, 5_000).unwrap());
        let mut model: HashMap<u64, (u32, Debt, Debt)> = HashMap::new();
        let mut now = seconds(1.0);
        for act in acts {
            match act {
                Act::Connect(key) => {
                    let entry = model.entry(key).or_default();
                    match table.connect(Key(key), 3, now) {
                        Ok(true) => entry.0 += 1,
                        Ok(false) => prop_assert_eq!(entry.0, 0, "what is counted stays"),
                        Err(_) => prop_assert_eq!(entry.0, 3),
                    }
                }
                Act::Release(key) => {
                    if let Some(entry) = model.get_mut(&key)
                        && entry.0 > 0
                    {
                        table.release(Key(key));
                        entry.0 -= 1;
                    }
                }
                Act::Request(key) => {
                    let entry = model.entry(key).or_default();
                    let mut wanted = entry.1;
                    let taken = table.request(Key(key), requests, now).is_ok();
                    prop_assert!(taken || wanted.take(requests, 1, now).is_err());
                    if taken {
                        entry.1.spend(requests, 1, now);
                    }
                }
                Act::Bytes(key, count) => {
                    let entry = model.entry(key).or_default();
                    let wanted = entry.2.spend(bytes, count, now);
                    prop_assert!(table.bytes(Key(key), bytes, count, now) <= wanted);
                }
                Act::Pass(ms) => now += Duration::from_millis(ms),
            }
            for (key, (connections, ..)) in &model {
                prop_assert_eq!(table.connections(Key(*key)), *connections);
            }
            prop_assert!(table.in_use(now) <= 32);
        }
    }
}
