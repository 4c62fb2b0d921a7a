//! Attackers and people, in virtual time.

use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_800_000_000_000;
const DAY_MS: u64 = 86_400_000;

fn guard() -> Guard {
    Guard::new().unwrap()
}

fn login(text: &str) -> Login {
    Login::new(text).unwrap()
}

fn source(guard: &Guard, name: &str, client: &str) -> Source {
    guard.source(&login(name), client.parse().unwrap())
}

/// Tries wrong passwords without a pause until it has to wait; answers how many were looked at.
fn storm(guard: &mut Guard, source: Source, now_ms: u64) -> u32 {
    let mut tried = 0;
    while guard.admit(source, now_ms).is_ok() {
        guard.settle(source, Attempt::Wrong, now_ms);
        tried += 1;
        assert!(tried < 10_000, "it ends");
    }
    tried
}

#[test]
fn waits_double_to_a_bound_and_are_forgotten() {
    let mut guard = guard();
    let ana = source(&guard, "ana", "192.0.2.1");
    assert_eq!(storm(&mut guard, ana, NOW), 5);
    let mut now = NOW;
    for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
        assert_eq!(guard.admit(ana, now), Err(expected * 1_000));
        assert_eq!(
            guard.admit(ana, now),
            Err(expected * 1_000),
            "asking changes nothing"
        );
        now += expected * 1_000;
        assert_eq!(guard.admit(ana, now), Ok(()));
        guard.settle(ana, Attempt::Wrong, now);
    }
    // 17 failures are 4 after two half-lives.
    now += 2 * PAIR.half_life_ms;
    assert_eq!(guard.admit(ana, now), Ok(()));
    guard.settle(ana, Attempt::Right, now);
    assert_eq!(storm(&mut guard, ana, now), 5, "the right one clears it");
}

#[test]
fn many_at_once_count_before_they_are_judged() {
    let mut guard = guard();
    let ana = source(&guard, "ana", "192.0.2.1");
    let admitted = (0..1_000).filter(|_| guard.admit(ana, NOW).is_ok()).count();
    assert_eq!(admitted, 5);
    for _ in 0..admitted {
        guard.settle(ana, Attempt::Untried, NOW);
    }
    assert_eq!(
        storm(&mut guard, ana, NOW),
        5,
        "what was not looked at does not count"
    );
}

#[test]
fn a_network_waits_and_those_who_were_there_before_do_not() {
    let mut guard = guard();
    let ana = source(&guard, "ana", "192.0.2.1");
    let ben = source(&guard, "ben", "192.0.2.77");
    guard.admit(ana, NOW).unwrap();
    guard.settle(ana, Attempt::Right, NOW);
    for n in 0..60 {
        let victim = source(&guard, &format!("victim-{n}"), "192.0.2.9");
        let _ = guard.admit(victim, NOW);
    }
    assert_eq!(guard.admit(ben, NOW), Err(1_000), "new in this network");
    assert_eq!(guard.admit(ana, NOW), Ok(()));
    let ben = source(&guard, "ben", "198.51.100.1");
    assert_eq!(guard.admit(ben, NOW), Ok(()), "elsewhere");
}

#[test]
fn networks_are_what_one_customer_has() {
    let guard = guard();
    let same = |a, b| source(&guard, "ana", a) == source(&guard, "ana", b);
    assert!(same("192.0.2.1", "192.0.2.254") && !same("192.0.2.1", "192.0.3.1"));
    assert!(same("192.0.2.1", "::ffff:192.0.2.9"));
    assert!(same("2001:db8:1::1", "2001:db8:1:ffff::2") && !same("2001:db8:1::", "2001:db8:2::"));
    assert!(!same("::1", "0.0.0.1"));
}

#[test]
fn a_clock_that_is_set_back_locks_nobody_out() {
    let mut guard = guard();
    let ana = source(&guard, "ana", "192.0.2.1");
    storm(&mut guard, ana, NOW);
    assert_eq!(guard.admit(ana, NOW - DAY_MS), Err(1_000));
    assert_eq!(guard.admit(ana, NOW - DAY_MS + 1_000), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever attackers try from their networks, on her account and others: Ana is let in at any
    /// time from a network that is not theirs, and from theirs if only she has signed in from it,
    /// as long as they leave her own name alone there.
    #[test]
    fn nobody_is_locked_out_by_others(
        steps in prop::collection::vec((0_u8..6, 0_usize..4, 0_u64..5_000, 0_u8..3), 1..300),
    ) {
        let mut guard = guard();
        let home = source(&guard, "ana", "198.51.100.7");
        let shared = source(&guard, "ana", "203.0.113.7");
        guard.admit(shared, NOW).unwrap();
        guard.settle(shared, Attempt::Right, NOW);
        let mut now = NOW;
        for (network, name, wait, attempt) in steps {
            now += wait;
            let client = if network == 0 { "203.0.113.9".to_owned() } else { format!("192.0.{network}.1") };
            let name = ["ana", "ben", "cleo", "dora"][if network == 0 { name.max(1) } else { name }];
            let attacker = source(&guard, name, &client);
            if guard.admit(attacker, now).is_ok() {
                let attempt = [Attempt::Wrong, Attempt::Untried, Attempt::Wrong][usize::from(attempt)];
                guard.settle(attacker, attempt, now);
            }
            for ana in [home, shared] {
                prop_assert_eq!(guard.admit(ana, now), Ok(()));
                guard.settle(ana, Attempt::Right, now);
            }
        }
    }

    /// However the attempts are spread over a day, one network has few at one account.
    #[test]
    fn guesses_of_a_day_are_few(waits in prop::collection::vec(0_u64..120_000, 500)) {
        let mut guard = guard();
        let ana = source(&guard, "ana", "192.0.2.1");
        let mut now = NOW;
        let mut tried = 0;
        for wait in waits.into_iter().cycle().take(50_000) {
            now += wait;
            if now > NOW + DAY_MS {
                break;
            }
            if guard.admit(ana, now).is_ok() {
                guard.settle(ana, Attempt::Wrong, now);
                tried += 1;
            }
        }
        prop_assert!(tried <= 5 + 11 + DAY_MS / PAIR.longest_ms, "{}", tried);
    }

    #[test]
    fn memory_is_bounded(seed in any::<u32>()) {
        let mut guard = Guard { pairs: Table::new(4), networks: Table::new(4), known: Table::new(4), ..guard() };
        for n in 0..500_u32 {
            let address = std::net::Ipv4Addr::from_bits(seed.wrapping_add(n << 8));
            let source = guard.source(&login(&format!("user-{n}")), address.into());
            if guard.admit(source, NOW).is_ok() && n % 2 == 0 {
                guard.settle(source, Attempt::Right, NOW);
            }
        }
        let most = 4 * 8;
        prop_assert!(guard.pairs.len() <= most && guard.networks.len() <= most && guard.known.len() <= most);
    }
}
