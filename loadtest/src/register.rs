//! Registers people through an edge, credits them at the origin's admin listener, and keeps their
//! access tokens. Few at a time: the server hashes a password for each.

mod caller;

use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::client::{Protocol, Trust};
use caller::Caller;

/// Most people of one run: with one more digit their names would have more than 24 characters.
pub const PEOPLE_MAX: usize = 99_999;

/// Longest run. Registrations are limited for each network, and this is one.
pub const DURATION_MAX: Duration = Duration::from_secs(3_600);

/// At a time.
const WORKERS: usize = 2;

/// A token that is older at the end is renewed: it lasts for ten minutes.
const FRESH: Duration = Duration::from_secs(60);

/// Distinct failures that are told.
const FAILURES_MAX: usize = 5;

/// Random bytes of a password.
const PASSWORD_BYTES: usize = 18;

/// Who is registered where, and what each gets.
#[derive(Debug, Clone)]
pub struct Plan {
    /// An edge, as an https or http URL.
    pub url: String,
    /// Whose certificate is good enough.
    pub trust: Trust,
    /// How many.
    pub people: usize,
    /// Who credits them; nobody without it.
    pub treasury: Option<Treasury>,
    /// Where their access tokens go, one per line.
    pub out: PathBuf,
    /// Is told what is waited for, as it happens.
    pub tell: fn(&str),
}

/// The origin's admin listener.
#[derive(Clone)]
pub struct Treasury {
    /// As an http or https URL.
    pub url: String,
    /// Its `admin.token`.
    pub token: String,
    /// What each gets.
    pub coins: u64,
}

impl fmt::Debug for Treasury {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Treasury")
            .field("url", &self.url)
            .field("coins", &self.coins)
            .finish_non_exhaustive()
    }
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// People wanted.
    pub people: usize,
    /// People whose tokens are in the file: registered, and credited if that was wanted.
    pub registered: usize,
    /// Coins that they have got together.
    pub coins: u64,
    /// Requests that were repeated, because the server said so or could not be reached.
    pub repeats: u64,
    /// Tokens that were renewed at the end.
    pub renewed: usize,
    /// What the first few failures were.
    pub failures: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} registered in {:.1} s, {} coins; {} requests repeated, {} tokens renewed",
            self.registered, self.people, self.seconds, self.coins, self.repeats, self.renewed
        )?;
        for failure in &self.failures {
            write!(f, "\n  failure: {failure}")?;
        }
        Ok(())
    }
}

/// What the server says of who has signed in.
#[derive(Deserialize)]
struct Session {
    access_token: String,
    refresh_token: Option<String>,
    user: User,
}

#[derive(Deserialize)]
struct User {
    id: String,
}

/// Somebody who may give.
struct Person {
    number: usize,
    session: Session,
    since: Instant,
}

struct Office {
    plan: Plan,
    run: u128,
    deadline: Instant,
    next: AtomicUsize,
    people: Mutex<Vec<Person>>,
    failures: Mutex<Vec<String>>,
}

/// Runs the plan. Fails when nobody could be registered; other failures are told.
pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    ensure!(
        (1..=PEOPLE_MAX).contains(&plan.people),
        "people must be 1 to {PEOPLE_MAX}"
    );
    let start = Instant::now();
    let office = Arc::new(Office {
        plan: plan.clone(),
        run: SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis(),
        deadline: start + DURATION_MAX,
        next: AtomicUsize::new(1),
        people: Mutex::default(),
        failures: Mutex::default(),
    });
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..WORKERS.min(plan.people) {
        workers.spawn(work(Arc::clone(&office)));
    }
    let mut repeats = 0;
    while let Some(worker) = workers.join_next().await {
        repeats += worker?;
    }
    let mut people = std::mem::take(&mut *office.people.lock());
    people.sort_unstable_by_key(|person| person.number);
    let mut caller = office.edge();
    let renewed = office.renew(&mut caller, &mut people).await;
    let failures = std::mem::take(&mut *office.failures.lock());
    ensure!(!people.is_empty(), "nobody is registered: {failures:?}");
    write(&plan.out, &people)?;
    let coins = plan.treasury.as_ref().map_or(0, |treasury| treasury.coins);
    Ok(Report {
        people: plan.people,
        registered: people.len(),
        coins: coins * u64::try_from(people.len())?,
        repeats: repeats + caller.repeats,
        renewed,
        failures,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Registers one after the other; how many requests were repeated.
async fn work(office: Arc<Office>) -> u64 {
    let mut edge = office.edge();
    let mut admin = office.admin();
    loop {
        let number = office.next.fetch_add(1, Ordering::Relaxed);
        if number > office.plan.people || Instant::now() >= office.deadline {
            break;
        }
        match office.enrol(&mut edge, admin.as_mut(), number).await {
            Ok(person) => office.people.lock().push(person),
            Err(error) => {
                office.failed(&error);
                if !edge.is_reached {
                    // Nobody else would be registered there.
                    break;
                }
            }
        }
    }
    edge.repeats + admin.map_or(0, |admin| admin.repeats)
}

impl Office {
    fn edge(&self) -> Caller {
        let protocol = Protocol::of_edge(&self.plan.url);
        Caller::new(&self.plan.url, protocol, &self.plan, self.deadline)
    }

    fn admin(&self) -> Option<Caller> {
        let url = &self.plan.treasury.as_ref()?.url;
        Some(Caller::new(url, Protocol::H1, &self.plan, self.deadline))
    }

    async fn enrol(
        &self,
        edge: &mut Caller,
        admin: Option<&mut Caller>,
        number: usize,
    ) -> anyhow::Result<Person> {
        let key = format!("load-{}-{number}", self.run);
        let body = serde_json::json!({
            "login": key,
            "name": format!("Load {} {number}", self.run),
            "password": password()?,
        });
        let headers = [("idempotency-key", key.as_str())];
        let session: Session = edge.post("/api/accounts", &headers, &body).await?;
        let since = Instant::now();
        if let (Some(admin), Some(treasury)) = (admin, &self.plan.treasury) {
            let path = format!("/v1/admin/users/{}/credits", session.user.id);
            let bearer = format!("Bearer {}", treasury.token);
            let headers = [
                ("authorization", bearer.as_str()),
                ("idempotency-key", key.as_str()),
            ];
            let body = serde_json::json!({ "amount": treasury.coins, "note": "load test" });
            let _: serde::de::IgnoredAny = admin.post(&path, &headers, &body).await?;
        }
        Ok(Person {
            number,
            session,
            since,
        })
    }

    /// Renews what has become old while others were registered; how many.
    async fn renew(&self, edge: &mut Caller, people: &mut [Person]) -> usize {
        let mut renewed = 0;
        for person in people {
            let Some(refresh_token) = &person.session.refresh_token else {
                continue;
            };
            if person.since.elapsed() < FRESH {
                continue;
            }
            let body = serde_json::json!({ "refresh_token": refresh_token });
            match edge.post("/api/session/refresh", &[], &body).await {
                Ok(session) => {
                    person.session = session;
                    renewed += 1;
                }
                Err(error) => self.failed(&error),
            }
        }
        renewed
    }

    fn failed(&self, error: &anyhow::Error) {
        let why = format!("{error:#}");
        let mut failures = self.failures.lock();
        if failures.len() < FAILURES_MAX && !failures.contains(&why) {
            failures.push(why);
        }
    }
}

fn password() -> anyhow::Result<String> {
    let mut bytes = [0; PASSWORD_BYTES];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random
        .fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("no randomness: {error:?}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Nobody else may read them.
fn write(path: &Path, people: &[Person]) -> anyhow::Result<()> {
    let lines = people
        .iter()
        .map(|person| person.session.access_token.clone() + "\n");
    let text: String = lines.collect();
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("writing {}", path.display()))
}
