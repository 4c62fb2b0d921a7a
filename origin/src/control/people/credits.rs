//! Coins that staff give, or take back: `POST /v1/admin/users/{id}/credits`.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use ring::digest::{Context, SHA256, digest};
use serde::Deserialize;
use serde_json::{Value, json};

use super::admin::user;
use super::detached;
use crate::caller::{Actor, IdempotencyKey};
use crate::control::Desk;
use crate::control::coins::{Movement, move_coins};
use crate::control::problem::{Checked, Problem};
use crate::control::wallet;

/// The longest note, in bytes.
const NOTE_BYTES_MAX: usize = 500;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    amount: i64,
    note: String,
}

pub(super) async fn credit(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    IdempotencyKey(key): IdempotencyKey,
    Checked(Path(id)): Checked<Path<String>>,
    Checked(Json(ask)): Checked<Json<Ask>>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let id = user(id)?;
    let key = key.ok_or_else(|| {
        Problem::malformed("Idempotency-Key is needed: the same again is the same credit")
    })?;
    let Ask { amount, note } = ask;
    if note.is_empty() || note.len() > NOTE_BYTES_MAX || note.chars().any(char::is_control) {
        let detail = "a note has 1 to 500 bytes on one line, and says why";
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Problem::new(status, "bad-note", detail));
    }
    let transfer = format!("credit/{}", named(&[&actor, id.as_str(), &key]));
    detached(async move {
        // Who was erased gets nothing.
        desk.accounts.account(&id).await?;
        let movement = Movement {
            id: &transfer,
            user: &id,
            amount,
            // The ledger is never changed: what was noted, which may be about a person, is in the log.
            reference: &format!("note/{}", hex(digest(&SHA256, note.as_bytes()).as_ref())),
        };
        // The same again is no other line.
        if move_coins(&desk, &movement).await? {
            let details = json!({ "transfer": transfer, "amount": amount, "note": note });
            desk.log(&actor, "credit", &id, details).await;
        }
        let funds = wallet::funds(&desk, id.as_str()).await?;
        let answer = json!({ "transfer": transfer, "balance": funds.get("balance") });
        Ok((StatusCode::CREATED, Json(answer)))
    })
    .await
}

/// One name for several texts.
fn named(parts: &[&str]) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part.as_bytes());
    }
    hex(context.finish().as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_all_parts() {
        assert_eq!(named(&["a", "b"]), named(&["a", "b"]));
        assert_ne!(named(&["a", "b"]), named(&["ab", ""]));
        assert_eq!(named(&[]).len(), 64);
    }
}
