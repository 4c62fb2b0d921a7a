//! The course of a run: screens come, givers give, what is on its way arrives, and all is judged.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::ensure;
use parking_lot::MutexGuard;
use tokio::task::JoinHandle;

use crate::chat::aside::Aside;
use crate::cpu;
use crate::process::allow_files;

use super::Plan;
use super::give::{Givers, Paced};
use super::report::{self, Report, Used};
use super::screen::watch;
use super::stage::{Screen, Stage};
use super::state;

/// How long the last may take to come in after the ramp.
const SETTLE_MAX: Duration = Duration::from_secs(60);

/// How long what was given last may take to reach all.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// How often screens are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How often it is looked whether this program reads in time.
const LAG_INTERVAL: Duration = Duration::from_millis(10);

/// Files that are open besides connections.
const FILES_SPARE: usize = 1_000;

/// Runs the plan. Fails when no screen gets in, or when the state cannot be written; all else is
/// counted.
pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    plan.check()?;
    // Without TLS a request has a connection to itself.
    let givers = (plan.urls.len() * plan.connections).max(plan.in_flight);
    let connections = plan.screens + givers;
    allow_files(connections + FILES_SPARE)?;
    let stage = Arc::new(Stage::new(plan).await?);
    let mut course = Course {
        aside: Aside::start()?,
        tasks: Vec::new(),
        stage,
    };
    course.ramp().await;
    let connected = course.there();
    ensure!(
        plan.screens == 0 || connected > 0,
        "nobody got in: {:?}",
        course.stage.ends()
    );
    if let Some(path) = &plan.state {
        // So that it is known at once whether that can be done.
        state::write(&course.stage, path.clone()).await?;
        let writing = state::write_often(Arc::clone(&course.stage), path.clone());
        course.tasks.push(tokio::spawn(writing));
    }
    let given = course.give().await?;
    course.drain().await;
    course.stage.is_over.store(true, Ordering::Relaxed);
    let report = course.report(connected, &given);
    if let Some(path) = plan.state.clone() {
        course.stop();
        state::write(&course.stage, path).await?;
    }
    Ok(report)
}

/// What was used up to one moment.
struct Mark {
    at: Instant,
    client_cpu: Duration,
    /// None of a process that is gone.
    servers_cpu: Vec<Option<Duration>>,
}

/// What came of giving.
struct Given {
    paced: Paced,
    repeats: u64,
    waited: u64,
    from: Mark,
    to: Mark,
}

struct Course {
    stage: Arc<Stage>,
    tasks: Vec<JoinHandle<()>>,
    /// Where givers run: behind ten thousand screens that have something to show they would be late.
    aside: Aside,
}

impl Drop for Course {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Course {
    fn stop(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
    }

    async fn ramp(&mut self) {
        let start = Instant::now();
        for index in 0..self.stage.plan.screens {
            let due = start + Duration::from_secs_f64(index as f64 / self.stage.plan.ramp);
            tokio::time::sleep_until(due.into()).await;
            let watching = watch(Arc::clone(&self.stage), index);
            self.tasks.push(tokio::spawn(watching));
        }
        let deadline = Instant::now() + SETTLE_MAX;
        while self.there() < self.stage.plan.screens && Instant::now() < deadline {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    fn there(&self) -> usize {
        let screens = self.stage.screens.iter();
        screens
            .filter(|screen| screen.lock().watch.is_there())
            .count()
    }

    async fn give(&mut self) -> anyhow::Result<Given> {
        let plan = &self.stage.plan;
        let (warm_up, duration) = (plan.warm_up, plan.duration);
        let start = Instant::now();
        let from_us = self.stage.clock.us(start + warm_up);
        self.stage.book.lock().measure_from(from_us);
        let lag = tokio::spawn(probe(Arc::clone(&self.stage)));
        self.tasks.push(lag);
        let givers = Arc::new(Givers::new(Arc::clone(&self.stage)));
        let handle = self.aside.handle();
        let giving = handle.spawn(Arc::clone(&givers).give(start));
        tokio::time::sleep_until((start + warm_up).into()).await;
        let from = self.mark()?;
        tokio::time::sleep_until((start + warm_up + duration).into()).await;
        let to = self.mark()?;
        let paced = giving.await?;
        Ok(Given {
            paced,
            repeats: givers.repeats.load(Ordering::Relaxed),
            waited: givers.waited.load(Ordering::Relaxed),
            from,
            to,
        })
    }

    /// Waits until all that was given is on all screens, or will not be any more.
    async fn drain(&self) {
        let screens = self.stage.plan.screens;
        let deadline = Instant::now() + DRAIN_MAX;
        while !self.stage.book.lock().is_settled(screens) && Instant::now() < deadline {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    fn mark(&self) -> anyhow::Result<Mark> {
        let pids = self.stage.plan.server_pids.iter();
        Ok(Mark {
            at: Instant::now(),
            client_cpu: cpu::own_time()?,
            // A server may have been killed on purpose.
            servers_cpu: pids.map(|&pid| cpu::time_of_tree(pid).ok()).collect(),
        })
    }

    fn report(&self, connected: usize, given: &Given) -> Report {
        let Given { from, to, .. } = given;
        let screens: Vec<MutexGuard<'_, Screen>> = self
            .stage
            .screens
            .iter()
            .map(|screen| screen.lock())
            .collect();
        let pids = self.stage.plan.server_pids.iter().copied();
        let between = from.servers_cpu.iter().zip(&to.servers_cpu);
        let servers = pids.zip(between).map(|(pid, (from, to))| {
            let cpu = to.zip(*from).map(|(to, from)| to.saturating_sub(from));
            (pid, cpu)
        });
        let used = Used {
            seconds: (to.at - from.at).as_secs_f64(),
            client_cpu: to.client_cpu.saturating_sub(from.client_cpu),
            servers: servers.collect(),
            repeats: given.repeats,
            waited: given.waited,
            unsent: given.paced.unsent,
            late: &given.paced.late,
        };
        report::of(&self.stage, connected, &screens, &used)
    }
}

/// Notes how much later than it should the thread that reads gets to it.
async fn probe(stage: Arc<Stage>) {
    loop {
        let due = Instant::now() + LAG_INTERVAL;
        tokio::time::sleep_until(due.into()).await;
        let late_us = due.elapsed().as_micros();
        let late_us = u64::try_from(late_us).unwrap_or(u64::MAX);
        stage.lag.lock().record(late_us);
    }
}
