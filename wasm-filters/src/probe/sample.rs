//! One sample: its arguments as values of the contract, the call, and the answer as JSON.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use serde_json::{Map, Value, json};
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Type, Val};

use super::{ProbeError, context, json as values, patiently, subset, trial};
use crate::call::{CallContext, CallError};
use crate::contract;
use crate::manifest::{Sample, SampleCall};
use crate::version::LoadedVersion;

/// The first parameter of every function but those of `lifecycle`.
const CONTEXT: &str = "ctx";

/// Runs a sample and returns the whole answer, as JSON.
///
/// The call sees the sample's time and `kv`, and nothing else does.
///
/// # Errors
///
/// The input is none of the function's, the call has no answer, or another one than expected.
pub async fn run_sample(version: &LoadedVersion, sample: &Sample) -> Result<Value, ProbeError> {
    let name = || sample.name.clone();
    let call = sample.call.as_str();
    let interface = sample.call.hook().interface();
    let failed = |error| ProbeError::Call {
        name: name(),
        call,
        error,
    };
    let function = function(version, interface, call).map_err(failed)?;
    let ctx = call_context(sample);
    let args = arguments(&function, sample)?;
    let results = patiently(|| {
        async {
            let trial = trial(version).map_err(|error| unlinked(interface, &error))?;
            seed(&trial, sample, &ctx)?;
            let ctx = CallContext {
                deadline: context(ctx.now_ms).deadline,
                ..ctx.clone()
            };
            trial.call_dynamic(&ctx, interface, call, &args).await
        }
        .boxed()
    });
    let results = results.await.map_err(failed)?;
    let answer = answer(&function, &results);
    let differences = compare(sample, &answer)?;
    if differences.is_empty() {
        return Ok(answer);
    }
    Err(ProbeError::Answer {
        name: name(),
        differences,
    })
}

/// The version was linked once, so that this does not happen; it is an answer all the same.
fn unlinked(interface: &str, error: &crate::version::LoadError) -> CallError {
    CallError::NoFunction {
        interface: format!("{interface} ({error})"),
        function: String::new(),
    }
}

/// A version with a `kv` of its own, for several samples in a row: what an author's tools run.
///
/// Unlike [`run_sample`] it makes no call twice, because a call may have changed the `kv`.
#[derive(Debug)]
pub struct Sequence {
    trial: Arc<LoadedVersion>,
}

/// The answer to a sample, whether or not it is the expected one.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    /// The whole answer, as JSON.
    pub answer: Value,
    /// Where it is not as expected.
    pub differences: Vec<subset::Difference>,
    /// The call alone, from taking an instance to the answer.
    pub took: Duration,
}

impl Sequence {
    /// An empty `kv`, and no calls yet.
    ///
    /// # Errors
    /// The version cannot be linked, after all.
    pub fn new(version: &LoadedVersion) -> Result<Self, ProbeError> {
        Ok(Self {
            trial: trial(version)?,
        })
    }

    /// Runs the next sample; its `kv` is added to what is there.
    ///
    /// # Errors
    /// The input is none of the function's, or the call has no answer.
    pub async fn run(&self, sample: &Sample) -> Result<Ran, ProbeError> {
        let call = sample.call.as_str();
        let interface = sample.call.hook().interface();
        let failed = |error| ProbeError::Call {
            name: sample.name.clone(),
            call,
            error,
        };
        let function = function(&self.trial, interface, call).map_err(failed)?;
        let ctx = call_context(sample);
        let args = arguments(&function, sample)?;
        seed(&self.trial, sample, &ctx).map_err(failed)?;
        let began = Instant::now();
        let results = self.trial.call_dynamic(&ctx, interface, call, &args).await;
        let took = began.elapsed();
        let answer = answer(&function, &results.map_err(failed)?);
        Ok(Ran {
            differences: compare(sample, &answer)?,
            answer,
            took,
        })
    }
}

/// The result of a function, as JSON.
fn answer(function: &ComponentFunc, results: &[Val]) -> Value {
    let answer = function.results().zip(results);
    let answer = answer.map(|(ty, val)| values::from_val(&ty, val)).next();
    answer.unwrap_or(Value::Null)
}

fn function(
    version: &LoadedVersion,
    interface: &str,
    call: &str,
) -> Result<ComponentFunc, CallError> {
    let component = version.pre.component();
    let name = contract::interface_name(interface);
    let index = component.get_export_index(None, name.as_str());
    let item = index.and_then(|index| component.get_export(Some(&index), call));
    match item {
        Some((ComponentItem::ComponentFunc(function), _)) => Ok(function),
        _ => Err(CallError::NoFunction {
            interface: interface.to_owned(),
            function: call.to_owned(),
        }),
    }
}

/// `ctx` of a sample, of which every field may be left out.
fn context_json(sample: &Sample) -> Value {
    let mut fields = Map::from_iter([
        ("request-id".to_owned(), json!("sample")),
        ("now-ms".to_owned(), json!(sample.now_ms)),
        ("deadline-ms".to_owned(), json!(1000)),
    ]);
    match sample.input.get(CONTEXT) {
        Some(Value::Object(given)) => fields.extend(given.clone()),
        // Refused as what it is when it becomes a value.
        Some(other) => return other.clone(),
        None => {}
    }
    Value::Object(fields)
}

/// What the host has to know of it: the clock, and whose `kv` it is.
fn call_context(sample: &Sample) -> CallContext {
    let json = context_json(sample);
    let text = |field: &str| {
        json.get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let now_ms = json
        .get("now-ms")
        .and_then(Value::as_u64)
        .unwrap_or(sample.now_ms);
    CallContext {
        request_id: text("request-id"),
        tenant: text("tenant"),
        room: text("room"),
        // As a call: a shadow's effects on `kv` are seen by nobody, and neither are a sample's.
        ..context(now_ms)
    }
}

fn arguments(function: &ComponentFunc, sample: &Sample) -> Result<Vec<Val>, ProbeError> {
    let name = || sample.name.clone();
    let parameters: Vec<(&str, Type)> = function.params().collect();
    let takes = |argument: &str| parameters.iter().any(|(name, _)| *name == argument);
    let given = sample.input.as_object().into_iter().flatten();
    if let Some((argument, _)) = given.clone().find(|(argument, _)| !takes(argument)) {
        return Err(ProbeError::Argument {
            name: name(),
            call: sample.call.as_str(),
            argument: argument.clone(),
            takes: parameters
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
        });
    }
    let argument = |(parameter, ty): &(&str, Type)| {
        let json = if *parameter == CONTEXT {
            context_json(sample)
        } else {
            sample
                .input
                .get(*parameter)
                .cloned()
                .unwrap_or_else(|| json!({}))
        };
        values::to_val(ty, &json).map_err(|mut error| {
            error.path = error.path.replacen('$', &format!("$.{parameter}"), 1);
            ProbeError::Input {
                name: name(),
                error,
            }
        })
    };
    parameters.iter().map(argument).collect()
}

/// Fills the trial's `kv`.
fn seed(trial: &LoadedVersion, sample: &Sample, ctx: &CallContext) -> Result<(), CallError> {
    let limits = &trial.manifest().kv;
    let full = |key: &str| CallError::Config(format!("the sample's kv does not fit: {key:?}"));
    for (key, value) in &sample.kv {
        trial
            .services()
            .kv
            .open(&ctx.tenant, trial.name().as_str(), limits)
            .map_err(|_| full(key))?
            .set(key, value.as_bytes().to_vec(), None, ctx.now_ms)
            .map_err(|_| full(key))?;
    }
    Ok(())
}

fn compare(sample: &Sample, answer: &Value) -> Result<Vec<subset::Difference>, ProbeError> {
    let mut found = subset::differences(&sample.expect, answer);
    if let Some(expected) = &sample.commands {
        let pointer = commands(sample.call).ok_or_else(|| ProbeError::NoCommands {
            name: sample.name.clone(),
            call: sample.call,
        })?;
        // Where the answer has no place for them (a gift that is rejected) there are none.
        let none = json!([]);
        let got = answer.pointer(pointer).unwrap_or(&none);
        let path = format!("${}", pointer.replace('/', "."));
        subset::compare(
            &path,
            &Value::Array(expected.clone()),
            Some(got),
            &mut found,
        );
    }
    Ok(found)
}

/// Where the answer to a call has its commands.
fn commands(call: SampleCall) -> Option<&'static str> {
    match call {
        SampleCall::OnMessage => Some("/ok/commands"),
        SampleCall::OnJoin | SampleCall::OnLeave => Some("/ok"),
        SampleCall::OnGift => Some("/ok/accept/commands"),
        SampleCall::Authorize
        | SampleCall::Catalog
        | SampleCall::OnRequest
        | SampleCall::OnResponse => None,
    }
}
