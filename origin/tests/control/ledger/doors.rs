//! Who may look into the ledger: operators, and staff through edges.

use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use accounts::config::AccountsConfig;
use accounts::{DisplayName, Login, NewAccount, Password, Role, SignIn};
use http::Method;
use settings::KeyPath;

use crate::harness::World;

const PATHS: [(Method, &str); 7] = [
    (Method::GET, "/ledger/summary"),
    (Method::GET, "/ledger/verify"),
    (Method::POST, "/ledger/verify"),
    (Method::GET, "/ledger/accounts/nobody"),
    (Method::GET, "/ledger/accounts/nobody/history"),
    (Method::GET, "/ledger/transfers/none"),
    (Method::GET, "/ledger/export"),
];

#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_the_operators_token() {
    let world = World::new();
    world.fill().await;
    let origin = world.origin().await;
    for (method, path) in PATHS {
        for shown in [None, Some("wrong-token-0123456789")] {
            let answer = origin.admin(method.clone(), path, shown).await;
            let expected = (401, "unauthorized".to_owned());
            assert_eq!(answer.refusal(), expected, "{path}");
        }
        let answer = origin.stranger(path).await;
        assert_eq!(answer.refusal(), (401, "not-an-edge".to_owned()), "{path}");
        let answer = origin.through_edge(method, path, "no.access.token").await;
        assert_eq!(answer.refusal(), (401, "signed-out".to_owned()), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_through_edges_and_no_other_people() {
    let world = World::new();
    world.fill().await;
    let people = AccountsConfig {
        path: world.file("accounts.db"),
        ..AccountsConfig::default()
    };
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now_ms = u64::try_from(since.unwrap().as_millis()).unwrap();
    let people = people.resolve(&KeyPath::new("accounts")).unwrap();
    let people = people.open(now_ms).await.unwrap();
    let mut tokens = Vec::new();
    for (login, staff) in [("clerk", true), ("viewer", false)] {
        let password = || Password::new("correct horse battery").unwrap();
        let new = NewAccount {
            login: Login::new(login).unwrap(),
            display_name: DisplayName::new(login).unwrap(),
            password: password(),
        };
        let account = people.register(new, now_ms).await.unwrap();
        if staff {
            let role = Role::new("staff").unwrap();
            let granted = people.grant(&account.id, None, role, now_ms);
            granted.await.unwrap();
        }
        let sign_in = SignIn {
            login: Login::new(login).unwrap(),
            password: password(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let signed_in = people.sign_in(sign_in, now_ms).await.unwrap();
        tokens.push(signed_in.tokens.access);
    }
    people.close().await;
    drop(people);

    let origin = world.origin().await;
    for (method, path) in PATHS {
        let viewer = origin.through_edge(method.clone(), path, &tokens[1]).await;
        assert_eq!(viewer.refusal(), (403, "forbidden".to_owned()), "{path}");
        let staff = origin.through_edge(method, path, &tokens[0]).await;
        let expected = if path.ends_with("none") || path.contains("nobody") {
            404
        } else {
            200
        };
        assert_eq!(staff.status.as_u16(), expected, "{path}: {}", staff.text);
    }
}
