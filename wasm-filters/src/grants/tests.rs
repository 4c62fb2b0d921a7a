//! Grants, refusals, revocations and flights. The time is virtual where it counts.

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::host::{Denial, DenialKind};

const NOW_MS: u64 = 1_800_000_000_000;

fn granted(
    user: &str,
    stream: &str,
    token: &str,
    kept: Option<Instant>,
    asked_at: u64,
) -> Arc<Granted> {
    Arc::new(Granted {
        user: types::User {
            id: user.to_owned(),
            name: String::new(),
            roles: types::Roles::empty(),
            level: 0,
            attrs: Vec::new(),
        },
        stream: None,
        expires_at_ms: None,
        accepted: Some(0),
        attrs: Vec::new(),
        by: None,
        facts: GrantFacts {
            asked: stream.to_owned(),
            tokens: vec![Digest::of(token.as_bytes())],
            kept_until: kept,
            asked_at,
            checked_at: AtomicU64::new(asked_at),
        },
    })
}

fn grants() -> Grants {
    Grants::new(1 << 20, 100)
}

fn key(number: u128) -> GrantKey {
    GrantKey::from_number(number)
}

fn revocation(kind: RevocationKind, value: &str, until: u64) -> Revocation {
    Revocation {
        kind,
        value: value.to_owned(),
        until_unix_ms: until,
    }
}

/// Beyond the real time too, which the slow path of a look-up reads.
const LATER_MS: u64 = NOW_MS * 2;

#[test]
fn a_grant_is_given_again_until_it_ends() {
    let grants = grants();
    let now = Instant::now();
    let until = kept_until(60_000, None, now, NOW_MS).unwrap();
    grants.keep(key(1), &granted("ada", "demo", "t", Some(until), 0));
    assert!(grants.cached(&key(1), now).is_some());
    assert!(
        grants
            .cached(&key(1), until - Duration::from_millis(1))
            .is_some()
    );
    assert!(grants.cached(&key(1), until).is_none());
    assert!(grants.cached(&key(2), now).is_none());
    // One that has ended makes room for the next, with its own end.
    grants.keep(key(4), &granted("ada", "demo", "t", Some(now), 0));
    assert!(grants.cached(&key(4), now).is_none());
    grants.keep(key(4), &granted("ada", "demo", "t", Some(until), 0));
    assert!(grants.cached(&key(4), now).is_some());
    // Not to be kept.
    grants.keep(key(3), &granted("ada", "demo", "t", None, 0));
    assert!(grants.cached(&key(3), now).is_none());
}

#[test]
fn a_grant_is_never_kept_beyond_its_own_end() {
    let now = Instant::now();
    let kept =
        |cache_ms, expires| kept_until(cache_ms, expires, now, NOW_MS).map(|until| until - now);
    assert_eq!(kept(0, None), None);
    assert_eq!(kept(5000, None), Some(Duration::from_secs(5)));
    assert_eq!(
        kept(5000, Some(NOW_MS + 2000)),
        Some(Duration::from_secs(2))
    );
    assert_eq!(
        kept(5000, Some(NOW_MS + 9000)),
        Some(Duration::from_secs(5))
    );
    assert_eq!(kept(5000, Some(NOW_MS)), None);
    assert_eq!(kept(5000, Some(0)), None);
    assert_eq!(kept(u32::MAX, None), Some(GRANT_CACHE_MAX));
}

#[test]
fn a_refusal_is_repeated_for_a_moment() {
    let grants = grants();
    let now = Instant::now();
    let denial = Denial::by_node(DenialKind::NoOpinion, "no");
    let answer = AuthAnswer::Denied(Arc::new(denial));
    grants.keep_refusal(key(1), answer, now + DENIAL_CACHE_MAX);
    assert!(grants.refused(&key(1), now).is_some());
    assert!(grants.refused(&key(1), now + DENIAL_CACHE_MAX).is_none());
    // It hides no grant.
    assert!(grants.cached(&key(1), now).is_none());
}

#[test]
fn what_is_revoked_is_gone_at_once_and_the_rest_stays() {
    use RevocationKind::{Stream, Token, User};
    let digest = Digest::of(b"t1").to_string();
    for (kind, value) in [(User, "ada"), (Stream, "demo"), (Token, digest.as_str())] {
        let grants = grants();
        let now = Instant::now();
        let until = Some(now + Duration::from_secs(60));
        grants.keep(key(1), &granted("ada", "demo", "t1", until, 0));
        grants.keep(key(2), &granted("bob", "other", "t2", until, 0));
        grants
            .revoke(&revocation(kind, value, LATER_MS), NOW_MS)
            .unwrap();
        assert!(grants.cached(&key(1), now).is_none(), "{kind:?}");
        assert!(grants.cached(&key(2), now).is_some(), "{kind:?}");
        // Nor is a new one given.
        let new = granted("ada", "demo", "t1", until, grants.revision());
        assert!(grants.is_revoked(&new, NOW_MS));
        // Until it ends.
        assert!(!grants.is_revoked(&new, LATER_MS));
    }
}

#[test]
fn the_stream_that_a_publish_key_opens_is_a_stream() {
    let grants = grants();
    let mut grant = Arc::into_inner(granted("ada", "secret-key", "t", None, 0)).unwrap();
    grant.stream = Some("ada-live".to_owned());
    let stream = revocation(RevocationKind::Stream, "ada-live", LATER_MS);
    grants.revoke(&stream, NOW_MS).unwrap();
    assert!(grants.is_revoked(&grant, NOW_MS));
}

#[test]
fn all_ends_what_was_asked_before_and_nothing_after() {
    let grants = grants();
    let now = Instant::now();
    let until = Some(now + Duration::from_secs(60));
    let before = grants.revision();
    grants.keep(key(1), &granted("ada", "demo", "t", until, before));
    let all = revocation(RevocationKind::All, "", NOW_MS);
    grants.revoke(&all, NOW_MS).unwrap();
    assert!(grants.cached(&key(1), now).is_none());
    // The filters were still being asked when it came.
    let late = granted("ada", "demo", "t", until, before);
    assert!(grants.is_revoked(&late, NOW_MS));
    grants.keep(
        key(2),
        &granted("ada", "demo", "t", until, grants.revision()),
    );
    assert!(grants.cached(&key(2), now).is_some());
    // The registry says it again: it is no new one.
    grants.revoke(&all, NOW_MS).unwrap();
    assert!(grants.cached(&key(2), now).is_some());
}

#[test]
fn of_two_revocations_the_longer_holds_and_one_can_be_lifted() {
    let grants = grants();
    let grant = granted("ada", "demo", "t", None, 0);
    let user = |until| revocation(RevocationKind::User, "ada", until);
    grants.revoke(&user(NOW_MS + 500), NOW_MS).unwrap();
    grants.revoke(&user(NOW_MS + 100), NOW_MS).unwrap();
    assert!(grants.is_revoked(&grant, NOW_MS + 200));
    assert_eq!(grants.revocations(NOW_MS), 1);
    grants.revoke(&user(0), NOW_MS).unwrap();
    assert!(!grants.is_revoked(&grant, NOW_MS + 200));
    // One that has ended already is none.
    grants.revoke(&user(NOW_MS), NOW_MS).unwrap();
    assert_eq!(grants.revocations(NOW_MS), 0);
}

#[test]
fn revocations_are_bounded_and_none_is_forgotten_for_another() {
    let grants = grants();
    let user =
        |number: usize, until| revocation(RevocationKind::User, &format!("u{number}"), until);
    for number in 0..REVOCATIONS_MAX {
        grants.revoke(&user(number, NOW_MS + 1000), NOW_MS).unwrap();
    }
    let more = user(REVOCATIONS_MAX, NOW_MS + 9000);
    assert_eq!(grants.revoke(&more, NOW_MS), Err(RevocationError::Full));
    assert!(grants.is_revoked(&granted("u0", "demo", "t", None, 0), NOW_MS));
    // Those that have ended make room.
    grants.revoke(&more, NOW_MS + 1000).unwrap();
    assert_eq!(grants.revocations(NOW_MS + 1000), 1);
}

#[test]
fn a_revocation_names_something() {
    let grants = grants();
    for (kind, value) in [
        (RevocationKind::User, String::new()),
        (
            RevocationKind::Stream,
            "x".repeat(REVOCATION_VALUE_BYTES_MAX + 1),
        ),
        (RevocationKind::Token, "not a digest".to_owned()),
    ] {
        let refused = grants.revoke(&revocation(kind, &value, LATER_MS), NOW_MS);
        assert!(
            matches!(refused, Err(RevocationError::Value(_))),
            "{kind:?}"
        );
    }
}

#[test]
fn the_bytes_that_are_kept_are_bounded() {
    let grants = Grants::new(100_000, 10);
    let now = Instant::now();
    let until = Some(now + Duration::from_secs(60));
    for number in 0..2000_u128 {
        let long = granted(&"u".repeat(1000), "demo", "t", until, 0);
        // Keys are hashes: numbers in a row would all be of one shard of the cache.
        let hash = number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        grants.keep(key(hash), &long);
    }
    assert!(grants.granted.weight() <= 100_000);
    assert!(grants.granted.len() > 20, "{}", grants.granted.len());
}

#[test]
fn what_has_ended_gives_its_room_back() {
    let grants = grants();
    let now = Instant::now();
    let (soon, later) = (now + Duration::from_secs(1), now + Duration::from_secs(2));
    grants.keep(key(1), &granted("ada", "demo", "t", Some(soon), 0));
    grants.keep(key(2), &granted("bob", "demo", "t", Some(later), 0));
    let answer = AuthAnswer::Redirect("/login".into());
    grants.keep_refusal(key(3), answer, soon);
    grants.sweep(now);
    assert_eq!(grants.len(), (2, 1));
    grants.sweep(soon);
    assert_eq!(grants.len(), (1, 0));
    assert!(grants.cached(&key(2), soon).is_some());
}

/// Tasks that all ask the same, each of which `lead`s when it is its turn.
async fn herd(
    flights: &Arc<Flights<u32, u32>>,
    size: usize,
    leaders: &Arc<AtomicUsize>,
    share: bool,
) -> Vec<Option<u32>> {
    let gate = Arc::new(tokio::sync::Barrier::new(size));
    let tasks: Vec<_> = (0..size)
        .map(|_| {
            let (flights, leaders, gate) =
                (Arc::clone(flights), Arc::clone(leaders), Arc::clone(&gate));
            tokio::spawn(async move {
                gate.wait().await;
                match flights.join(7).await {
                    Joined::Leader(leader) => {
                        leaders.fetch_add(1, Ordering::Relaxed);
                        // All others have joined by then: time stands still until nobody can run.
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        leader.answer(share.then_some(42));
                        Some(42)
                    }
                    Joined::Answer(answer) => Some(answer),
                    Joined::Separate => None,
                }
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn a_herd_makes_one_call() {
    let flights = Arc::new(Flights::default());
    let leaders = Arc::new(AtomicUsize::new(0));
    let answers = herd(&flights, 500, &leaders, true).await;
    assert_eq!(leaders.load(Ordering::Relaxed), 1);
    assert!(answers.iter().all(|answer| *answer == Some(42)));
    assert_eq!(flights.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_nobody_elses_sends_the_others_to_ask_at_once() {
    let flights = Arc::new(Flights::default());
    let leaders = Arc::new(AtomicUsize::new(0));
    let answers = herd(&flights, 50, &leaders, false).await;
    assert_eq!(leaders.load(Ordering::Relaxed), 1);
    assert_eq!(answers.iter().filter(|answer| answer.is_none()).count(), 49);
    assert_eq!(flights.len(), 0);
}

#[tokio::test]
async fn a_leader_that_goes_away_hands_on() {
    let flights: Flights<u32, u32> = Flights::default();
    let Joined::Leader(first) = flights.join(7).await else {
        panic!("nobody else is there");
    };
    let mut second = Box::pin(flights.join(7));
    assert!(futures::poll!(&mut second).is_pending());
    drop(first);
    let Joined::Leader(second) = second.await else {
        panic!("nobody answered");
    };
    let mut third = Box::pin(flights.join(7));
    assert!(futures::poll!(&mut third).is_pending());
    second.answer(Some(1));
    assert!(matches!(third.await, Joined::Answer(1)));
    // Whoever comes now begins anew.
    let fourth = flights.join(7).await;
    assert!(matches!(fourth, Joined::Leader(_)));
    drop(fourth);
    assert_eq!(flights.len(), 0);
}

#[tokio::test]
async fn waiters_that_go_away_leave_nothing_behind() {
    let flights: Flights<u32, u32> = Flights::default();
    let Joined::Leader(leader) = flights.join(7).await else {
        panic!("nobody else is there");
    };
    let mut waiter = Box::pin(flights.join(7));
    assert!(futures::poll!(&mut waiter).is_pending());
    drop(leader);
    drop(waiter);
    assert_eq!(flights.len(), 0);
}
