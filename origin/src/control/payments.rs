//! Coins that were paid for: webhooks of payment providers, `POST /v1/payments/{provider}`.
//!
//! A provider is believed by its signature alone, and says who paid; what its money is worth is its
//! business. One delivery more is the same payment.

mod reference;

use accounts::UserId;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use settings::Secret;

use super::Desk;
use super::coins::{Movement, is_moved, move_coins};
use super::problem::{Checked, Problem};
use crate::clock::unix_ms;

/// Who tells of payments.
pub(super) trait Provider: Send + Sync + std::fmt::Debug {
    /// In URLs, and in the ids of transfers: for ever.
    fn name(&self) -> &'static str;

    /// Checks who says it, and reads what is said. `now_ms` is the process's clock.
    fn read(&self, headers: &HeaderMap, body: &[u8], now_ms: u64) -> Result<Paid, Refusal>;
}

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Paid {
    /// The provider's, once for each payment: 1 to 96 of `a-z A-Z 0-9 . _ : -`.
    pub(super) id: String,
    /// Whose coins they are.
    pub(super) user: String,
    pub(super) coins: u64,
    /// When the provider said so, in milliseconds since 1970.
    pub(super) at_ms: u64,
}

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the signature is missing, or is not one of ours")]
    Signature,
    #[error("it was signed too long ago, or in the future")]
    Stale,
    #[error("the body is not {{\"id\", \"user\", \"coins\"}}")]
    Malformed,
}

/// Those that are configured.
#[derive(Debug)]
pub(super) struct Providers(Vec<Box<dyn Provider>>);

impl Providers {
    /// The reference provider, if it has secrets.
    pub(super) fn new(secrets: &[Secret]) -> Self {
        let mut providers: Vec<Box<dyn Provider>> = Vec::new();
        if !secrets.is_empty() {
            providers.push(Box::new(reference::Webhook::new(secrets)));
        }
        Self(providers)
    }

    fn find(&self, name: &str) -> Option<&dyn Provider> {
        let found = self.0.iter().find(|provider| provider.name() == name);
        found.map(AsRef::as_ref)
    }
}

/// `/v1/payments`.
pub(super) fn router() -> Router<Desk> {
    Router::new().route("/v1/payments/{provider}", post(deliver))
}

async fn deliver(
    State(desk): State<Desk>,
    Checked(Path(provider)): Checked<Path<String>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Problem> {
    let provider = desk.payments.find(&provider).ok_or_else(|| {
        let detail = "no such provider of payments is configured";
        Problem::unknown("unknown-provider", detail)
    })?;
    let paid = provider.read(&headers, &body?, unix_ms())?;
    let id = format!("payment/{}/{}", provider.name(), paid.id);
    let amount = i64::try_from(paid.coins).map_err(|_| Refusal::Malformed)?;
    let nobody = || Problem::unknown("unknown-account", "there is no such account");
    let user = UserId::new(paid.user.as_str()).map_err(|_| nobody())?;
    match desk.accounts.account(&user).await {
        Ok(_) => {}
        // Who was erased since has got it nevertheless: the provider is not to try for ever.
        Err(accounts::Error::Unknown) if is_moved(&desk, &id).await? => {}
        Err(accounts::Error::Unknown) => return Err(nobody()),
        Err(error) => return Err(error.into()),
    }
    let movement = Movement {
        id: &id,
        user: &user,
        amount,
        reference: &id,
    };
    if move_coins(&desk, &movement).await? {
        let details = json!({ "transfer": id, "coins": amount, "said_at_ms": paid.at_ms });
        desk.log(provider.name(), "payment", &user, details).await;
    }
    Ok(Json(json!({ "transfer": id })))
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Signature => Self::new(StatusCode::UNAUTHORIZED, "bad-signature", detail),
            Refusal::Stale => Self::new(StatusCode::UNAUTHORIZED, "stale-signature", detail),
            Refusal::Malformed => Self::malformed(detail),
        }
    }
}
