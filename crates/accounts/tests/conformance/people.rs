//! Registration, signing in, passwords, roles.

use std::collections::BTreeMap;

use accounts::limits::{GRANTS_MAX, ROLES_MAX, SIGN_IN_EVERY_MS, SIGN_INS_AT_ONCE};
use accounts::{DisplayName, Error, Invalid, UserId};
use database::testing::Kit;

use crate::{
    DAY_MS, NOW, RIGHT, WRONG, login, new, open, password, refresh, register, role, room, sign_in,
    try_from,
};

pub(crate) async fn somebody_registers_and_signs_in<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    let account = register(&accounts, "ana").await;
    assert_eq!(account.login, login("ana"));
    let signed_in = sign_in(&accounts, "ana", NOW + 1).await;
    assert_eq!(signed_in.account.id, account.id);
    assert_eq!(signed_in.account.signed_in_ms, Some(NOW + 1));
    let claims = accounts
        .verify(&signed_in.tokens.access, NOW + 2)
        .expect("a token");
    assert_eq!(claims.sub, account.id.to_string());
    assert_eq!(claims.name, "ANA");
    assert_eq!(claims.streams, ["*"]);
    assert!(claims.roles.is_empty() && claims.room_roles.is_empty());
    assert_eq!(claims.exp - claims.iat, 600);
    // It outlives the process.
    accounts.close().await;
    let closed = accounts.account(&account.id).await;
    assert!(closed.is_err(), "{closed:?}");
    let accounts = open(&kit).await;
    let found = accounts.account(&account.id).await.expect("an account");
    assert_eq!(found, signed_in.account);
    refresh(&accounts, &signed_in, NOW + 3).await;
}

pub(crate) async fn login_names_are_unique<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    let (first, second) = tokio::join!(
        accounts.register(new("ana"), NOW),
        accounts.register(new(" ANA "), NOW),
    );
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    let taken = accounts.register(new("Ana"), NOW).await;
    assert_eq!(taken, Err(Error::Taken));
    let mut common = new("ben");
    common.password = password("Password1");
    let common = accounts.register(common, NOW).await;
    assert_eq!(common, Err(Error::Invalid(Invalid::PasswordCommon)));
}

pub(crate) async fn enumeration_tells_nothing<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    register(&accounts, "ana").await;
    let mut answers = Vec::new();
    for name in ["ana", "nobody"] {
        let mut of_name = Vec::new();
        for _ in 0..7 {
            let wrong = try_from(&accounts, (name, WRONG, "198.51.100.1"), NOW).await;
            of_name.push(wrong.expect_err("it is wrong"));
        }
        answers.push(of_name);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0][0], Error::Credentials);
    assert_eq!(answers[0][6], Error::Locked { wait_ms: 1_000 });
}

pub(crate) async fn a_guesser_waits_and_the_owner_does_not<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    register(&accounts, "ana").await;
    for _ in 0..5 {
        let wrong = try_from(&accounts, ("ana", WRONG, "203.0.113.1"), NOW).await;
        assert_eq!(wrong, Err(Error::Credentials));
    }
    // Even the right one is not looked at.
    let right = try_from(&accounts, ("ana", RIGHT, "203.0.113.1"), NOW).await;
    assert_eq!(right, Err(Error::Locked { wait_ms: 1_000 }));
    sign_in(&accounts, "ana", NOW).await;
    let right = try_from(&accounts, ("ana", RIGHT, "203.0.113.1"), NOW + 1_000).await;
    assert!(right.is_ok(), "{right:?}");
}

/// With the right password, too, which the guard lets through for ever.
pub(crate) async fn a_network_does_not_keep_others_waiting<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    register(&accounts, "ana").await;
    register(&accounts, "ben").await;
    let is_in = async |name, client| match try_from(&accounts, (name, RIGHT, client), NOW).await {
        Ok(_) => true,
        Err(Error::Crowded { .. }) => false,
        Err(error) => panic!("{error}"),
    };
    let from = |client| is_in("ana", client);
    let (ana, ben) = (|| from("192.0.2.1"), || is_in("ben", "192.0.2.9"));
    let at_once = tokio::join!(
        ana(),
        ben(),
        ana(),
        ben(),
        ana(),
        ben(),
        ana(),
        ben(),
        ana(),
        ben()
    );
    let at_once = <[bool; 10]>::from(at_once);
    assert_eq!(at_once.into_iter().filter(|is_in| *is_in).count(), 8);
    assert!(from("198.51.100.1").await, "another network");
    let mut more = 0;
    while from("192.0.2.2").await {
        more += 1;
    }
    assert_eq!(more, SIGN_INS_AT_ONCE - 8, "the pace of the network");
    assert!(from("198.51.100.1").await, "another network");
    // The password was right: nobody waits because of that.
    let later = NOW + SIGN_IN_EVERY_MS;
    let later = try_from(&accounts, ("ana", RIGHT, "192.0.2.1"), later).await;
    later.expect("its pace");
}

pub(crate) async fn a_password_is_changed<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    let ana = register(&accounts, "ana").await.id;
    let before = sign_in(&accounts, "ana", NOW).await;
    let client = "192.0.2.1".parse().unwrap();
    let change = |present, next| {
        accounts.change_password(&ana, (password(present), password(next)), client, NOW)
    };
    assert_eq!(
        change(WRONG, "a new password").await,
        Err(Error::Credentials)
    );
    let common = Err(Error::Invalid(Invalid::PasswordCommon));
    assert_eq!(change(RIGHT, "12345678").await, common);
    assert_eq!(change(RIGHT, WRONG).await, Ok(()));
    let old = accounts.refresh(before.tokens.refresh, NOW).await;
    assert_eq!(old, Err(Error::RefreshToken));
    let old = try_from(&accounts, ("ana", RIGHT, "192.0.2.1"), NOW).await;
    assert_eq!(old, Err(Error::Credentials));
    assert!(
        try_from(&accounts, ("ana", WRONG, "192.0.2.1"), NOW)
            .await
            .is_ok()
    );
    accounts
        .set_password(&ana, password(RIGHT))
        .await
        .expect("by staff");
    sign_in(&accounts, "ana", NOW).await;
}

pub(crate) async fn an_old_hash_is_replaced<K: Kit>(kit: K) {
    use argon2::password_hash::{PasswordHasher as _, SaltString};
    let accounts = open(&kit).await;
    register(&accounts, "ana").await;
    let weak = argon2::Params::new(64, 1, 1, None).unwrap();
    let weak = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, weak);
    let salt = SaltString::encode_b64(b"0123456789abcdef").unwrap();
    let hash = weak.hash_password(RIGHT.as_bytes(), &salt).unwrap();
    kit.sql(&format!("UPDATE accounts_users SET password = '{hash}'"));
    let stored = || kit.sql("SELECT password FROM accounts_users");
    let wrong = try_from(&accounts, ("ana", WRONG, "192.0.2.1"), NOW).await;
    assert_eq!(wrong, Err(Error::Credentials));
    assert!(stored().contains("m=64,"));
    for _ in 0..2 {
        sign_in(&accounts, "ana", NOW).await;
        assert!(stored().contains("m=19456,t=2,p=1$"), "{}", stored());
    }
}

pub(crate) async fn roles_and_grants_are_bounded<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    let ana = register(&accounts, "ana").await.id;
    let before = sign_in(&accounts, "ana", NOW).await;
    for is_new in [true, false] {
        let admin = accounts.grant(&ana, None, role("admin"), NOW).await;
        assert_eq!(admin.expect("a role").is_new, is_new);
        let demo = Some(room("demo"));
        let granted = accounts.grant(&ana, demo, role("moderator"), NOW).await;
        let granted = granted.expect("a grant");
        assert_eq!(granted.is_new, is_new);
        let account = granted.account;
        assert!(account.has_role("admin") && !account.has_role("moderator"));
        assert!(account.has_grant("demo", "moderator") && !account.has_grant("other", "moderator"));
        assert_eq!((account.roles.len(), account.grants.len()), (1, 1));
    }
    let next = refresh(&accounts, &before, NOW).await;
    let claims = accounts.verify(&next.tokens.access, NOW).expect("a token");
    assert_eq!(claims.roles, ["admin"]);
    let demo = ("demo".to_owned(), vec!["moderator".to_owned()]);
    assert_eq!(claims.room_roles, BTreeMap::from([demo]));
    let limit = Err(Error::Invalid(Invalid::Roles));
    for n in 1..ROLES_MAX {
        let granted = accounts
            .grant(&ana, None, role(&format!("r{n}")), NOW)
            .await;
        assert!(granted.is_ok(), "{granted:?}");
    }
    assert_eq!(
        accounts.grant(&ana, None, role("one-more"), NOW).await,
        limit
    );
    let longest = |n: usize| Some(room(&format!("{n:064}")));
    let longest_role = "moderator-of-all";
    for n in 1..GRANTS_MAX {
        let granted = accounts
            .grant(&ana, longest(n), role(longest_role), NOW)
            .await;
        assert!(granted.is_ok(), "{granted:?}");
    }
    assert_eq!(
        accounts.grant(&ana, longest(0), role("x"), NOW).await,
        limit
    );
    // The largest token is still read.
    let largest = DisplayName::new(&"\"".repeat(96)).unwrap();
    accounts
        .set_display_name(&ana, largest)
        .await
        .expect("a name");
    let next = refresh(&accounts, &next, NOW).await;
    accounts.verify(&next.tokens.access, NOW).expect("it fits");
    for is_new in [true, false] {
        let demo = Some(room("demo"));
        let revoked = accounts.revoke(&ana, demo, role("moderator")).await;
        let revoked = revoked.expect("an account");
        assert_eq!(revoked.is_new, is_new);
        assert!(!revoked.account.has_grant("demo", "moderator"));
    }
    let revoked = accounts.revoke(&ana, None, role("admin")).await;
    assert!(!revoked.expect("an account").account.has_role("admin"));
    let nobody = UserId::new(format!("u-{}", "0".repeat(32))).unwrap();
    let unknown = accounts.grant(&nobody, None, role("admin"), NOW).await;
    assert_eq!(unknown, Err(Error::Unknown));
}

pub(crate) async fn a_room_that_goes_takes_its_roles<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    let mut ids = Vec::new();
    for name in ["ana", "ben", "cleo"] {
        let id = register(&accounts, name).await.id;
        for (place, what) in [
            (Some("kitchen"), "owner"),
            (Some("kitchen"), "moderator"),
            (Some("kitchen-2"), "owner"),
            (None, "admin"),
        ] {
            let granted = accounts.grant(&id, place.map(room), role(what), NOW);
            granted.await.expect("a grant");
        }
        ids.push(id);
    }
    assert_eq!(accounts.revoke_room(room("kitchen")).await, Ok(6));
    for id in &ids {
        let account = accounts.account(id).await.expect("an account");
        assert!(account.has_role("admin") && account.has_grant("kitchen-2", "owner"));
        assert_eq!(account.grants.len(), 1, "{account:?}");
    }
    assert_eq!(accounts.revoke_room(room("kitchen")).await, Ok(0));
}

pub(crate) async fn who_joins_is_signed_in<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    let joined = accounts.join(new("ana"), NOW).await.expect("an account");
    assert_eq!(joined.account.signed_in_ms, Some(NOW));
    let found = accounts.account(&joined.account.id).await;
    assert_eq!(found.as_ref(), Ok(&joined.account));
    refresh(&accounts, &joined, NOW + 1).await;
    let (first, second) = tokio::join!(
        accounts.join(new("ben"), NOW),
        accounts.join(new("ben"), NOW),
    );
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    let client = "192.0.2.1".parse().unwrap();
    let ana = &joined.account.id;
    let confirm = |text| accounts.confirm(ana, password(text), client, NOW);
    assert_eq!(confirm(RIGHT).await, Ok(()));
    assert_eq!(confirm(WRONG).await, Err(Error::Credentials));
}

pub(crate) async fn logins_are_searched<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    for name in ["ana", "anna", "an-na", "an.na", "bob", "an9"] {
        let id = register(&accounts, name).await.id;
        let room = Some(room(name));
        let granted = accounts.grant(&id, room, role("owner"), NOW).await;
        granted.expect("a grant");
    }
    let search = async |prefix: &str, limit: usize| {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = accounts.search(prefix, after, limit).await.expect("a page");
            assert!(page.accounts.len() <= limit);
            for account in page.accounts {
                assert!(account.has_grant(account.login.as_str(), "owner"));
                found.push(account.login.to_string());
            }
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    };
    for limit in [1, 2, 100] {
        let found = search(" AN", limit).await;
        assert_eq!(found, ["an-na", "an.na", "an9", "ana", "anna"]);
    }
    assert_eq!(search("ana", 5).await, ["ana"]);
    assert_eq!(search("", 5).await.len(), 6);
    for nothing in ["anax", "%", "_", "\u{e4}", "'; --", "{"] {
        assert!(search(nothing, 5).await.is_empty(), "{nothing}");
    }
}

pub(crate) async fn injections_are_text<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    let ana = register(&accounts, "ana").await.id;
    for text in [
        "'; DROP TABLE accounts_users; --",
        "$1 ?1 \\' \"",
        "{{7*7}}</script>",
    ] {
        let name = DisplayName::new(text).unwrap();
        accounts
            .set_display_name(&ana, name.clone())
            .await
            .expect("a name");
        let account = accounts.account(&ana).await.expect("an account");
        assert_eq!(account.display_name, name);
        let wrong = try_from(&accounts, ("ana", text, "192.0.2.1"), NOW + DAY_MS).await;
        assert_eq!(wrong, Err(Error::Credentials));
    }
}

pub(crate) async fn a_list_has_all<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    let mut ids = Vec::new();
    for name in ["ana", "ben", "cleo", "dora", "emil"] {
        let id = register(&accounts, name).await.id;
        accounts
            .grant(&id, Some(room(name)), role("owner"), NOW)
            .await
            .expect("a grant");
        ids.push(id);
    }
    let erased = ids.pop().expect("one");
    accounts.erase(&erased, NOW).await.expect("erased");
    ids.sort();
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = accounts.list(after, 3).await.expect("a page");
        for account in page.accounts {
            assert!(
                account.has_grant(account.login.as_str(), "owner"),
                "{account:?}"
            );
            assert_eq!(account.grants.len(), 1);
            listed.push(account.id);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, ids);
    let found = accounts.find(&login("ana")).await.expect("an answer");
    assert!(found.is_some_and(|id| ids.contains(&id)));
    assert_eq!(accounts.find(&login("emil")).await, Ok(None));
}
