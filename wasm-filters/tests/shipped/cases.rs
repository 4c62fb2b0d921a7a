//! `cases/*.json` of a shipped filter, in the form that `weirctl filter test` reads.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use wasm_filters::manifest::{SAMPLE_NOW_MS, SampleCall};

/// Calls one after the other, with a memory of their own.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// In place of the manifest's.
    pub(crate) config: Option<Value>,
    pub(crate) kv: BTreeMap<String, String>,
    /// Of the first step.
    pub(crate) now_ms: u64,
    pub(crate) steps: Vec<Step>,
}

/// One call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    #[serde(default)]
    pub(crate) after_ms: u64,
    pub(crate) call: SampleCall,
    #[serde(default)]
    pub(crate) input: Value,
    pub(crate) expect: Value,
    pub(crate) commands: Option<Vec<Value>>,
}

/// All cases of a filter.
pub(crate) fn read(filter: &str) -> Vec<Case> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("filters")
        .join(filter)
        .join("cases");
    let mut files: Vec<_> = std::fs::read_dir(&dir)
        .expect("a folder of cases")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    let cases = files.into_iter().flat_map(|path| {
        let text = std::fs::read(&path).expect("a readable file");
        let cases: Vec<Map<String, Value>> = serde_json::from_slice(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        cases.into_iter().map(case)
    });
    cases.collect()
}

/// What is not about the whole case is its only step.
fn case(mut fields: Map<String, Value>) -> Case {
    let mut take = |field: &str| fields.remove(field);
    let name = take("name")
        .and_then(|it| it.as_str().map(str::to_owned))
        .expect("a name");
    let config = take("config");
    let kv = take("kv").map_or_else(BTreeMap::new, |kv| serde_json::from_value(kv).expect(&name));
    let now_ms = take("now_ms").map_or(SAMPLE_NOW_MS, |it| it.as_u64().expect(&name));
    let steps = match take("steps") {
        Some(steps) => serde_json::from_value(steps).expect(&name),
        None => vec![serde_json::from_value(Value::Object(fields)).expect(&name)],
    };
    Case {
        name,
        config,
        kv,
        now_ms,
        steps,
    }
}
