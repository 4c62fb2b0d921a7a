//! `cases/*.json`: calls with known answers, and with a memory and a clock that the author sets.
//!
//! A case is a sample of the manifest (`wasm_filters::manifest::Sample`), or several calls in a
//! row (`steps`) that share one `kv`. Unlike samples, cases stay with the author: nodes never see
//! them. This module reads them; [`crate::author::check`] runs them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use wasm_filters::manifest::{Manifest, SAMPLE_NOW_MS, Sample, SampleCall};

use crate::author::check::KEYS_FILE;
use crate::failure::Failure;

/// Largest file of cases.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A test of a filter: a fresh memory, and calls one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Case {
    /// For the report.
    pub(crate) name: String,
    /// What `configure` gets instead of the manifest's `config`.
    pub(crate) config: Option<Value>,
    /// What `kv` holds at first.
    pub(crate) kv: BTreeMap<String, String>,
    /// The calls.
    pub(crate) steps: Vec<Step>,
}

/// One call of a [`Case`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    /// Unix time in milliseconds that the filter sees.
    pub(crate) now_ms: u64,
    /// Which function.
    pub(crate) call: SampleCall,
    /// Arguments by name.
    pub(crate) input: Value,
    /// What the answer has to contain.
    pub(crate) expect: Value,
    /// What its commands have to be.
    pub(crate) commands: Option<Vec<Value>>,
}

/// As typed: one call, or steps.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseText {
    name: Option<String>,
    config: Option<Value>,
    #[serde(default)]
    kv: BTreeMap<String, String>,
    now_ms: Option<u64>,
    call: Option<SampleCall>,
    input: Option<Value>,
    expect: Option<Value>,
    commands: Option<Vec<Value>>,
    steps: Option<Vec<StepText>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepText {
    /// The clock after the step before; 0 of the first.
    #[serde(default)]
    after_ms: u64,
    call: SampleCall,
    #[serde(default = "empty")]
    input: Value,
    expect: Value,
    commands: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FileText {
    Several(Vec<Value>),
    One(Value),
}

/// The manifest's samples, then the cases of the folder `cases`, by file name.
///
/// # Errors
/// A file that cannot be read, or holds no cases.
pub(crate) fn all(manifest: &Manifest, dir: &Path) -> Result<Vec<Case>, Failure> {
    let mut cases: Vec<Case> = manifest.samples.iter().map(Case::from).collect();
    for path in files(&dir.join("cases"))? {
        let named = |reason: String| Failure::failed(format!("{}: {reason}", path.display()));
        let length = std::fs::metadata(&path).map(|metadata| metadata.len());
        if length.map_err(|error| named(error.to_string()))? > FILE_BYTES_MAX {
            return Err(named(format!("is larger than {FILE_BYTES_MAX} bytes")));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| named(error.to_string()))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        cases.extend(parse(&stem, &text).map_err(named)?);
    }
    Ok(cases)
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let named = |error: std::io::Error| Failure::failed(format!("{}: {error}", dir.display()));
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(named)?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(named)?;
    paths.retain(|path| {
        let is_json = path
            .extension()
            .is_some_and(|extension| extension == "json");
        is_json && !path.ends_with(KEYS_FILE)
    });
    paths.sort();
    Ok(paths)
}

/// The cases of one file, which holds one or a list of them.
fn parse(stem: &str, text: &str) -> Result<Vec<Case>, String> {
    let file: FileText = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let (values, numbered) = match file {
        FileText::Several(values) => (values, true),
        FileText::One(value) => (vec![value], false),
    };
    let cases = values.into_iter().enumerate().map(|(index, value)| {
        let nameless = if numbered {
            format!("{stem} #{}", index + 1)
        } else {
            stem.to_owned()
        };
        let shown = |reason: String| format!("{nameless}: {reason}");
        let text: CaseText =
            serde_json::from_value(value).map_err(|error| shown(error.to_string()))?;
        text.check(&nameless).map_err(shown)
    });
    cases.collect()
}

impl CaseText {
    fn check(self, nameless: &str) -> Result<Case, String> {
        let mut now_ms = self.now_ms.unwrap_or(SAMPLE_NOW_MS);
        let single = self.call.is_some() || self.expect.is_some() || self.input.is_some();
        let steps = match self.steps {
            Some(_) if single || self.commands.is_some() => {
                return Err(
                    "has steps, so call, input, expect and commands belong in them".to_owned(),
                );
            }
            Some(steps) if steps.is_empty() => return Err("has no steps".to_owned()),
            Some(steps) => steps,
            None => vec![StepText {
                after_ms: 0,
                call: self.call.ok_or("has no call")?,
                input: self.input.unwrap_or_else(empty),
                expect: self.expect.ok_or("has no expect")?,
                commands: self.commands,
            }],
        };
        let steps = steps.into_iter().map(|step| {
            now_ms = now_ms.saturating_add(step.after_ms);
            Step {
                now_ms,
                call: step.call,
                input: step.input,
                expect: step.expect,
                commands: step.commands,
            }
        });
        Ok(Case {
            name: self.name.unwrap_or_else(|| nameless.to_owned()),
            config: self.config,
            kv: self.kv,
            steps: steps.collect(),
        })
    }
}

impl From<&Sample> for Case {
    fn from(sample: &Sample) -> Self {
        Self {
            name: sample.name.clone(),
            config: None,
            kv: sample.kv.clone(),
            steps: vec![Step {
                now_ms: sample.now_ms,
                call: sample.call,
                input: sample.input.clone(),
                expect: sample.expect.clone(),
                commands: sample.commands.clone(),
            }],
        }
    }
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_one_case_or_several() {
        let one = parse("joins", r#"{"call": "on-join", "expect": {"ok": []}}"#).unwrap();
        assert_eq!(one.len(), 1);
        assert_eq!(one[0].name, "joins");
        assert_eq!(one[0].steps[0].now_ms, SAMPLE_NOW_MS);
        assert_eq!(one[0].steps[0].input, empty());
        let several = r#"[{"call": "on-join", "expect": 1},
                          {"name": "b", "call": "on-leave", "expect": 2, "now_ms": 7}]"#;
        let several = parse("joins", several).unwrap();
        assert_eq!(several[0].name, "joins #1");
        assert_eq!(several[1].name, "b");
        assert_eq!(several[1].steps[0].now_ms, 7);
    }

    #[test]
    fn steps_share_a_clock_that_goes_on() {
        let text = r#"{"now_ms": 1000, "kv": {"a": "1"}, "config": {"most": 2}, "steps": [
            {"call": "on-message", "expect": 1},
            {"after_ms": 50, "call": "on-message", "expect": 2},
            {"after_ms": 25, "call": "on-message", "expect": 3, "commands": []}]}"#;
        let case = parse("slow", text).unwrap().remove(0);
        let times: Vec<_> = case.steps.iter().map(|step| step.now_ms).collect();
        assert_eq!(times, [1000, 1050, 1075]);
        assert_eq!(case.kv["a"], "1");
        assert!(case.config.is_some());
        assert_eq!(case.steps[2].commands, Some(Vec::new()));
    }

    #[test]
    fn what_is_no_case_is_refused_with_its_place() {
        for (text, reason) in [
            ("[", "EOF"),
            (r#"{"expect": 1}"#, "x: has no call"),
            (r#"{"call": "on-join"}"#, "x: has no expect"),
            (
                r#"[{"call": "sing", "expect": 1}]"#,
                "x #1: unknown variant `sing`",
            ),
            (
                r#"{"call": "on-join", "expect": 1, "expct": 1}"#,
                "unknown field `expct`",
            ),
            (r#"{"steps": []}"#, "x: has no steps"),
            (
                r#"{"call": "on-join", "steps": [{"call": "on-join", "expect": 1}]}"#,
                "belong in them",
            ),
        ] {
            let error = parse("x", text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn samples_come_first_and_files_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let cases = directory.path().join("cases");
        std::fs::create_dir(&cases).unwrap();
        for name in ["b.json", "a.json"] {
            let text = r#"{"call": "on-join", "expect": 1}"#;
            std::fs::write(cases.join(name), text).unwrap();
        }
        std::fs::write(cases.join("notes.txt"), "no case").unwrap();
        let text = "name = \"m\"\nversion = \"1\"\nhooks = [\"chat\"]\n\
                    [[samples]]\nname = \"s\"\ncall = \"on-leave\"\nexpect = { ok = [] }\n";
        let manifest: Manifest = toml::from_str(text).unwrap();
        let names: Vec<_> = all(&manifest, directory.path())
            .unwrap()
            .into_iter()
            .map(|case| case.name)
            .collect();
        assert_eq!(names, ["s", "a", "b"]);
    }
}
