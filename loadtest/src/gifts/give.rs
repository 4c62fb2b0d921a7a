//! Givers: taps at a fixed rate, each of which is repeated until it has an answer that holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::task::JoinSet;

use crate::chat::dialect::http_url;
use crate::chat::stamp::Stamp;
use crate::client::{Client, Fetched, Protocol, Trust};
use crate::histogram::Histogram;

use super::Plan;
use super::book::Fate;
use super::retry::{self, Answer};
use super::stage::Stage;

/// No answer within this time is none.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Taps that may be unanswered at once. Beyond that the server has long fallen behind.
const UNANSWERED_MAX: usize = 50_000;

/// What came of pacing.
#[derive(Debug, Default)]
pub(super) struct Paced {
    /// Taps there was no room for.
    pub(super) unsent: u64,
    /// How late taps left this program.
    pub(super) late: Histogram,
}

/// All givers with their connections.
pub(super) struct Givers {
    stage: Arc<Stage>,
    path: String,
    /// Those of the first edge first.
    lanes: Vec<Lane>,
    permits: Semaphore,
    /// Requests that had to wait for others to end.
    pub(super) waited: AtomicU64,
    /// Taps that were sent again.
    pub(super) repeats: AtomicU64,
}

/// One connection, and those that follow it.
struct Lane {
    url: String,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    client: Option<Client>,
    generation: u64,
}

impl Lane {
    async fn client(&self, trust: &Trust) -> Result<(Client, u64), String> {
        let mut slot = self.slot.lock().await;
        if let Some(client) = &slot.client {
            return Ok((client.clone(), slot.generation));
        }
        let client = Client::connect(&self.url, Protocol::of_edge(&self.url), trust)
            .await
            .map_err(|error| format!("connect: {error}"))?;
        slot.client = Some(client.clone());
        slot.generation += 1;
        Ok((client, slot.generation))
    }

    /// The next one connects anew.
    async fn forget(&self, generation: u64) {
        let mut slot = self.slot.lock().await;
        if slot.generation == generation {
            slot.client = None;
        }
    }
}

/// A tap on its way.
struct Tap {
    giver: usize,
    stamp: Stamp,
    body: Bytes,
    /// How many edges could not be reached so far.
    moves: usize,
}

impl Givers {
    pub(super) fn new(stage: Arc<Stage>) -> Self {
        let plan = &stage.plan;
        let lane = |url: &String| Lane {
            url: http_url(url),
            slot: Mutex::default(),
        };
        let lanes = plan
            .urls
            .iter()
            .flat_map(|url| (0..plan.connections).map(move |_| lane(url)));
        Self {
            path: format!("/api/rooms/{}/gifts", plan.room),
            lanes: lanes.collect(),
            permits: Semaphore::new(plan.in_flight),
            waited: AtomicU64::new(0),
            repeats: AtomicU64::new(0),
            stage,
        }
    }

    /// Gives until the plan's time is over, and waits for the last answer.
    pub(super) async fn give(self: Arc<Self>, start: Instant) -> Paced {
        let plan = &self.stage.plan;
        let mut paced = Paced::default();
        let mut taps = JoinSet::new();
        let seconds = (plan.warm_up + plan.duration).as_secs_f64();
        for tick in 0_usize.. {
            let after = tick as f64 / plan.rate;
            if !after.is_finite() || after >= seconds {
                break;
            }
            let due = start + Duration::from_secs_f64(after);
            tokio::time::sleep_until(due.into()).await;
            let late_us = due.elapsed().as_micros();
            paced
                .late
                .record(u64::try_from(late_us).unwrap_or(u64::MAX));
            while taps.try_join_next().is_some() {}
            if taps.len() >= UNANSWERED_MAX {
                paced.unsent += 1;
                continue;
            }
            let tap = self.next(tick % plan.givers.len().max(1), due);
            taps.spawn(Arc::clone(&self).settle(tap));
        }
        while taps.join_next().await.is_some() {}
        paced
    }

    fn next(&self, giver: usize, due: Instant) -> Tap {
        let plan = &self.stage.plan;
        let due_us = self.stage.clock.us(due);
        let number = self.stage.book.lock().tap(due_us);
        let stamp = Stamp { due_us, number };
        let body = serde_json::json!({
            "client_id": self.client_id(number),
            "item": plan.item,
            "count": plan.count,
            "note": self.stage.note(stamp),
        });
        Tap {
            giver,
            stamp,
            body: body.to_string().into(),
            moves: 0,
        }
    }

    fn client_id(&self, number: u64) -> String {
        format!("load-{}-{number}", self.stage.run)
    }

    /// Taps, and taps again, until there is an answer that holds.
    async fn settle(self: Arc<Self>, mut tap: Tap) {
        let Stamp { due_us, number } = tap.stamp;
        for repetition in 1.. {
            let Some(permit) = self.permit().await else {
                return;
            };
            let (status, answer) = self.attempt(&mut tap).await;
            drop(permit);
            let now_us = self.stage.clock.now_us();
            self.stage.till.lock().count(&status);
            let Answer::Again { after, .. } = answer else {
                self.holds(&tap, answer, now_us);
                return;
            };
            let since_due = Duration::from_micros(now_us.saturating_sub(due_us));
            let Some(wait) = retry::wait(repetition, after, since_due) else {
                let client_id = self.client_id(number);
                self.stage.till.lock().unanswered.push(client_id);
                return;
            };
            self.repeats.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(wait).await;
        }
    }

    fn holds(&self, tap: &Tap, answer: Answer, now_us: u64) {
        let (fate, id) = match &answer {
            Answer::Given { id, .. } => (Fate::Given, Some(id.as_str())),
            Answer::Held { id, .. } => (Fate::Other, Some(id.as_str())),
            Answer::Refused(_) | Answer::Again { .. } => (Fate::Other, None),
        };
        let number = tap.stamp.number;
        self.stage.book.lock().answered(number, fate, id, now_us);
        self.stage.till.lock().take(tap.giver, answer);
    }

    async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Some(permit);
        }
        self.waited.fetch_add(1, Ordering::Relaxed);
        self.permits.acquire().await.ok()
    }

    /// One request: its status for people, and what it means.
    async fn attempt(&self, tap: &mut Tap) -> (String, Answer) {
        let asked = match self.lane(tap) {
            Some(lane) => self.ask(lane, tap).await,
            None => Err("there is no edge".to_owned()),
        };
        match asked {
            Ok((status, answer)) => {
                let status = match &answer {
                    Answer::Given { .. } => format!("{status} given"),
                    Answer::Held { .. } => format!("{status} held"),
                    Answer::Refused(why) | Answer::Again { why, .. } => why.clone(),
                };
                (status, answer)
            }
            Err(why) => {
                // The next edge may be there; with one edge it is the same again.
                tap.moves += 1;
                self.stage.note_end(&format!("giver: {why}"));
                ("network".to_owned(), Answer::Again { why, after: None })
            }
        }
    }

    /// A giver has an edge of its own, as long as that can be reached.
    fn lane(&self, tap: &Tap) -> Option<&Lane> {
        let Plan {
            urls, connections, ..
        } = &self.stage.plan;
        let edge = (tap.giver + tap.moves) % urls.len().max(1);
        let turn = usize::try_from(tap.stamp.number).unwrap_or_default() % connections;
        self.lanes.get(edge * connections + turn)
    }

    /// In bounded time, whatever the edge does.
    async fn ask(&self, lane: &Lane, tap: &Tap) -> Result<(u16, Answer), String> {
        let mut generation = None;
        let asking = self.post(lane, tap, &mut generation);
        let asked = tokio::time::timeout(REQUEST_TIMEOUT, asking).await;
        let asked = asked.unwrap_or_else(|_| Err(format!("no answer within {REQUEST_TIMEOUT:?}")));
        let fetched = match asked {
            Ok(fetched) => fetched,
            Err(why) => {
                if let Some(generation) = generation {
                    lane.forget(generation).await;
                }
                return Err(why);
            }
        };
        let status = fetched.status.as_u16();
        let retry_after = fetched.header("retry-after");
        Ok((status, retry::answer(status, retry_after, &fetched.body)))
    }

    /// `used` is set to the connection that was asked.
    async fn post(
        &self,
        lane: &Lane,
        tap: &Tap,
        used: &mut Option<u64>,
    ) -> Result<Fetched, String> {
        let plan = &self.stage.plan;
        let (client, generation) = lane.client(&plan.trust).await?;
        *used = Some(generation);
        let token = plan.givers.get(tap.giver).map_or("", String::as_str);
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let body = tap.body.clone();
        let response = client
            .request_with(Method::POST, &self.path, &headers, body)
            .await
            .map_err(|error| error.to_string())?;
        let fetched = response.collect().await;
        match &fetched.broken {
            Some(broken) => Err(broken.to_string()),
            None => Ok(fetched),
        }
    }
}
