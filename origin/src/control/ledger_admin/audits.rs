//! Audits of the ledger: one at a time, and what the last one found. Starts none by itself.

use std::sync::Arc;
use std::time::Duration;

use ledger::{Error, Ledger, Progress, Report, Store as _};
use parking_lot::Mutex;
use prometheus::{IntGauge, Registry};
use serde::Serialize;
use telemetry::metrics::{self, RegisterError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::caller::Actor;
use crate::clock::unix_ms;
use crate::problem::Problem;

/// How often the figures are told how far an audit is.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// What an audit found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    /// Everything adds up.
    ok: bool,
    /// When it began.
    at_ms: u64,
    /// How long it took.
    took_ms: u64,
    #[serde(flatten)]
    report: Report,
}

/// What is known of audits since this process was started.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct State {
    /// When the one began that runs.
    running_since_ms: Option<u64>,
    /// What the last one found that came to its end.
    last: Option<Finding>,
}

/// Audits and exports of the ledger. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::control) struct Audits {
    state: Arc<Mutex<State>>,
    /// One place.
    exports: Arc<Semaphore>,
    figures: Figures,
}

/// For who watches from afar.
#[derive(Clone, Debug)]
struct Figures {
    /// `weir_control_ledger_verify_started_timestamp_seconds`.
    started: IntGauge,
    /// `weir_control_ledger_verified_timestamp_seconds`.
    verified: IntGauge,
    /// `weir_control_ledger_verify_rows`.
    rows: IntGauge,
    /// `weir_control_ledger_differences`.
    differences: IntGauge,
}

impl Audits {
    /// Registers the metrics.
    ///
    /// # Errors
    /// A name that is already taken: a bug.
    pub(in crate::control) fn new(r: &Registry) -> Result<Self, RegisterError> {
        let figures = Figures {
            started: metrics::gauge(
                r,
                "weir_control_ledger_verify_started_timestamp_seconds",
                "Unix time at which the audit of the ledger began that runs; 0 while none runs.",
            )?,
            verified: metrics::gauge(
                r,
                "weir_control_ledger_verified_timestamp_seconds",
                "Unix time at which the ledger was last audited to the end; 0 if it was not.",
            )?,
            rows: metrics::gauge(
                r,
                "weir_control_ledger_verify_rows",
                "Rows that the audit of the ledger has read that runs, or that the last one read.",
            )?,
            differences: metrics::gauge(
                r,
                "weir_control_ledger_differences",
                "Differences that the last audit of the ledger found.",
            )?,
        };
        Ok(Self {
            state: Arc::default(),
            exports: Arc::new(Semaphore::new(1)),
            figures,
        })
    }

    pub(super) fn state(&self) -> State {
        self.state.lock().clone()
    }

    /// A place to export, which is given back when it is dropped.
    ///
    /// # Errors
    /// An export is running.
    pub(super) fn exporting(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.exports).try_acquire_owned();
        place.map_err(|_| running("an export is running; one at a time"))
    }

    /// Begins an audit, which goes on whatever becomes of the handle.
    ///
    /// # Errors
    /// One is running.
    pub(super) fn verify(
        &self,
        ledger: Ledger,
        actor: &Actor,
    ) -> Result<JoinHandle<Result<Finding, Error>>, Problem> {
        let at_ms = unix_ms();
        {
            let mut state = self.state.lock();
            if state.running_since_ms.is_some() {
                let detail = "an audit is running; GET tells what it found when it is done";
                return Err(running(detail));
            }
            state.running_since_ms = Some(at_ms);
        }
        self.figures.started.set(seconds(at_ms));
        let turn = Turn(self.clone());
        tracing::info!(actor = actor.0, "an audit of the ledger begins");
        Ok(tokio::spawn(async move {
            let verified = turn.0.watched(&ledger).await;
            let report = verified.inspect_err(|error| {
                tracing::error!(%error, "the ledger cannot be audited");
            })?;
            Ok(turn.0.found(report, at_ms))
        }))
    }

    /// Adds up, and tells the figures how far it is.
    async fn watched(&self, ledger: &Ledger) -> Result<Report, Error> {
        let progress = Progress::default();
        let mut verified = ledger.verify_telling(progress.clone());
        loop {
            let ended = tokio::time::timeout(TELL_EVERY, &mut verified).await;
            self.figures.rows.set(signed(progress.rows()));
            if let Ok(report) = ended {
                return report;
            }
        }
    }

    fn found(&self, report: Report, at_ms: u64) -> Finding {
        let now = unix_ms();
        let differences = (report.differences.len() as u64).saturating_add(report.more);
        let finding = Finding {
            ok: report.is_clean(),
            at_ms,
            took_ms: now.saturating_sub(at_ms),
            report,
        };
        if finding.ok {
            tracing::info!(took_ms = finding.took_ms, "the ledger adds up");
        } else {
            tracing::error!(differences, "the ledger does not add up");
        }
        self.figures.verified.set(seconds(now));
        self.figures.differences.set(signed(differences));
        self.state.lock().last = Some(finding.clone());
        finding
    }
}

/// An audit runs. However it ends, another may begin.
struct Turn(Audits);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.state.lock().running_since_ms = None;
        self.0.figures.started.set(0);
    }
}

fn running(detail: &str) -> Problem {
    Problem::new(http::StatusCode::CONFLICT, "running", detail)
}

fn seconds(ms: u64) -> i64 {
    signed(ms / 1_000)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use ledger::sqlite::SqliteOptions;

    use super::*;

    #[tokio::test]
    async fn it_goes_on_when_whoever_asked_has_gone() {
        let directory = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(directory.path().join("ledger.db"));
        let ledger = ledger::sqlite::open(options).unwrap();
        let audits = Audits::new(&Registry::new()).unwrap();
        let actor = Actor("operator".to_owned());
        drop(audits.verify(ledger.clone(), &actor).unwrap());
        // One thread runs all this: the first has not even begun.
        let second = audits.verify(ledger.clone(), &actor);
        assert_eq!(second.unwrap_err().code(), "running");
        while audits.state().last.is_none() {
            tokio::task::yield_now().await;
        }
        let State {
            running_since_ms,
            last,
        } = audits.state();
        assert_eq!((running_since_ms, last.unwrap().ok), (None, true));
        let next = audits.verify(ledger, &actor).unwrap();
        assert!(next.await.unwrap().unwrap().ok);
    }

    #[test]
    fn one_export_at_a_time() {
        let audits = Audits::new(&Registry::new()).unwrap();
        let place = audits.exporting().unwrap();
        assert_eq!(audits.exporting().unwrap_err().code(), "running");
        drop(place);
        assert!(audits.exporting().is_ok());
    }
}
