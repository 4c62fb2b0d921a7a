//! Refresh tokens.

use accounts::limits::{FAMILIES_MAX, REFRESH_GRACE_MS, REFRESH_MS};
use accounts::{Error, RefreshToken, Refreshed, State};
use database::testing::Kit;

use crate::{NOW, RIGHT, open, refresh, register, sign_in, try_from};

pub(crate) async fn a_refresh_rotates<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    register(&accounts, "ana").await;
    let mut signed_in = sign_in(&accounts, "ana", NOW).await;
    for n in 1..10 {
        let next = refresh(&accounts, &signed_in, NOW + n * 600_000).await;
        assert_ne!(next.tokens.refresh, signed_in.tokens.refresh);
        signed_in = next;
    }
    assert_eq!(kit.sql("SELECT count(*) FROM accounts_families"), "1");
    let never = RefreshToken::new(&format!("wr1.{}", "A".repeat(64))).expect("a token");
    assert_eq!(accounts.refresh(never, NOW).await, Err(Error::RefreshToken));
    let late = signed_in.tokens.refresh;
    let late = accounts.refresh(late, NOW + 6_000_000 + REFRESH_MS).await;
    assert_eq!(late, Err(Error::RefreshToken));
}

pub(crate) async fn a_lost_answer_is_asked_for_again<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    register(&accounts, "ana").await;
    let first = sign_in(&accounts, "ana", NOW).await;
    let lost = refresh(&accounts, &first, NOW + 1_000).await;
    let again = refresh(&accounts, &first, NOW + 1_000 + REFRESH_GRACE_MS).await;
    assert_eq!(lost.tokens.refresh, again.tokens.refresh);
    let next = refresh(&accounts, &again, NOW + 600_000).await;
    // A duplicate of long ago that comes just after a rotation gives and takes nothing.
    let late = accounts.refresh(first.tokens.refresh, NOW + 600_001).await;
    assert_eq!(late, Err(Error::RefreshToken));
    refresh(&accounts, &next, NOW + 1_200_000).await;
}

pub(crate) async fn a_stolen_token_ends_the_family<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    let ana = register(&accounts, "ana").await.id;
    let other = sign_in(&accounts, "ana", NOW).await;
    let stolen = sign_in(&accounts, "ana", NOW).await;
    // The thief is first; then the owner comes.
    let thief = refresh(&accounts, &stolen, NOW + 1_000).await;
    let after = NOW + 1_001 + REFRESH_GRACE_MS;
    let owner = accounts.refresh(stolen.tokens.refresh.clone(), after).await;
    assert_eq!(owner, Ok(Refreshed::Reused { user: ana }));
    for token in [stolen.tokens.refresh, thief.tokens.refresh] {
        assert_eq!(
            accounts.refresh(token, after).await,
            Err(Error::RefreshToken)
        );
    }
    // Her other device is not concerned.
    refresh(&accounts, &other, after).await;
}

pub(crate) async fn two_refreshes_at_once<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    register(&accounts, "ana").await;
    let mut signed_in = sign_in(&accounts, "ana", NOW).await;
    for n in 1..10 {
        let now = NOW + n * 600_000;
        let (a, b) = tokio::join!(
            refresh(&accounts, &signed_in, now),
            refresh(&accounts, &signed_in, now),
        );
        assert_eq!(a.tokens.refresh, b.tokens.refresh);
        signed_in = a;
    }
}

pub(crate) async fn devices_are_bounded<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    register(&accounts, "ana").await;
    register(&accounts, "ben").await;
    let ben = sign_in(&accounts, "ben", NOW).await;
    let first = sign_in(&accounts, "ana", NOW).await;
    let second = sign_in(&accounts, "ana", NOW + 1).await;
    let first = refresh(&accounts, &first, NOW + 2).await;
    for n in 2..=FAMILIES_MAX {
        sign_in(&accounts, "ana", NOW + 1 + u64::try_from(n).unwrap()).await;
    }
    let count = format!("{}", FAMILIES_MAX + 1);
    assert_eq!(kit.sql("SELECT count(*) FROM accounts_families"), count);
    // The one not used for longest has ended.
    let second = accounts.refresh(second.tokens.refresh, NOW + 100).await;
    assert_eq!(second, Err(Error::RefreshToken));
    refresh(&accounts, &first, NOW + 100).await;
    refresh(&accounts, &ben, NOW + 100).await;
}

pub(crate) async fn signing_out<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    let ana = register(&accounts, "ana").await.id;
    let first = sign_in(&accounts, "ana", NOW).await;
    let second = sign_in(&accounts, "ana", NOW).await;
    assert_eq!(accounts.sign_out(&first.tokens.refresh).await, Ok(true));
    assert_eq!(accounts.sign_out(&first.tokens.refresh).await, Ok(false));
    let out = accounts.refresh(first.tokens.refresh, NOW).await;
    assert_eq!(out, Err(Error::RefreshToken));
    let second = refresh(&accounts, &second, NOW).await;
    assert_eq!(accounts.sign_out_everywhere(&ana).await, Ok(1));
    let out = accounts.refresh(second.tokens.refresh, NOW).await;
    assert_eq!(out, Err(Error::RefreshToken));
}

pub(crate) async fn a_block_ends_everything<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    let ana = register(&accounts, "ana").await.id;
    let signed_in = sign_in(&accounts, "ana", NOW).await;
    for is_new in [true, false] {
        let blocked = accounts.set_state(&ana, State::Blocked).await;
        let blocked = blocked.expect("an account");
        assert_eq!(
            (blocked.account.state, blocked.is_new),
            (State::Blocked, is_new)
        );
    }
    let out = accounts.refresh(signed_in.tokens.refresh, NOW).await;
    assert_eq!(out, Err(Error::RefreshToken));
    // Only who knows the password is told.
    let wrong = try_from(&accounts, ("ana", crate::WRONG, "192.0.2.1"), NOW).await;
    assert_eq!(wrong, Err(Error::Credentials));
    let right = try_from(&accounts, ("ana", RIGHT, "192.0.2.1"), NOW).await;
    assert_eq!(right, Err(Error::Blocked));
    accounts
        .set_state(&ana, State::Active)
        .await
        .expect("an account");
    sign_in(&accounts, "ana", NOW).await;
}

pub(crate) async fn what_expired_is_swept<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    register(&accounts, "ana").await;
    sign_in(&accounts, "ana", NOW).await;
    let second = sign_in(&accounts, "ana", NOW + 1).await;
    assert_eq!(accounts.sweep(NOW + REFRESH_MS).await, Ok(1));
    assert_eq!(accounts.sweep(NOW + REFRESH_MS).await, Ok(0));
    refresh(&accounts, &second, NOW + REFRESH_MS).await;
}
