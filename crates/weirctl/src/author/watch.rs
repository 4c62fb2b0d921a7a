//! `weirctl filter run`: builds, tests, pushes and activates; with `--watch` again at each save.
//!
//! A build or a test that fails changes nothing: the version that runs goes on.

mod changes;

use std::time::{Duration, Instant};

use filter_registry::Client;
use filter_registry::signature::SigningKey;
use filter_registry::wire::{Activate, VersionRef};

use super::build::{self, Purpose};
use super::check::Bench;
use super::project::Project;
use super::test::{Report, cache_dir, check};
use crate::args::Run;
use crate::failure::Failure;
use crate::operate::keys::{self, serial_now};
use crate::operate::push::{Candidate, read_component, upload};
use crate::operate::wait::{self, Goal, Want};
use crate::output::{Output, millis};

use changes::Changes;

/// Longest wait for the nodes after a push.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a round needs.
struct Loop<'a> {
    client: &'a Client,
    output: Output,
    project: Project,
    bench: Bench,
    key: Option<SigningKey>,
    purpose: Purpose,
}

/// `filter run`
///
/// # Errors
/// Without `--watch`: it does not build, does not pass, or is refused. With it: the project or the
/// registry cannot be used at all.
pub(crate) async fn run(client: &Client, output: Output, run: &Run) -> Result<(), Failure> {
    let project = Project::open(&run.dir)?;
    let rounds = Loop {
        client,
        output,
        bench: Bench::new(cache_dir())?,
        key: keys::load(&run.signing)?,
        purpose: if run.watch {
            Purpose::Watch
        } else {
            Purpose::Release
        },
        project,
    };
    if !run.watch {
        return rounds.round().await;
    }
    // Before the first build, so that no save is missed.
    let mut changes = Changes::watch(&rounds.project)?;
    loop {
        if let Err(failure) = rounds.round().await
            && let Some(line) = failure.line()
        {
            output.step(&format!("{line}; what ran before goes on"));
        }
        output.step("watching for changes; Ctrl-C ends it");
        changes.next().await?;
    }
}

impl Loop<'_> {
    /// From the sources to the nodes.
    async fn round(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        let output = self.output;
        let built = build::build(&self.project, self.purpose).await?;
        output.step(&built.line());
        let mut manifest = self.project.manifest()?;
        manifest.version = dev_label(&manifest.version, serial_now());
        let wasm = read_component(&built.component)?;
        let tested = Candidate::new(manifest.clone(), wasm.clone())?;
        let pushed = Candidate::new(manifest, wasm)?;
        // Both take a compilation, and neither needs the other: what is pushed runs nowhere yet.
        let (report, pushed) = tokio::join!(
            timed(check(&self.bench, &self.project, tested, None)),
            timed(self.push(&pushed)),
        );
        self.tell_tests(&report.0?, report.1)?;
        let (pushed, push_took) = pushed;
        let goal = pushed?;
        output.step(&format!("pushed in {}", in_millis(push_took)));
        let (active, took) = timed(self.activate(goal)).await;
        let verdict = active?;
        let all = in_millis(begun.elapsed());
        output.step(&format!(
            "{verdict} in {}; {all} since it began",
            in_millis(took)
        ));
        Ok(())
    }

    fn tell_tests(&self, report: &Report, took: Duration) -> Result<(), Failure> {
        let failures = report.failures(self.output.style);
        if !failures.is_empty() {
            self.output.step(failures.trim_end());
        }
        self.output
            .step(&format!("{} in {}", report.summary(), in_millis(took)));
        if report.failed() == 0 {
            Ok(())
        } else {
            Err(Failure::failed("not activated"))
        }
    }

    async fn push(&self, candidate: &Candidate) -> Result<Goal, Failure> {
        let serial = serial_now();
        let document = &candidate.document;
        let name = &document.manifest.name;
        let signature = self
            .key
            .as_ref()
            .map(|key| key.sign(name, serial, document.id()));
        let pushed = upload(self.client, candidate, serial, signature).await?;
        Ok(Goal {
            name: name.clone(),
            version: pushed.id,
            generation: pushed.generation,
            want: Want::Active,
        })
    }

    /// Without a bake: the author looks on.
    async fn activate(&self, mut goal: Goal) -> Result<String, Failure> {
        let request = Activate {
            version: VersionRef::Id(goal.version),
            percent: None,
            bake_ms: Some(0),
            if_generation: None,
        };
        let answer = self.client.activate(&goal.name, &request).await;
        goal.generation = answer.map_err(Failure::failed)?.generation;
        let nodes = wait::nodes(self.client, &goal, PATIENCE, self.output).await?;
        let verdict = wait::verdict(&nodes, &goal, PATIENCE)?;
        Ok(format!("{} is {verdict}", goal.name))
    }
}

/// The author's label with what makes this version another one than the last. A label has at most
/// 64 characters.
fn dev_label(label: &str, unix_ms: u64) -> String {
    let suffix = format!("-dev.{unix_ms}");
    let room = wasm_filters::manifest::VERSION_BYTES_MAX.saturating_sub(suffix.len());
    let label: String = label.chars().take(room).collect();
    label + &suffix
}

async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let begun = Instant::now();
    let value = future.await;
    (value, begun.elapsed())
}

fn in_millis(took: Duration) -> String {
    millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_trials_stay_labels() {
        assert_eq!(dev_label("0.1.0", 17), "0.1.0-dev.17");
        let long = dev_label(&"x".repeat(64), 1_767_225_600_000);
        assert_eq!(long.len(), 64);
        assert!(long.ends_with("-dev.1767225600000"));
    }
}
