//! A club whose guests have accounts and coins, and give.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use rooms::schema::{Body, Gift, ServerMessage};
use serde_json::{Value as Json, json};
use toml::Table;

use crate::edge::Edge;
use crate::filters::Filter;
use crate::node::Settings;
use crate::origin::STREAM;
use crate::rooms::{Club, Person, ask, auth, chat, text_at};
use crate::wait;

/// The password of everybody.
pub const PASSWORD: &str = "a password of the tests";
/// Nothing here takes longer, on a machine that compiles meanwhile.
const WITHIN: Duration = Duration::from_secs(30);

/// Somebody with an account.
#[derive(Clone, Debug)]
pub struct Customer {
    /// The account's id.
    pub id: String,
    /// An access token.
    pub token: String,
    /// A refresh token.
    pub refresh: String,
}

/// A club with accounts, a ledger, and the shipped filter `gifts`.
#[derive(Debug)]
pub struct Shop {
    /// Its rooms and edges.
    pub club: Club,
}

impl Shop {
    /// Opens one with as many edges, on SQLite.
    pub async fn open(edges: usize) -> anyhow::Result<Self> {
        Self::open_with(edges, Table::new()).await
    }

    /// The same, with tables of `[control]` laid over.
    pub async fn open_with(edges: usize, control: Table) -> anyhow::Result<Self> {
        // A screen that is welcomed anew is shown all of a short evening.
        let limits = Table::from_iter([("history_events".to_owned(), 2_000.into())]);
        // What is told again after a crash comes at once. A page that is sent away for being slow comes back
        // and goes on; the screens of tests stay.
        let mut patient = limits.clone();
        patient.insert("control_lag_bytes_max".to_owned(), (1 << 20).into());
        let doors = Settings::default().set("rooms", "limits", patient);
        let mut origin = Settings::default()
            .set("rooms", "limits", limits)
            .set("control", "enabled", true);
        for (key, table) in control {
            origin = origin.set("control", &key, table);
        }
        let club = Club::start_bare(edges, &origin, &doors).await?;
        let mut auth = auth()?;
        let issuers = auth.manifest.config.get_mut("jwt");
        issuers
            .and_then(Json::as_array_mut)
            .context("the auth filter of rooms takes JWTs")?
            .push(json!({ "key": "identity", "issuer": "weir", "audience": "weir" }));
        club.deploy(&auth).await?;
        club.deploy(&chat(&json!({}))?).await?;
        let mut gifts = Filter::shipped("gifts")?;
        gifts.manifest.limits.deadline_ms = 1_000;
        gifts.manifest.limits.cpu_ms = 100;
        // People of tests tap faster than fingers.
        let config = gifts.manifest.config.as_object_mut();
        config
            .context("the gifts filter has a configuration")?
            .extend([
                ("taps_burst".to_owned(), json!(1_000)),
                ("taps_per_minute".to_owned(), json!(6_000)),
            ]);
        gifts.manifest.samples.clear();
        club.deploy(&gifts).await?;
        Ok(Self { club })
    }

    /// Makes an account through an edge.
    pub async fn register(&self, login: &str) -> anyhow::Result<Customer> {
        let body = json!({ "login": login, "name": login, "password": PASSWORD });
        let url = format!("{}/api/accounts", self.club.edge(0)?.http_url());
        let (status, session) = ask("POST", &url, &[], Some(&body)).await?;
        ensure!(status == 201, "{login}: {status} {session}");
        customer(&session)
    }

    /// Makes an account with so many coins.
    pub async fn rich(&self, login: &str, coins: u64) -> anyhow::Result<Customer> {
        let customer = self.register(login).await?;
        let path = format!("/v1/admin/users/{}/credits", customer.id);
        let body = json!({ "amount": coins, "note": "for the tests" });
        let (status, answer) = self
            .manage("POST", &path, &[("idempotency-key", login)], Some(&body))
            .await?;
        ensure!(status == 201, "{login}: {status} {answer}");
        Ok(customer)
    }

    /// Gives somebody a role, in one room or everywhere. It counts with their next token.
    pub async fn grant(
        &self,
        customer: &Customer,
        role: &str,
        room: Option<&str>,
    ) -> anyhow::Result<()> {
        let query = room.map_or_else(String::new, |room| format!("?room={room}"));
        let path = format!("/v1/admin/users/{}/roles/{role}{query}", customer.id);
        let (status, answer) = self.manage("PUT", &path, &[], None).await?;
        ensure!(status == 200, "{role}: {status} {answer}");
        Ok(())
    }

    /// The operators' API.
    pub async fn manage(
        &self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: Option<&Json>,
    ) -> anyhow::Result<(u16, Json)> {
        let url = format!("{}{path}", self.club.origin.admin_url());
        let bearer = format!("Bearer {}", crate::filters::ADMIN_TOKEN);
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend_from_slice(more);
        ask(method, &url, &headers, body).await
    }

    /// What somebody asks an edge.
    pub async fn call(
        &self,
        edge: usize,
        customer: &Customer,
        (method, path): (&str, &str),
        body: Option<&Json>,
    ) -> anyhow::Result<(u16, Json)> {
        call(
            self.club.edge(edge)?,
            Some(&customer.token),
            (method, path),
            body,
        )
        .await
    }

    /// Gives roses.
    pub async fn give(
        &self,
        edge: usize,
        customer: &Customer,
        client_id: &str,
        count: u32,
    ) -> anyhow::Result<(u16, Json)> {
        let body = json!({ "client_id": client_id, "item": "rose", "count": count });
        let path = format!("/api/rooms/{STREAM}/gifts");
        self.call(edge, customer, ("POST", &path), Some(&body))
            .await
    }

    /// What somebody can spend.
    pub async fn coins(&self, customer: &Customer) -> anyhow::Result<i64> {
        let (status, wallet) = self.call(0, customer, ("GET", "/api/wallet"), None).await?;
        let coins = wallet.pointer("/available").and_then(Json::as_i64);
        coins.with_context(|| format!("{status} {wallet}"))
    }

    /// Adds the whole ledger up again, and fails if there is any difference.
    pub async fn verify(&self) -> anyhow::Result<Json> {
        let report = wait::until("the ledger is verified", WITHIN, async || {
            let asked = self
                .manage("POST", "/v1/admin/ledger/verify", &[], None)
                .await;
            Ok(asked.ok().filter(|(status, _)| *status == 200))
        })
        .await?
        .1;
        ensure!(report.pointer("/ok") == Some(&json!(true)), "{report}");
        Ok(report)
    }

    /// What an account of the ledger has.
    pub async fn balance(&self, account: &str) -> anyhow::Result<i64> {
        let path = format!("/v1/admin/ledger/accounts/{account}");
        let (status, answer) = self.manage("GET", &path, &[], None).await?;
        let balance = answer.pointer("/balance").and_then(Json::as_i64);
        balance.with_context(|| format!("{account}: {status} {answer}"))
    }
}

/// One request to an edge.
pub async fn call(
    edge: &Edge,
    token: Option<&str>,
    (method, path): (&str, &str),
    body: Option<&Json>,
) -> anyhow::Result<(u16, Json)> {
    let url = format!("{}{path}", edge.http_url());
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<(&str, &str)> = bearer
        .iter()
        .map(|bearer| ("authorization", bearer.as_str()))
        .collect();
    ask(method, &url, &headers, body).await
}

/// What a session says.
pub fn customer(session: &Json) -> anyhow::Result<Customer> {
    Ok(Customer {
        id: text_at(session, "/user/id")?,
        token: text_at(session, "/access_token")?,
        refresh: text_at(session, "/refresh_token")?,
    })
}

/// The gifts that somebody has seen so far, in order.
pub fn seen(person: &Person) -> Vec<Gift> {
    person
        .events()
        .filter_map(|event| match &event.body {
            Body::Gift(gift) => Some(gift.clone()),
            _ => None,
        })
        .collect()
}

/// Waits until somebody has seen a gift; gives it.
pub async fn sees(person: &mut Person, id: &str) -> anyhow::Result<Gift> {
    person
        .event(&format!("the gift {id}"), |event| match &event.body {
            Body::Gift(gift) if gift.id == id => Some(gift.clone()),
            _ => None,
        })
        .await
}

/// Waits for a notice of a kind; gives its payload.
pub async fn notified(person: &mut Person, kind: &str) -> anyhow::Result<Json> {
    let payload = person
        .until(kind, |message| match message {
            ServerMessage::Events(frame) => {
                frame.events.iter().find_map(|event| match &event.body {
                    Body::Notice(notice) if notice.kind == kind => Some(notice.payload.clone()),
                    _ => None,
                })
            }
            _ => None,
        })
        .await?;
    Ok(serde_json::from_str(&payload)?)
}
