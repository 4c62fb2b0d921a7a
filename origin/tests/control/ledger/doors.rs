//! Who may look into the ledger: operators, and staff through edges.

use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use accounts::config::AccountsConfig;
use accounts::{DisplayName, Login, NewAccount, Password, Role, SignIn};
use http::Method;
use settings::KeyPath;

use super::book::{fill, filled};
use crate::harness::{Setup, call, stranger};

const PATHS: [(Method, &str); 7] = [
    (Method::GET, "/v1/admin/ledger/summary"),
    (Method::GET, "/v1/admin/ledger/verify"),
    (Method::POST, "/v1/admin/ledger/verify"),
    (Method::GET, "/v1/admin/ledger/accounts/nobody"),
    (Method::GET, "/v1/admin/ledger/accounts/nobody/history"),
    (Method::GET, "/v1/admin/ledger/transfers/none"),
    (Method::GET, "/v1/admin/ledger/export"),
];

#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_the_operators_token() {
    let origin = filled().await;
    for (method, path) in PATHS {
        let call = call(method, path);
        for call in [call.clone(), call.clone().bearer("wrong-token-0123456789")] {
            let answer = origin.operate(call).await;
            assert_eq!(answer.refusal(), (401, "unauthorized"), "{path}");
        }
        let answer = origin.ask(stranger(path)).await;
        assert_eq!(answer.refusal(), (401, "not-an-edge"), "{path}");
        let answer = origin.ask(call.bearer("no.access.token")).await;
        assert_eq!(answer.refusal(), (401, "signed-out"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_through_edges_and_no_other_people() {
    let setup = Setup::new();
    fill(setup.directory()).await;
    let people = AccountsConfig {
        path: setup.file("accounts.db"),
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

    let origin = setup.start().await;
    let [staff, viewer] = [&tokens[0], &tokens[1]];
    for (method, path) in PATHS {
        let call = call(method, path);
        let answer = origin.ask(call.clone().bearer(viewer)).await;
        assert_eq!(answer.refusal(), (403, "forbidden"), "{path}");
        let answer = origin.ask(call.bearer(staff)).await;
        let expected = if path.ends_with("none") || path.contains("nobody") {
            404
        } else {
            200
        };
        assert_eq!(answer.status.as_u16(), expected, "{path}: {answer:?}");
    }
}
