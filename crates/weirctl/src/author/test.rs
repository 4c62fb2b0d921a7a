//! `weirctl filter test`: builds, then runs samples and cases, and says what did not pass.

mod view;

use std::path::PathBuf;

use serde::Serialize;

use super::build;
use super::cases::{self, Case};
use super::check::{Bench, CaseFailure, Tested};
use super::project::Project;
use crate::args::Test;
use crate::failure::Failure;
use crate::operate::push::{Candidate, read_component};
use crate::output::{Output, Style};

/// How it went.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The filter.
    name: String,
    /// Of the component, in bytes.
    size: u64,
    /// Compiling to machine code; next to nothing when it was kept.
    compile_ms: u64,
    /// Whether each passed.
    cases: Vec<CaseReport>,
    /// Cases that did not pass.
    failed: usize,
}

#[derive(Debug, Serialize)]
struct CaseReport {
    name: String,
    passed: bool,
    /// Of each step.
    took_us: Vec<f64>,
    /// In words, where it did not pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failure: Vec<String>,
    /// What it logged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    log: Vec<String>,
}

/// `filter test`
///
/// # Errors
/// It does not build, a node would refuse it, or a case did not pass.
pub(crate) async fn run(output: Output, test: &Test) -> Result<(), Failure> {
    let project = Project::open(&test.dir)?;
    let built = build::obtain(&project, test.no_build).await?;
    if !test.no_build {
        output.step(&built.line());
    }
    let candidate = Candidate::new(project.manifest()?, read_component(&built.component)?)?;
    let bench = Bench::new(cache_dir())?;
    let only = test.only.as_deref();
    let report = check(&bench, &project, candidate, only).await?;
    output.show(&report, view::render)?;
    if report.failed == 0 {
        Ok(())
    } else {
        Err(Failure::Shown)
    }
}

/// Probes a candidate and runs the project's cases.
///
/// # Errors
/// A node would refuse it, or the cases cannot be read. A case that fails is no error here.
pub(super) async fn check(
    bench: &Bench,
    project: &Project,
    candidate: Candidate,
    only: Option<&str>,
) -> Result<Report, Failure> {
    let manifest = candidate.document.manifest.clone();
    let mut wanted: Vec<Case> = cases::all(&manifest, &project.dir)?;
    wanted.retain(|case| only.is_none_or(|only| case.name.contains(only)));
    if let Some(only) = only.filter(|_| wanted.is_empty()) {
        return Err(Failure::usage(format!(
            "no sample or case has {only:?} in its name"
        )));
    }
    let size = candidate.report.bytes;
    let subject = bench.compile(candidate, &project.dir).await?;
    bench.probe(&subject).await?;
    let mut tested = Vec::with_capacity(wanted.len());
    for case in &wanted {
        tested.push(bench.run(&subject, case).await);
    }
    Ok(Report {
        name: manifest.name.to_string(),
        size,
        compile_ms: u64::try_from(subject.compiled_in.as_millis()).unwrap_or(u64::MAX),
        failed: tested
            .iter()
            .filter(|tested| tested.failure.is_some())
            .count(),
        cases: tested.into_iter().map(CaseReport::from).collect(),
    })
}

/// Where machine code is kept between runs, so that an unchanged component compiles once.
pub(super) fn cache_dir() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let cache =
        cache.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    let dir = cache.join("weir/compiled");
    // Without one every run compiles anew, which is no reason not to test.
    std::fs::create_dir_all(&dir).ok().map(|()| dir)
}

impl Report {
    /// How many passed, in a line.
    pub(super) fn summary(&self) -> String {
        let all = self.cases.len();
        let passed = all - self.failed;
        let name = &self.name;
        match (all, self.failed) {
            (0, _) => format!("{name}: no samples and no cases; it configures and starts"),
            (_, 0) => format!("{name}: {all} passed"),
            (_, failed) => format!("{name}: {passed} passed, {failed} failed"),
        }
    }

    /// Cases that did not pass.
    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    /// Those that did not pass, for people.
    pub(super) fn failures(&self, style: Style) -> String {
        let failed = self.cases.iter().filter(|case| !case.passed);
        failed.map(|case| view::case(case, style)).collect()
    }
}

impl From<Tested> for CaseReport {
    fn from(tested: Tested) -> Self {
        let log = tested.log.iter();
        Self {
            passed: tested.failure.is_none(),
            took_us: tested
                .took
                .iter()
                .map(|took| took.as_secs_f64() * 1e6)
                .collect(),
            failure: tested
                .failure
                .as_ref()
                .map(view::failure)
                .unwrap_or_default(),
            log: log
                .map(|line| format!("{}: {}", line.level, line.message))
                .collect(),
            name: tested.name,
        }
    }
}
