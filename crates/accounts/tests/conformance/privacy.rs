//! What a person may ask for.

use accounts::Error;
use database::testing::Kit;

use crate::{NOW, RIGHT, open, register, role, room, sign_in, try_from};

pub(crate) async fn a_person_is_exported_and_erased<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    let ana = register(&accounts, "ana").await.id;
    let ben = register(&accounts, "ben").await.id;
    accounts
        .grant(&ana, Some(room("demo")), role("owner"), NOW)
        .await
        .expect("a grant");
    let signed_in = sign_in(&accounts, "ana", NOW).await;
    let data = accounts.export(&ana).await.expect("an export");
    let data = serde_json::to_value(&data).expect("JSON");
    assert_eq!(data["login"], "ana");
    assert_eq!(data["grants"][0]["room"], "demo");
    assert_eq!(data["sessions"].as_array().map(Vec::len), Some(1));
    assert!(!data.to_string().contains("argon2"), "{data}");
    for _ in 0..2 {
        accounts.erase(&ana, NOW + 1).await.expect("erased");
    }
    for gone in [
        accounts.account(&ana).await.map(|_| ()),
        accounts.export(&ana).await.map(|_| ()),
        accounts
            .grant(&ana, None, role("admin"), NOW)
            .await
            .map(|_| ()),
        accounts.sign_out_everywhere(&ana).await.map(|_| ()),
    ] {
        assert_eq!(gone, Err(Error::Unknown));
    }
    let refreshed = accounts.refresh(signed_in.tokens.refresh, NOW).await;
    assert_eq!(refreshed, Err(Error::RefreshToken));
    let wrong = try_from(&accounts, ("ana", RIGHT, "192.0.2.1"), NOW).await;
    assert_eq!(wrong, Err(Error::Credentials));
    // A tombstone is an id and two times.
    let row = kit.sql(&format!(
        "SELECT id || ' ' || state || ' ' || created_ms || ' ' || erased_ms FROM accounts_users \
         WHERE login IS NULL AND display_name IS NULL AND password IS NULL \
         AND signed_in_ms IS NULL AND id = '{ana}'"
    ));
    assert_eq!(row, format!("{ana} 2 {NOW} {}", NOW + 1));
    for table in ["accounts_roles", "accounts_families"] {
        let count = format!("SELECT count(*) FROM {table} WHERE user_id = '{ana}'");
        assert_eq!(kit.sql(&count), "0");
    }
    // The name is free, for somebody else.
    let again = register(&accounts, "ana").await;
    assert_ne!(again.id, ana);
    assert!(accounts.account(&ben).await.is_ok());
}
