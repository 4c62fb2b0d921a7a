//! People, and what most tests do with them.

use http::Method;
use serde_json::{Value, json};

use super::{Answer, Call, Origin, edge, get, operator, post};

pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const WRONG: &str = "battery staple";
/// Where most people are.
pub(crate) const HOME: &str = "192.0.2.1";

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Someone {
    pub(crate) id: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Someone {
    pub(crate) fn of(answer: &Answer) -> Self {
        Self {
            id: answer.text("/user/id").to_owned(),
            access: answer.text("/access_token").to_owned(),
            refresh: answer.text("/refresh_token").to_owned(),
        }
    }
}

/// Coins that an operator gives, or takes back.
pub(crate) fn credit(id: &str, amount: impl Into<Value>, key: &str) -> Call {
    let body = json!({ "amount": amount.into(), "note": "for a friend" });
    let call = operator(Method::POST, &format!("/v1/admin/users/{id}/credits"));
    call.json(body).once(key)
}

impl Origin {
    /// Registers somebody; the login is the name, in small letters.
    pub(crate) async fn register(&self, name: &str) -> Someone {
        let login = name.to_lowercase();
        let body = json!({ "login": login, "name": name, "password": PASSWORD });
        Someone::of(&self.ask(post("/v1/accounts", body)).await.is(201))
    }

    pub(crate) async fn sign_in(&self, login: &str, password: &str, from: &str) -> Answer {
        let body = json!({ "login": login, "password": password });
        self.ask(post("/v1/session", body).from(from)).await
    }

    /// Somebody who is staff, with a token that says so.
    pub(crate) async fn staff(&self, name: &str) -> Someone {
        let id = self.register(name).await.id;
        let path = format!("/v1/admin/users/{id}/roles/staff");
        self.operate(operator(Method::PUT, &path)).await.is(200);
        let answer = self.sign_in(&name.to_lowercase(), PASSWORD, HOME).await;
        Someone::of(&answer.is(200))
    }

    pub(crate) async fn guest(&self, name: &str) -> Answer {
        self.ask(edge("/v1/guests", json!({ "name": name }))).await
    }

    /// The coins that somebody has.
    pub(crate) async fn balance(&self, who: &Someone) -> i64 {
        let wallet = get("/v1/wallet").bearer(&who.access);
        let wallet = self.ask(wallet).await.is(200);
        wallet.body["balance"].as_i64().unwrap()
    }
}
