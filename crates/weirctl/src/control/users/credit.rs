//! `weirctl user credit`: coins given or taken back, once, however often it is asked.

use std::time::Duration;

use reqwest::Method;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Found;
use crate::args::UserCredit;
use crate::control::{Desk, signed};
use crate::failure::Failure;
use crate::node::client::{Answer, Ask};
use crate::output::{Output, count, note, printable};

/// Pauses before it is asked again; then a person has to decide.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// `POST /users/{id}/credits`
#[derive(Debug, Serialize, Deserialize)]
struct Credited {
    /// An id, or what the ledger has of it.
    transfer: Value,
    balance: i64,
    #[serde(default)]
    key: String,
}

pub(super) async fn run(
    desk: &Desk<'_>,
    output: Output,
    wanted: &UserCredit,
    found: &Found,
) -> Result<(), Failure> {
    let key = match &wanted.key {
        Some(key) => key.clone(),
        None => made_up()?,
    };
    // Before anything is asked: whoever is interrupted can go on with it.
    note(&format!("key {key}"));
    let body = json!({ "amount": wanted.amount, "note": wanted.note });
    let path = found.path("/credits");
    let ask = Ask::new(Method::POST, &path).body(body).key(&key);
    let answer = persistently(desk, &ask, &key).await?;
    let mut credited = desk.said(answer.read::<Credited>()?)?;
    credited.key = key;
    output.show(&credited, |credited, _| {
        let transfer = credited.transfer.as_str();
        let transfer = transfer.map_or_else(|| credited.transfer.to_string(), str::to_owned);
        format!(
            "{}: {}, {} now; transfer {}\n",
            found.shown,
            in_words(wanted.amount),
            signed(credited.balance),
            printable(&transfer)
        )
    })
}

/// Asks again when there is no answer, or one that says "not now".
async fn persistently(desk: &Desk<'_>, ask: &Ask<'_>, key: &str) -> Result<Answer, Failure> {
    let mut pauses = PAUSES.iter();
    loop {
        let failure = match desk.send(ask.clone()).await {
            Ok(answer) if answer.is_for_now() => {
                let told = answer.read::<Value>();
                told.err()
                    .unwrap_or_else(|| Failure::failed("the origin cannot do it now"))
            }
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let line = failure.line().unwrap_or_default();
        let Some(pause) = pauses.next() else {
            return Err(Failure::failed(format!(
                "{line}; it may have been done: the same again with --key {key} does it once"
            )));
        };
        note(&format!("{line}; again with the same key"));
        tokio::time::sleep(*pause).await;
    }
}

fn in_words(amount: i64) -> String {
    if amount < 0 {
        format!("{} coins taken back", count(amount.unsigned_abs()))
    } else {
        format!("{} coins given", signed(amount))
    }
}

fn made_up() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Failure::failed("the system has no random numbers"))?;
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    Ok(format!("weirctl-{}", digits.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ() {
        let (one, other) = (made_up().unwrap(), made_up().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 40);
    }

    #[test]
    fn amounts_in_words() {
        assert_eq!(in_words(1_500), "1 500 coins given");
        assert_eq!(in_words(-1_020), "1 020 coins taken back");
    }
}
