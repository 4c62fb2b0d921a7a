//! By example, and from several threads at once; `model` has the properties.

mod model;

use std::sync::Barrier;
use std::thread;

use super::contents::ENTRY_OVERHEAD_BYTES;
use super::*;

const NOW: u64 = 1_700_000_000_000;

fn limits(entries: u32, bytes: u64, value_bytes: u64) -> KvLimits {
    KvLimits {
        entries,
        bytes,
        value_bytes,
    }
}

fn space(limits: &KvLimits) -> KvSpace {
    KvStore::new(1 << 30).open("t", "f", limits).unwrap()
}

fn roomy() -> KvSpace {
    space(&KvLimits::default())
}

#[test]
fn values_live_until_their_time() {
    let kv = roomy();
    kv.set("a", b"1".to_vec(), Some(100), NOW).unwrap();
    kv.set("b", b"2".to_vec(), None, NOW).unwrap();
    assert_eq!(kv.get("a", NOW + 99), Ok(Some(b"1".to_vec())));
    assert_eq!(kv.get("a", NOW + 100), Ok(None));
    assert_eq!(kv.get("b", u64::MAX), Ok(Some(b"2".to_vec())));
    // A new value has a new lifetime.
    kv.set("b", b"3".to_vec(), Some(10), NOW).unwrap();
    assert_eq!(kv.get("b", NOW + 10), Ok(None));
    // One that expires at once is gone at once, and takes the old one with it.
    kv.set("c", b"4".to_vec(), None, NOW).unwrap();
    kv.set("c", b"5".to_vec(), Some(0), NOW).unwrap();
    assert_eq!(kv.get("c", NOW), Ok(None));
}

#[test]
fn delete_says_whether_there_was_something() {
    let kv = roomy();
    assert_eq!(kv.delete("a", NOW), Ok(false));
    kv.set("a", Vec::new(), Some(5), NOW).unwrap();
    assert_eq!(kv.delete("a", NOW + 5), Ok(false), "it had expired");
    kv.set("a", Vec::new(), None, NOW).unwrap();
    assert_eq!(kv.delete("a", NOW), Ok(true));
    assert_eq!(kv.take_token("a", 1, 1, NOW), Ok(None));
    assert_eq!(kv.take_token("a", 1, 1, NOW), Ok(Some(60_000)));
    assert_eq!(kv.delete("a", NOW), Ok(true), "a bucket counts");
    assert_eq!(kv.take_token("a", 1, 1, NOW), Ok(None));
}

#[test]
fn add_counts_in_decimal_and_keeps_the_first_lifetime() {
    let kv = roomy();
    assert_eq!(kv.add("n", 2, Some(100), NOW), Ok(2));
    assert_eq!(kv.add("n", -5, Some(10_000), NOW + 50), Ok(-3));
    assert_eq!(kv.get("n", NOW + 99), Ok(Some(b"-3".to_vec())));
    assert_eq!(kv.add("n", 7, None, NOW + 100), Ok(7), "made anew");
    assert_eq!(kv.get("n", u64::MAX), Ok(Some(b"7".to_vec())));

    kv.set("set", b"41".to_vec(), None, NOW).unwrap();
    assert_eq!(kv.add("set", 1, None, NOW), Ok(42));

    kv.set("max", i64::MAX.to_string().into_bytes(), None, NOW)
        .unwrap();
    assert_eq!(kv.add("max", 1, None, NOW), Err(KvError::TooLarge));
    assert_eq!(kv.add("max", -1, None, NOW), Ok(i64::MAX - 1));
    kv.set("text", b"seven".to_vec(), None, NOW).unwrap();
    assert_eq!(kv.add("text", 1, None, NOW), Err(KvError::Unavailable));
    assert_eq!(kv.get("text", NOW), Ok(Some(b"seven".to_vec())));
}

#[test]
fn compare_and_set_swaps_what_was_expected_only() {
    let kv = roomy();
    let cas = |expected: Option<&[u8]>, new: Option<&[u8]>| {
        kv.compare_and_set("k", expected, new.map(<[u8]>::to_vec), None, NOW)
            .unwrap()
    };
    assert!(!cas(Some(b"a"), Some(b"b")));
    assert!(cas(None, None));
    assert!(cas(None, Some(b"a")));
    assert!(!cas(None, Some(b"b")));
    assert!(cas(Some(b"a"), Some(b"b")));
    assert!(!cas(Some(b"a"), None));
    assert!(cas(Some(b"b"), None));
    assert_eq!(kv.get("k", NOW), Ok(None));
    // An expired value is an absent one.
    kv.set("k", b"old".to_vec(), Some(1), NOW).unwrap();
    assert_eq!(
        kv.compare_and_set("k", None, Some(b"new".to_vec()), None, NOW + 1),
        Ok(true)
    );
}

#[test]
fn keys_and_values_have_a_longest() {
    let kv = space(&limits(10, 10_000, 4));
    let long = "k".repeat(KV_KEY_BYTES_MAX + 1);
    assert_eq!(kv.get(&long, NOW), Err(KvError::TooLarge));
    assert_eq!(kv.delete(&long, NOW), Err(KvError::TooLarge));
    assert_eq!(kv.take_token(&long, 1, 1, NOW), Err(KvError::TooLarge));
    assert_eq!(kv.set("k", vec![0; 5], None, NOW), Err(KvError::TooLarge));
    assert_eq!(
        kv.compare_and_set("k", Some(b"x"), Some(vec![0; 5]), None, NOW),
        Err(KvError::TooLarge)
    );
    assert_eq!(kv.add("k", 99_999, None, NOW), Err(KvError::TooLarge));
    let longest = "k".repeat(KV_KEY_BYTES_MAX);
    assert_eq!(kv.set(&longest, vec![0; 4], None, NOW), Ok(()));
}

#[test]
fn expired_entries_make_room_and_living_ones_do_not() {
    let kv = space(&limits(3, 1_000, 100));
    kv.set("short", vec![], Some(10), NOW).unwrap();
    kv.set("long", vec![], Some(1_000), NOW).unwrap();
    kv.set("ever", vec![], None, NOW).unwrap();
    assert_eq!(kv.set("more", vec![], None, NOW + 9), Err(KvError::Quota));
    assert_eq!(kv.take_token("b", 1, 1, NOW + 9), Err(KvError::Quota));
    assert_eq!(kv.set("more", vec![], None, NOW + 10), Ok(()));
    assert_eq!(kv.get("long", NOW + 10), Ok(Some(vec![])));
    assert_eq!(kv.get("ever", NOW + 10), Ok(Some(vec![])));
}

#[test]
fn a_version_with_smaller_limits_can_write_to_the_keys_there_are() {
    let store = KvStore::new(1 << 20);
    let large = store.open("t", "f", &limits(10, 1_000, 100)).unwrap();
    let small = store.open("t", "f", &limits(1, 10, 100)).unwrap();
    large.set("a", vec![1; 50], None, NOW).unwrap();
    large.set("b", vec![1; 50], None, NOW).unwrap();
    assert_eq!(small.set("a", vec![2; 50], None, NOW), Ok(()));
    assert_eq!(small.set("a", vec![2; 51], None, NOW), Err(KvError::Quota));
    assert_eq!(small.set("a", vec![2; 5], None, NOW), Ok(()));
    assert_eq!(large.get("a", NOW), Ok(Some(vec![2; 5])));
}

#[test]
fn spaces_do_not_see_each_other() {
    let store = KvStore::new(1 << 20);
    let open = |tenant, filter| store.open(tenant, filter, &KvLimits::default()).unwrap();
    open("t", "f").set("k", b"v".to_vec(), None, NOW).unwrap();
    assert_eq!(open("t", "g").get("k", NOW), Ok(None));
    assert_eq!(open("u", "f").get("k", NOW), Ok(None));
    assert_eq!(open("t", "f").get("k", NOW), Ok(Some(b"v".to_vec())));
    store.forget("f");
    assert_eq!(open("t", "f").get("k", NOW), Ok(None));
    assert_eq!(store.figures().bytes, 0);
}

#[test]
fn a_full_node_takes_back_what_expired_elsewhere_and_nothing_else() {
    let entry = ENTRY_OVERHEAD_BYTES + 1 + 9;
    let store = KvStore::new(3 * entry);
    let [a, b] = ["a", "b"].map(|filter| store.open("t", filter, &KvLimits::default()).unwrap());
    a.set("1", vec![0; 9], Some(10), NOW).unwrap();
    a.set("2", vec![0; 9], None, NOW).unwrap();
    b.set("3", vec![0; 9], None, NOW).unwrap();
    assert_eq!(store.figures().bytes, 3 * entry);
    let refused = b.set("4", vec![0; 9], None, NOW + 9);
    assert_eq!(refused, Err(KvError::Unavailable));
    assert_eq!(b.set("4", vec![0; 9], None, NOW + 10), Ok(()));
    assert_eq!(a.get("2", NOW + 10), Ok(Some(vec![0; 9])));
    // No handle, no entries: the space goes, and what it held is given back.
    a.delete("2", NOW).unwrap();
    drop(a);
    assert!(!store.sweep(NOW));
    let figures = store.figures();
    assert_eq!(
        (figures.spaces, figures.entries, figures.bytes),
        (1, 2, 2 * entry)
    );
    assert_eq!(figures.refused_unavailable, 1);
}

#[test]
fn a_store_for_one_holds_all_that_the_limits_allow() {
    let limits = limits(100, 1_000, 100);
    let kv = KvStore::for_one(&limits).open("t", "f", &limits).unwrap();
    for at in 0..100 {
        assert_eq!(kv.set(&format!("{at:05}"), vec![0; 5], None, NOW), Ok(()));
    }
    assert_eq!(kv.set("more", vec![], None, NOW), Err(KvError::Quota));
}

#[test]
fn sweeping_takes_out_what_nobody_asks_for() {
    let store = KvStore::new(1 << 20);
    let kv = store.open("t", "f", &KvLimits::default()).unwrap();
    let count = SWEEP_ENTRIES as u64 + 10;
    for at in 0..count {
        kv.set(&at.to_string(), vec![], Some(1), NOW).unwrap();
    }
    kv.take_token("bucket", 1, 60, NOW).unwrap();
    assert!(!store.sweep(NOW), "nothing has expired");
    assert_eq!(store.figures().entries, count + 1);
    assert!(store.sweep(NOW + 1), "bounded");
    assert!(!store.sweep(NOW + 1_000));
    assert_eq!(store.figures().entries, 0);
    assert_eq!(store.figures().bytes, 0);
    assert_eq!(store.space_figures()[0].bytes, 0);
}

#[test]
fn the_number_of_spaces_is_bounded() {
    let store = KvStore::new(1 << 30);
    let open = |at: usize| store.open(&at.to_string(), "f", &KvLimits::default());
    let held: Vec<KvSpace> = (0..KV_SPACES_MAX).map(|at| open(at).unwrap()).collect();
    assert_eq!(open(KV_SPACES_MAX).unwrap_err(), KvSpacesFull);
    assert!(open(0).is_ok(), "one that is open can be opened again");
    held[0].set("k", vec![], None, NOW).unwrap();
    drop(held);
    assert!(open(KV_SPACES_MAX).is_ok(), "those that nobody holds go");
    assert_eq!(open(0).unwrap().get("k", NOW), Ok(Some(vec![])));
}

// ---------------------------------------------------------------- threads

const THREADS: usize = 8;
const ROUNDS: usize = 500;

/// Runs `body` in all threads at once.
fn together<T: Send>(body: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|at| {
                let (barrier, body) = (&barrier, &body);
                scope.spawn(move || {
                    barrier.wait();
                    body(at)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

#[test]
fn concurrent_adds_are_all_counted_and_no_sum_is_seen_twice() {
    let kv = roomy();
    let mut sums: Vec<i64> = together(|_| {
        (0..ROUNDS)
            .map(|_| kv.add("n", 1, None, NOW).unwrap())
            .collect::<Vec<_>>()
    })
    .concat();
    sums.sort_unstable();
    let all = i64::try_from(THREADS * ROUNDS).unwrap();
    assert_eq!(sums, (1..=all).collect::<Vec<_>>());
}

#[test]
fn concurrent_takes_get_exactly_the_tokens_there_are() {
    let kv = roomy();
    let capacity = u32::try_from(ROUNDS).unwrap();
    let taken: usize = together(|_| {
        (0..ROUNDS)
            .filter(|_| kv.take_token("b", capacity, 0, NOW).unwrap().is_none())
            .count()
    })
    .into_iter()
    .sum();
    assert_eq!(taken, ROUNDS);
    // One token comes back in a second: one of all gets it.
    kv.take_token("c", 1, 60, NOW).unwrap();
    let winners = together(|_| kv.take_token("c", 1, 60, NOW + 1_000).unwrap())
        .into_iter()
        .filter(Option::is_none)
        .count();
    assert_eq!(winners, 1);
}

#[test]
fn concurrent_compare_and_set_has_one_winner_each_time() {
    let kv = roomy();
    let wins: usize = together(|at| {
        (0..ROUNDS)
            .filter(|round| {
                let key = round.to_string();
                kv.compare_and_set(&key, None, Some(vec![at as u8]), None, NOW)
                    .unwrap()
            })
            .count()
    })
    .into_iter()
    .sum();
    assert_eq!(wins, ROUNDS);
}

#[test]
fn concurrent_writers_never_pass_the_nodes_bound_nor_lose_count() {
    let store = KvStore::new(20 * (ENTRY_OVERHEAD_BYTES + 100));
    together(|at| {
        let kv = store
            .open("t", &at.to_string(), &KvLimits::default())
            .unwrap();
        for round in 0..ROUNDS {
            let now = NOW + round as u64;
            let key = (round % 16).to_string();
            match kv.set(&key, vec![0; round % 90], Some(1 + (round % 7) as u64), now) {
                Ok(()) | Err(KvError::Unavailable) => {}
                Err(error) => panic!("{error}"),
            }
            assert!(store.figures().bytes <= store.figures().bytes_max);
        }
    });
    while store.sweep(u64::MAX) {}
    let figures = store.figures();
    assert_eq!((figures.bytes, figures.entries, figures.spaces), (0, 0, 0));
}
