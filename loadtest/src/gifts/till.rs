//! What givers were answered, and what it cost: for a ledger to be compared with.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::retry::Answer;

/// Distinct reasons that are told apart.
const REASONS_MAX: usize = 50;

/// What one giver has spent, as answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Purse {
    /// User id, as the token says.
    pub(super) user: String,
    /// Gifts.
    pub(super) given: u64,
    /// Sum of their totals.
    pub(super) coins: u64,
    /// Gifts that wait for somebody to look.
    pub(super) held: u64,
    /// Sum of their totals, which are kept back.
    pub(super) held_coins: u64,
}

/// All answers.
#[derive(Debug, Default, Serialize)]
pub(super) struct Till {
    /// Ids.
    pub(super) given: Vec<String>,
    pub(super) held: Vec<String>,
    pub(super) total_coins: u64,
    pub(super) held_coins: u64,
    /// Taps without an answer that holds: whether they were paid the ledger alone knows.
    pub(super) unanswered: Vec<String>,
    pub(super) givers: Vec<Purse>,
    /// How often the server answered what, repetitions included.
    #[serde(skip)]
    pub(super) answers: BTreeMap<String, u64>,
}

impl Till {
    pub(super) fn new(tokens: &[String]) -> Self {
        let purse = |token: &String| Purse {
            user: user(token).unwrap_or_default(),
            ..Purse::default()
        };
        Self {
            givers: tokens.iter().map(purse).collect(),
            ..Self::default()
        }
    }

    /// Counts an attempt. `status` is what people read.
    pub(super) fn count(&mut self, status: &str) {
        let is_known = self.answers.contains_key(status) || self.answers.len() < REASONS_MAX;
        let status = if is_known { status } else { "other" };
        *self.answers.entry(status.to_owned()).or_default() += 1;
    }

    /// An answer that holds.
    pub(super) fn take(&mut self, giver: usize, answer: Answer) {
        let Some(purse) = self.givers.get_mut(giver) else {
            return;
        };
        match answer {
            Answer::Given { id, total } => {
                purse.given += 1;
                purse.coins += total;
                self.total_coins += total;
                self.given.push(id);
            }
            Answer::Held { id, total } => {
                purse.held += 1;
                purse.held_coins += total;
                self.held_coins += total;
                self.held.push(id);
            }
            Answer::Refused(_) | Answer::Again { .. } => {}
        }
    }

    /// As `--state` has it.
    pub(super) fn state(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}

/// The subject of an access token; its signature is the server's business.
fn user(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    Some(claims.sub)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn sums_are_per_giver_and_of_what_was_given() {
        let tokens = [
            token(r#"{"sub":"u-ada","exp":1}"#),
            token("no JSON"),
            String::new(),
        ];
        let mut till = Till::new(&tokens);
        let given = |id: &str, total| Answer::Given {
            id: id.to_owned(),
            total,
        };
        till.take(0, given("a", 20));
        till.take(1, given("b", 5));
        till.take(0, given("c", 20));
        let id = "d".to_owned();
        till.take(0, Answer::Held { id, total: 7 });
        till.take(0, Answer::Refused("402".to_owned()));
        till.take(9, given("e", 1));
        let state: serde_json::Value = serde_json::from_slice(&till.state().unwrap()).unwrap();
        let expected = serde_json::json!({
            "given": ["a", "b", "c"],
            "held": ["d"],
            "total_coins": 45,
            "held_coins": 7,
            "unanswered": [],
            "givers": [
                {"user": "u-ada", "given": 2, "coins": 40, "held": 1, "held_coins": 7},
                {"user": "", "given": 1, "coins": 5, "held": 0, "held_coins": 0},
                {"user": "", "given": 0, "coins": 0, "held": 0, "held_coins": 0},
            ],
        });
        assert_eq!(state, expected);
    }

    #[test]
    fn reasons_are_bounded() {
        let mut till = Till::new(&[]);
        for at in 0..2 * REASONS_MAX {
            till.count(&at.to_string());
        }
        assert_eq!(till.answers.len(), REASONS_MAX + 1);
        assert_eq!(till.answers.get("other"), Some(&(REASONS_MAX as u64)));
    }
}
