//! Signing keys, as several processes share them.

use accounts::limits::KEY_PUBLISHED_AHEAD_MS;
use accounts::{Rotation, TokenError};
use database::testing::Kit;

use crate::{NOW, open, register, sign_in, store};

pub(crate) async fn keys_outlive_the_process_and_rotate<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    register(&accounts, "ana").await;
    let before = sign_in(&accounts, "ana", NOW).await.tokens.access;
    accounts.close().await;
    let accounts = open(&kit).await;
    accounts.verify(&before, NOW).expect("the same key");
    assert_eq!(accounts.newest_key_ms(), NOW);
    for _ in 0..2 {
        accounts
            .rotate_keys(Rotation::Planned, NOW)
            .await
            .expect("keys");
        let published = accounts.jwks(NOW);
        assert_eq!(published["keys"].as_array().map(Vec::len), Some(2));
    }
    let signs = NOW + KEY_PUBLISHED_AHEAD_MS;
    assert_eq!(accounts.newest_key_ms(), signs);
    let last = sign_in(&accounts, "ana", signs - 1).await.tokens.access;
    let next = sign_in(&accounts, "ana", signs).await.tokens.access;
    let header = |token: &str| token.split('.').next().map(ToOwned::to_owned);
    assert_eq!(header(&before), header(&last));
    assert_ne!(header(&last), header(&next));
    accounts.reload_keys().await.expect("keys");
    for token in [&last, &next] {
        accounts.verify(token, signs).expect("both check");
    }
    accounts
        .rotate_keys(Rotation::Compromised, signs)
        .await
        .expect("keys");
    for token in [&last, &next] {
        assert_eq!(accounts.verify(token, signs), Err(TokenError::Key));
    }
    assert_eq!(kit.sql("SELECT count(*) FROM accounts_keys"), "1");
}

pub(crate) async fn first_keys_are_made_once<K: Kit>(kit: K) {
    let store = store(&kit).await.expect("a store");
    let options = accounts::AccountsOptions::new("weir", "weir");
    let new = || accounts::Accounts::new(store.clone(), options.clone(), NOW);
    let (a, b) = tokio::join!(new(), new());
    let (a, b) = (a.expect("accounts"), b.expect("accounts"));
    assert_eq!(a.jwks(NOW), b.jwks(NOW));
    // One rotates; the other learns of it when it reads again.
    a.rotate_keys(Rotation::Planned, NOW).await.expect("keys");
    assert_ne!(a.jwks(NOW), b.jwks(NOW));
    b.reload_keys().await.expect("keys");
    assert_eq!(a.jwks(NOW), b.jwks(NOW));
}
