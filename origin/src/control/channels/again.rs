//! Requests that come again with their `Idempotency-Key`: they get the answer of the first one.
//!
//! In memory alone, for a while: a key that was shown once is in some of these answers.

use std::collections::{HashMap, VecDeque};
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

/// Answers that are remembered.
const ANSWERS_MAX: usize = 1_024;
/// Of these for one who asks: one more forgets their own oldest, and nobody else's.
const ANSWERS_OF_ONE_MAX: usize = 128;
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

/// The answers of a while. Clones are the same.
#[derive(Clone, Debug)]
pub(in crate::control) struct Again {
    /// The oldest first.
    answers: Arc<Mutex<VecDeque<Remembered>>>,
    count: IntGauge,
}

/// Empty as long as the work is being done.
type Cell = OnceCell<(StatusCode, Value)>;

#[derive(Debug)]
struct Remembered {
    since: Instant,
    actor: String,
    /// Of who, what and key.
    name: [u8; 32],
    /// Of what was asked.
    body: [u8; 32],
    answer: Arc<Cell>,
}

impl Remembered {
    /// Whether somebody waits for it: forgotten now, it would be done twice.
    fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.answer) > 1
    }
}

impl Again {
    pub(super) fn new(count: IntGauge) -> Self {
        Self {
            answers: Arc::default(),
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
        let cell = self.cell(&ask)?;
        let again = self.clone();
        let done = tokio::spawn(async move {
            let answer = cell.get_or_try_init(|| work).await.cloned();
            if answer.is_err() {
                again.forget(&cell);
            }
            answer
        });
        let done = done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request was not done to its end");
            Err(Problem::unavailable("unavailable", "it was not done"))
        });
        done.map(|(status, body)| (status, Json(body)))
    }

    /// Forgets what is old, whether or not anybody asks again: keys and secrets are in there.
    pub(super) fn sweep(&self, now: Instant) {
        let mut answers = self.answers.lock();
        let is_old = |first: &Remembered| now.saturating_duration_since(first.since) >= REMEMBERED;
        while answers.front().is_some_and(is_old) {
            answers.pop_front();
        }
        self.counted(&answers);
    }

    fn cell(&self, ask: &Ask<'_>) -> Result<Arc<Cell>, Problem> {
        let Some(key) = &ask.key else {
            return Ok(Arc::default());
        };
        let name = digest(&[ask.actor, ask.what, key]);
        let body = digest(&[&ask.body.to_string()]);
        let now = Instant::now();
        self.sweep(now);
        let mut answers = self.answers.lock();
        if let Some(found) = answers.iter().find(|own| own.name == name) {
            if found.body != body {
                let detail = "this Idempotency-Key was used for another request";
                let status = StatusCode::CONFLICT;
                return Err(Problem::new(status, "idempotency-reused", detail));
            }
            return Ok(Arc::clone(&found.answer));
        }
        make_room(&mut answers, ask.actor)?;
        let answer = Arc::default();
        answers.push_back(Remembered {
            since: now,
            actor: ask.actor.to_owned(),
            name,
            body,
            answer: Arc::clone(&answer),
        });
        self.counted(&answers);
        Ok(answer)
    }

    /// A refusal is no answer to remember, unless somebody else is about to try.
    fn forget(&self, refused: &Arc<Cell>) {
        let mut answers = self.answers.lock();
        // Theirs and ours.
        let is_it =
            |own: &Remembered| Arc::ptr_eq(&own.answer, refused) && Arc::strong_count(refused) == 2;
        answers.retain(|own| !is_it(own));
        self.counted(&answers);
    }

    fn counted(&self, answers: &VecDeque<Remembered>) {
        let count = i64::try_from(answers.len());
        self.count.set(count.unwrap_or(i64::MAX));
    }
}

/// Makes room for another answer: of their own, if they have as many as one may; or of whoever has most.
fn make_room(answers: &mut VecDeque<Remembered>, actor: &str) -> Result<(), Problem> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for own in answers.iter() {
        *counts.entry(&own.actor).or_default() += 1;
    }
    if counts
        .get(actor)
        .is_some_and(|count| *count >= ANSWERS_OF_ONE_MAX)
    {
        if evict(answers, Some(actor)) {
            return Ok(());
        }
        let detail = "too many requests with an Idempotency-Key are being done";
        return Err(Problem::too_many(detail, Duration::from_secs(1)));
    }
    if answers.len() < ANSWERS_MAX {
        return Ok(());
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    let most = most.map(|(actor, _)| actor.to_owned());
    if evict(answers, most.as_deref()) || evict(answers, None) {
        return Ok(());
    }
    let detail = "more requests with an Idempotency-Key are being done than may";
    Err(Problem::unavailable("busy", detail))
}

/// Forgets the oldest answer that nobody waits for; of one, or of anybody. Whether there was one.
fn evict(answers: &mut VecDeque<Remembered>, of: Option<&str>) -> bool {
    let found = answers
        .iter()
        .position(|own| of.is_none_or(|actor| own.actor == actor) && !own.is_awaited());
    found.and_then(|index| answers.remove(index)).is_some()
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
    use tokio::sync::oneshot;

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
        for actor in 0..2 * ANSWERS_MAX {
            let actor = actor.to_string();
            given(&again, asks(&actor, "k"), 1).await.unwrap();
        }
        assert_eq!(again.answers.lock().len(), ANSWERS_MAX);
        assert_eq!(again.count.get(), 1_024);
        again.sweep(Instant::now());
        assert_eq!(again.count.get(), 1_024, "they are new");
        again.sweep(Instant::now() + REMEMBERED);
        assert_eq!((again.answers.lock().len(), again.count.get()), (0, 0));
    }

    fn asks<'a>(actor: &'a str, key: &str) -> Ask<'a> {
        Ask {
            actor,
            what: "rooms",
            key: Some(key.to_owned()),
            body: json!(1),
        }
    }

    #[tokio::test]
    async fn a_refusal_leaves_nothing() {
        let again = again();
        let refused = async { Err(Problem::malformed("no")) };
        again.once(asks("a", "k"), refused).await.unwrap_err();
        assert_eq!((again.answers.lock().len(), again.count.get()), (0, 0));
    }

    #[tokio::test]
    async fn nobody_forgets_the_answers_of_others() {
        let again = again();
        given(&again, asks("staff", "k"), 1).await.unwrap();
        for key in 0..2 * ANSWERS_MAX {
            given(&again, asks("a", &key.to_string()), 1).await.unwrap();
        }
        assert_eq!(again.answers.lock().len(), 1 + ANSWERS_OF_ONE_MAX);
        assert_eq!(given(&again, asks("staff", "k"), 2).await, Ok(json!(1)));
        assert_eq!(
            given(&again, asks("a", "0"), 3).await,
            Ok(json!(3)),
            "long ago"
        );
    }

    #[tokio::test]
    async fn what_is_being_done_is_not_forgotten() {
        let again = again();
        let (begun, begins) = oneshot::channel();
        let (finish, finished) = oneshot::channel::<()>();
        let slow = {
            let again = again.clone();
            let work = async move {
                begun.send(()).unwrap();
                finished.await.unwrap();
                Ok((StatusCode::CREATED, json!(1)))
            };
            tokio::spawn(async move { again.once(asks("a", "slow"), work).await })
        };
        begins.await.unwrap();
        for key in 0..ANSWERS_OF_ONE_MAX {
            given(&again, asks("a", &key.to_string()), 1).await.unwrap();
        }
        for actor in 0..ANSWERS_MAX {
            given(&again, asks(&actor.to_string(), "k"), 1)
                .await
                .unwrap();
        }
        let second = given(&again, asks("a", "slow"), 2);
        let (second, _) = tokio::join!(second, async { finish.send(()).unwrap() });
        assert_eq!(second, Ok(json!(1)));
        assert!(slow.await.unwrap().is_ok());
    }
}
