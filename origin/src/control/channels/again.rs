//! Requests that come again with their `Idempotency-Key`: they get the answer of the first one.
//!
//! In memory alone, for a while: a key that was shown once is in some of these answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use http::StatusCode;
use parking_lot::Mutex;
use prometheus::IntGauge;
use ring::digest::{Context, SHA256};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::control::problem::Problem;

/// Answers that are remembered; one more forgets the oldest.
const ANSWERS_MAX: usize = 1_024;
/// For so long.
const REMEMBERED: Duration = Duration::from_secs(600);

/// A request that may come again.
#[derive(Debug)]
pub(in crate::control) struct Ask<'a> {
    /// Who asks: somebody else's is another one.
    pub(in crate::control) actor: &'a str,
    /// What for.
    pub(in crate::control) what: &'a str,
    /// The `Idempotency-Key`; without one every request is another one.
    pub(in crate::control) key: Option<String>,
    /// What is asked.
    pub(in crate::control) body: Value,
}

/// An answer.
pub(in crate::control) type Answer = (StatusCode, Json<Value>);

/// The answers of a while.
#[derive(Debug)]
pub(in crate::control) struct Again {
    answers: Mutex<VecDeque<Remembered>>,
    count: IntGauge,
}

#[derive(Debug)]
struct Remembered {
    since: Instant,
    /// Of who, what and key.
    name: [u8; 32],
    /// Of what was asked.
    body: [u8; 32],
    answer: Arc<OnceCell<(StatusCode, Value)>>,
}

impl Again {
    pub(super) fn new(count: IntGauge) -> Self {
        Self {
            answers: Mutex::default(),
            count,
        }
    }

    /// Does the work, or answers what it gave the last time; who comes while it is done waits. It is
    /// done to its end, though whoever asked may go away. A refusal is not remembered.
    pub(in crate::control) async fn once(
        &self,
        ask: Ask<'_>,
        work: impl Future<Output = Result<(StatusCode, Value), Problem>> + Send + 'static,
    ) -> Result<Answer, Problem> {
        let answer = self.cell(&ask)?;
        let done = tokio::spawn(async move {
            let answer = answer.get_or_try_init(|| work).await?;
            Ok(answer.clone())
        });
        let done = done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request was not done to its end");
            Err(Problem::unavailable("unavailable", "it was not done"))
        });
        done.map(|(status, body)| (status, Json(body)))
    }

    fn cell(&self, ask: &Ask<'_>) -> Result<Arc<OnceCell<(StatusCode, Value)>>, Problem> {
        let Some(key) = &ask.key else {
            return Ok(Arc::default());
        };
        let name = digest(&[ask.actor, ask.what, key]);
        let body = digest(&[&ask.body.to_string()]);
        let now = Instant::now();
        let mut answers = self.answers.lock();
        while answers
            .front()
            .is_some_and(|first| now.duration_since(first.since) >= REMEMBERED)
        {
            answers.pop_front();
        }
        if let Some(found) = answers.iter().find(|own| own.name == name) {
            if found.body != body {
                let detail = "this Idempotency-Key was used for another request";
                let status = StatusCode::CONFLICT;
                return Err(Problem::new(status, "idempotency-reused", detail));
            }
            return Ok(Arc::clone(&found.answer));
        }
        if answers.len() >= ANSWERS_MAX {
            answers.pop_front();
        }
        let answer = Arc::default();
        answers.push_back(Remembered {
            since: now,
            name,
            body,
            answer: Arc::clone(&answer),
        });
        self.count
            .set(i64::try_from(answers.len()).unwrap_or(i64::MAX));
        Ok(answer)
    }
}

/// One for several texts.
fn digest(parts: &[&str]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part.as_bytes());
    }
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    digest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn again() -> Again {
        Again::new(IntGauge::new("answers", "Answers.").unwrap())
    }

    fn ask(actor: &'static str, key: Option<&str>, body: u64) -> Ask<'static> {
        Ask {
            actor,
            what: "rooms",
            key: key.map(str::to_owned),
            body: json!(body),
        }
    }

    async fn given(again: &Again, ask: Ask<'_>, gives: u64) -> Result<Value, Problem> {
        let work = async move { Ok((StatusCode::CREATED, json!(gives))) };
        again.once(ask, work).await.map(|(_, Json(value))| value)
    }

    #[tokio::test]
    async fn the_same_again_gets_the_same() {
        let again = again();
        let first = given(&again, ask("a", Some("k"), 1), 1).await;
        assert_eq!(first, Ok(json!(1)));
        assert_eq!(given(&again, ask("a", Some("k"), 1), 2).await, Ok(json!(1)));
        let other = given(&again, ask("a", Some("k"), 9), 3).await;
        assert_eq!(other.unwrap_err().code(), "idempotency-reused");
        assert_eq!(given(&again, ask("b", Some("k"), 1), 4).await, Ok(json!(4)));
        for gives in 5..7 {
            let without = given(&again, ask("a", None, 1), gives).await;
            assert_eq!(without, Ok(json!(gives)));
        }
    }

    #[tokio::test]
    async fn a_refusal_is_tried_again_and_memory_is_bounded() {
        let again = again();
        let refused = async { Err(Problem::malformed("no")) };
        let first = again.once(ask("a", Some("k"), 1), refused).await;
        assert!(first.is_err());
        assert_eq!(given(&again, ask("a", Some("k"), 1), 2).await, Ok(json!(2)));
        for key in 0..2 * ANSWERS_MAX {
            let key = key.to_string();
            given(&again, ask("a", Some(&key), 1), 1).await.unwrap();
        }
        assert_eq!(again.answers.lock().len(), ANSWERS_MAX);
        assert_eq!(again.count.get(), 1_024);
    }
}
