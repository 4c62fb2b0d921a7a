//! The course of a run: all come, are silent, talk, are perhaps dropped, and are judged.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::ensure;
use rooms::schema::Recovery;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cpu;
use crate::process::allow_files;

use super::aside::Aside;
use super::dialect::{Dialect, Say};
use super::ledger;
use super::listen::sit;
use super::post::post;
use super::report::{Latency, Reconnect, Report, Server};
use super::swarm::{Role, Seat, Swarm, seats};
use super::talk::{OUTBOX_MAX, Said, talk};
use super::{Plan, Tally};

/// How long the last may take to come in after the ramp.
const SETTLE_MAX: Duration = Duration::from_secs(60);

/// How long all may take to come back after they were dropped.
const STORM_MAX: Duration = Duration::from_secs(60);

/// How long what was said last may take to reach all; and slow ones, to catch up.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Nothing came for so long: nothing will. A server may be busy for a second with what came before.
const QUIET: Duration = Duration::from_secs(3);

/// How often the crowd is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Files that are open besides connections.
const FILES_SPARE: usize = 1_000;

/// Runs the plan. Fails when nobody gets in; all else is counted.
pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    plan.check()?;
    allow_files(plan.connections + FILES_SPARE)?;
    let swarm = Arc::new(Swarm::new(plan).await?);
    let empty_bytes = resident(plan)?;
    let mut crowd = Crowd::new(swarm)?;
    let ramp_seconds = crowd.ramp().await;
    tokio::time::sleep(plan.idle).await;
    let idle_bytes = resident(plan)?;
    let connected = crowd.connected();
    ensure!(connected > 0, "nobody got in: {:?}", crowd.swarm.ends());
    let course = crowd.talk().await?;
    let after_bytes = resident(plan)?;
    crowd.drain(connected, &course).await;
    let resident_bytes = [empty_bytes, idle_bytes, after_bytes];
    Ok(crowd.report(connected, ramp_seconds, &course, resident_bytes))
}

/// Totals at one moment.
struct Mark {
    at: Instant,
    events: u64,
    bytes: u64,
    client_cpu: Duration,
    server_cpu: Duration,
}

/// What happened while there was talk.
struct Course {
    /// When it began.
    begin: Mark,
    /// The measured time.
    from: Mark,
    to: Mark,
    messages: Said,
    acts: Said,
    reconnect: Option<Reconnect>,
}

struct Crowd {
    swarm: Arc<Swarm>,
    seats: Vec<Arc<Seat>>,
    tasks: Vec<JoinHandle<()>>,
    posters: Vec<JoinHandle<()>>,
    publishers: Vec<mpsc::Sender<Say>>,
    moderators: Vec<mpsc::Sender<Say>>,
    /// Where all run who are not listeners.
    aside: Aside,
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for task in self.tasks.iter().chain(&self.posters) {
            task.abort();
        }
    }
}

impl Crowd {
    fn new(swarm: Arc<Swarm>) -> anyhow::Result<Self> {
        let mut crowd = Self {
            seats: seats(&swarm.plan),
            swarm,
            tasks: Vec::new(),
            posters: Vec::new(),
            publishers: Vec::new(),
            moderators: Vec::new(),
            aside: Aside::start()?,
        };
        if let Some(url) = crowd.swarm.plan.post_url.clone() {
            for _ in 0..crowd.swarm.plan.publishers {
                let (sender, outbox) = mpsc::channel(OUTBOX_MAX);
                crowd.publishers.push(sender);
                let posting = post(Arc::clone(&crowd.swarm), url.clone(), outbox);
                crowd.posters.push(crowd.aside.handle().spawn(posting));
            }
        }
        Ok(crowd)
    }

    /// Lets all in; how many seconds that took.
    async fn ramp(&mut self) -> f64 {
        let start = Instant::now();
        for (index, seat) in self.seats.clone().into_iter().enumerate() {
            let due = start + Duration::from_secs_f64(index as f64 / self.swarm.plan.ramp);
            tokio::time::sleep_until(due.into()).await;
            let outboxes = match seat.role {
                Role::Listener => None,
                Role::Publisher => Some(&mut self.publishers),
                Role::Moderator => Some(&mut self.moderators),
            };
            let outbox = outboxes.map(|outboxes| {
                let (sender, outbox) = mpsc::channel(OUTBOX_MAX);
                outboxes.push(sender);
                outbox
            });
            let is_talker = outbox.is_some();
            let sitting = sit(Arc::clone(&self.swarm), seat, outbox);
            self.tasks.push(if is_talker {
                self.aside.handle().spawn(sitting)
            } else {
                tokio::spawn(sitting)
            });
        }
        let deadline = Instant::now() + SETTLE_MAX;
        while self.connected() < self.seats.len() && Instant::now() < deadline {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        let last = self
            .seats
            .iter()
            .filter_map(|seat| seat.account.lock().welcomed_us);
        last.max().map_or(f64::NAN, |us| us as f64 / 1e6)
    }

    fn connected(&self) -> usize {
        let is_in = |seat: &&Arc<Seat>| seat.account.lock().welcomed_us.is_some();
        self.seats.iter().filter(is_in).count()
    }

    async fn talk(&mut self) -> anyhow::Result<Course> {
        let plan = self.swarm.plan.clone();
        let begin = self.mark()?;
        let saying = |outboxes: &Vec<_>, rate: f64, say| {
            let duration = plan.warm_up + plan.duration;
            let duration = if rate > 0.0 { duration } else { Duration::ZERO };
            self.aside.handle().spawn(talk(
                Arc::clone(&self.swarm),
                outboxes.clone(),
                rate,
                duration,
                say,
            ))
        };
        let messages = saying(&self.publishers, plan.rate, Say::Message);
        let acts = saying(&self.moderators, plan.control_rate, Say::Act);
        tokio::time::sleep(plan.warm_up).await;
        let from = self.mark()?;
        self.swarm.measure_from(self.swarm.clock.us(from.at));
        let measured = plan.drop_all_at.unwrap_or(plan.duration);
        tokio::time::sleep(measured).await;
        let to = self.mark()?;
        self.swarm.measure_to(self.swarm.clock.us(to.at));
        let mut reconnect = None;
        if plan.drop_all_at.is_some() {
            // What is on its way is not late because of the server.
            self.swarm.measure_to(0);
            reconnect = Some(self.storm().await);
        }
        Ok(Course {
            begin,
            from,
            to,
            messages: messages.await?,
            acts: acts.await?,
            reconnect,
        })
    }

    /// Drops all listeners that are not slow and lets them come back in the same instant.
    async fn storm(&mut self) -> Reconnect {
        let mut dropped = Vec::new();
        let taken = self.seats.iter().zip(&mut self.tasks);
        for (seat, task) in taken.filter(|(seat, _)| seat.role == Role::Listener) {
            if seat.is_steady() {
                task.abort();
                dropped.push((seat, task));
            }
        }
        let at_us = self.swarm.clock.now_us();
        for (seat, task) in &mut dropped {
            // It was aborted: all that can come is that it was.
            let _ = task.await;
            let mut account = seat.account.lock();
            account.recovery = None;
            seat.welcome(&mut account, None);
        }
        for (seat, task) in &mut dropped {
            let sitting = sit(Arc::clone(&self.swarm), Arc::clone(seat), None);
            **task = tokio::spawn(sitting);
        }
        let is_back = |seat: &Seat| seat.account.lock().welcomed_us.is_some();
        let deadline = Instant::now() + STORM_MAX;
        while !dropped.iter().all(|(seat, _)| is_back(seat)) && Instant::now() < deadline {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        let mut reconnect = Reconnect {
            dropped: dropped.len(),
            ..Reconnect::default()
        };
        let mut after_us = Vec::new();
        for (seat, _) in dropped {
            let account = seat.account.lock();
            if let Some(back_us) = account.welcomed_us {
                let us = back_us.saturating_sub(at_us);
                after_us.push(u32::try_from(us).unwrap_or(u32::MAX));
            }
            reconnect.complete += usize::from(account.recovery == Some(Recovery::Complete));
            reconnect.not_recovered +=
                usize::from(account.recovery == Some(Recovery::NotRecovered));
        }
        reconnect.back = after_us.len();
        reconnect.after = Latency::of(after_us);
        reconnect
    }

    /// Waits for what is still on its way: first to those who read, until they have all that is
    /// offered or nothing comes any more; then to the slow ones.
    async fn drain(&self, connected: usize, course: &Course) {
        let deadline = Instant::now() + DRAIN_MAX;
        let (mut last, mut quiet_since) = (0, Instant::now());
        while Instant::now() < deadline {
            let tally = self.tally(true);
            // What is missing for good is not waited for.
            let settled = tally.events + tally.lost + tally.messages_told - course.begin.events;
            if settled > last {
                (last, quiet_since) = (settled, Instant::now());
            }
            let has_all = self.is_answered(course) && settled >= self.offered(connected, course);
            let is_quiet = quiet_since.elapsed() >= QUIET;
            if self.behind(true) == 0 && (has_all || is_quiet) {
                break;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        self.swarm.released.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + DRAIN_MAX;
        while self.behind(false) > 0 && Instant::now() < deadline {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Events that everybody gets, times connections that are not slow.
    fn offered(&self, connected: usize, course: &Course) -> u64 {
        let heard = self.swarm.heard.lock();
        let accepted = match self.swarm.plan.dialect {
            Dialect::SocketIo => course.messages.sent,
            Dialect::Nchan | Dialect::Weir(_) => heard.talk.accepted + heard.talk.acts_accepted,
        };
        let readers = connected.saturating_sub(self.slow());
        accepted * u64::try_from(readers).unwrap_or(u64::MAX)
    }

    /// Whether each message and act was answered. Socket.IO does not answer.
    fn is_answered(&self, course: &Course) -> bool {
        let talk = &self.swarm.heard.lock().talk;
        let refused: u64 = talk.refused.values().sum();
        let answered = talk.accepted + talk.acts_accepted + refused;
        self.swarm.plan.dialect == Dialect::SocketIo
            || answered >= course.messages.sent + course.acts.sent
    }

    fn slow(&self) -> usize {
        self.seats.iter().filter(|seat| !seat.is_steady()).count()
    }

    /// Connections that are not where the first is.
    fn behind(&self, steady: bool) -> usize {
        let next = |seat: &Arc<Seat>| seat.account.lock().ledger.next();
        let head = self.seats.iter().map(next).max().unwrap_or(0);
        self.seats
            .iter()
            .filter(|seat| seat.is_steady() == steady && next(seat) < head)
            .count()
    }

    fn mark(&self) -> anyhow::Result<Mark> {
        let mut server_cpu = Duration::ZERO;
        for &pid in &self.swarm.plan.server_pids {
            server_cpu += cpu::time_of_tree(pid)?;
        }
        let tally = self.tally(true);
        Ok(Mark {
            at: Instant::now(),
            events: tally.events,
            bytes: tally.bytes,
            client_cpu: cpu::own_time()?,
            server_cpu,
        })
    }

    fn tally(&self, steady: bool) -> Tally {
        let mut sum = Tally::default();
        for seat in self.seats.iter().filter(|seat| seat.is_steady() == steady) {
            sum.add(&seat.account.lock().ledger.tally);
        }
        sum
    }

    fn report(
        &self,
        connected: usize,
        ramp_seconds: f64,
        course: &Course,
        resident_bytes: [u64; 3],
    ) -> Report {
        let plan = &self.swarm.plan;
        let Course { from, to, .. } = course;
        let deliveries_offered = self.offered(connected, course);
        let mut heard = std::mem::take(&mut *self.swarm.heard.lock());
        heard.talk.sent = course.messages.sent;
        heard.talk.unsent = course.messages.unsent;
        heard.talk.acts = course.acts.sent;
        if plan.dialect == Dialect::SocketIo {
            heard.talk.accepted = course.messages.sent;
        }
        let steady = self.tally(true);
        let events = to.events - from.events;
        let seconds = (to.at - from.at).as_secs_f64();
        let per_event = |value: f64| value / events.max(1) as f64;
        let [empty, idle, _] = resident_bytes;
        let server_cpu = to.server_cpu.saturating_sub(from.server_cpu);
        let server = (!plan.server_pids.is_empty()).then(|| Server {
            cpu_seconds: server_cpu.as_secs_f64(),
            cpu_us_per_delivery: per_event(server_cpu.as_secs_f64() * 1e6),
            resident_bytes,
            idle_bytes_per_connection: (idle as f64 - empty as f64) / connected as f64,
        });
        let (latency, control_latency) = self.latencies();
        Report {
            dialect: plan.dialect,
            connections: plan.connections,
            connected,
            slow: self.slow(),
            ramp_seconds,
            seconds,
            talk: heard.talk,
            deliveries_offered,
            deliveries_done: steady.events - course.begin.events,
            deliveries_per_second: events as f64 / seconds,
            bytes_per_delivery: per_event((to.bytes - from.bytes) as f64),
            latency,
            control_latency,
            steady,
            slow_readers: self.tally(false),
            behind: self.behind(true) + self.behind(false),
            control: self.control(heard.acts),
            ends: self.swarm.ends(),
            server,
            client_cpu_us_per_delivery: per_event(
                (to.client_cpu - from.client_cpu).as_secs_f64() * 1e6,
            ),
            reconnect: course.reconnect,
        }
    }

    /// Of messages and of acts.
    fn latencies(&self) -> (Latency, Latency) {
        let (mut messages, mut acts) = (Vec::new(), Vec::new());
        for seat in self.seats.iter().filter(|seat| seat.is_sampled) {
            let mut account = seat.account.lock();
            messages.append(&mut account.latencies_us);
            acts.append(&mut account.control_latencies_us);
        }
        (Latency::of(messages), Latency::of(acts))
    }

    /// Moderators have a view of their own.
    fn control(&self, acts: Vec<(u64, u64)>) -> super::Control {
        let seats = self
            .seats
            .iter()
            .filter(|seat| seat.role != Role::Moderator);
        let accounts: Vec<_> = seats.map(|seat| seat.account.lock()).collect();
        ledger::judge(accounts.iter().map(|account| &account.ledger), acts)
    }
}

fn resident(plan: &Plan) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for &pid in &plan.server_pids {
        bytes += cpu::resident_bytes_of_tree(pid)?;
    }
    Ok(bytes)
}
