//! The OpenAPI document against the router and against what serde writes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::json;
use wasm_filters::manifest::{
    DisableAfter, FailurePolicy, Hook, Isolation, Manifest, VersionDocument, VersionId,
};

use super::super::routes::{Content, routes};
use super::*;
use crate::catalogue::{AuditRecord, Bake, Canary, Changed, Desired, Rejection, Revocation};
use crate::signature::Signature;
use crate::wire::{
    AuditPage, BlobStored, FilterOverview, FilterReport, Generation, LogLine, LogPage, NewVersion,
    NodeCatalogue, NodeFilter, NodeLogLine, NodeOverview, NodeVersion, Overview, ProblemDetails,
    Pushed, ReportTaken, RolledBack, VersionOverview, VersionState, VetReport,
};

/// Checks a value against a schema, as far as our schemas go.
#[expect(clippy::too_many_lines, reason = "a table")]
fn violations(value: &Value, schema: &Value, schemas: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.strip_prefix("#/components/schemas/").unwrap();
        let schema = schemas
            .get(name)
            .unwrap_or_else(|| panic!("no schema {name}"));
        return violations(value, schema, schemas, at, found);
    }
    if let Some(options) = schema.get("oneOf").and_then(Value::as_array) {
        let fitting = options.iter().filter(|option| {
            let mut found = Vec::new();
            violations(value, option, schemas, at, &mut found);
            found.is_empty()
        });
        let fitting = fitting.count();
        if fitting != 1 {
            found.push(format!(
                "{at}: fits {fitting} of {} choices: {value}",
                options.len()
            ));
        }
        return;
    }
    let right_type = match schema.get("type").and_then(Value::as_str) {
        None => true,
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some(other) => panic!("{other}"),
    };
    if !right_type {
        found.push(format!("{at}: {value} is no {schema}"));
        return;
    }
    if schema
        .get("const")
        .is_some_and(|expected| expected != value)
    {
        found.push(format!("{at}: {value}"));
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array)
        && !words.contains(value)
    {
        found.push(format!("{at}: {value} is none of {words:?}"));
    }
    if let Some(object) = value.as_object() {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (member, value) in object {
            let at = format!("{at}.{member}");
            match (
                properties.and_then(|properties| properties.get(member)),
                schema.get("additionalProperties"),
            ) {
                (Some(schema), _) => violations(value, schema, schemas, &at, found),
                (None, Some(Value::Bool(false))) => found.push(format!("{at}: not in the schema")),
                (None, Some(schema)) => violations(value, schema, schemas, &at, found),
                (None, None) => {}
            }
        }
        for required in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if !object.contains_key(required.as_str().unwrap()) {
                found.push(format!("{at}.{required}: missing"));
            }
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        let schema = schema.get("items").unwrap();
        violations(item, schema, schemas, &format!("{at}[{index}]"), found);
    }
}

/// Examples of every type on the wire: one with everything there is, and a sparse one.
#[expect(clippy::too_many_lines, reason = "a table")]
fn examples() -> BTreeMap<&'static str, Vec<Value>> {
    fn value(value: &impl Serialize) -> Value {
        serde_json::to_value(value).unwrap()
    }
    let id = VersionId::from([1; 32]);
    let component = Digest::of(b"x");
    let signature = Signature {
        key_id: "ops".to_owned(),
        value: "AAAA".to_owned(),
    };
    let mut full = Manifest::new(name(), "1.0", Hook::ALL.to_vec());
    full.description = "what it does".to_owned();
    full.isolation = Some(Isolation::Pooled);
    full.failure = Some(FailurePolicy::Previous);
    full.disable_after = Some(DisableAfter {
        failures: 10,
        within_ms: 10_000,
    });
    full.keys = vec!["playback".parse().unwrap()];
    full.sees = Some(vec!["ip".parse().unwrap()]);
    full.samples = serde_json::from_value(json!([
        { "name": "a", "call": "authorize", "input": {}, "expect": "x" }
    ]))
    .unwrap();
    let mut sparse = Manifest::new(name(), "1.0", vec![Hook::Auth]);
    sparse.disable_after = None;
    let changed = Changed {
        generation: 1,
        by: "alice".to_owned(),
        at_unix_ms: 1,
        what: "activated v1".to_owned(),
    };
    let desired = Desired {
        active: Some(id),
        previous: Some(id),
        canary: Some(Canary {
            version: id,
            percent: 5,
        }),
        shadow: Some(id),
        bake: Some(Bake { ms: 1 }),
        enabled: true,
        since_generation: 1,
    };
    let revocation = Revocation {
        kind: RevocationKind::User,
        value: "eve".to_owned(),
        at_unix_ms: 1,
        until_unix_ms: 2,
    };
    let node_version = NodeVersion {
        id,
        number: 1,
        component,
        serial: 1,
        signature: Some(signature.clone()),
    };
    let node_filter = NodeFilter {
        versions: vec![node_version.clone()],
        desired: desired.clone(),
    };
    let rejection = Rejection {
        stage: "check".to_owned(),
        reason: "no component".to_owned(),
    };
    let rolled_back = RolledBack {
        from: id,
        to: Some(id),
        reason: "worse".to_owned(),
        since_generation: 1,
    };
    let line = LogLine {
        seq: 1,
        at_unix_ms: 1,
        level: "info".to_owned(),
        version: Some(id),
        message: "hello".to_owned(),
    };
    let states = [
        VersionState::Preparing,
        VersionState::Ready,
        VersionState::Unavailable {
            reason: "away".to_owned(),
        },
        VersionState::Rejected(rejection.clone()),
    ];
    let filter_report = |state: &VersionState| FilterReport {
        active: Some(id),
        versions: BTreeMap::from([(id, state.clone())]),
        rolled_back: Some(rolled_back.clone()),
        stats: json!({ "calls": 1 }),
        logs: vec![line.clone()],
    };
    let report = NodeReport {
        generation: 1,
        role: "edge".to_owned(),
        filters: BTreeMap::from([(name(), filter_report(&VersionState::Ready))]),
    };
    let version_overview = VersionOverview {
        number: 1,
        id,
        component,
        size: 1,
        label: "1.0".to_owned(),
        hooks: vec![Hook::Auth],
        pushed_by: "alice".to_owned(),
        pushed_at_unix_ms: 1,
        serial: 1,
        key_id: Some("ops".to_owned()),
        roles: vec!["active".to_owned()],
        ready_on: vec!["edge-1".parse().unwrap()],
        rejected_on: BTreeMap::from([("edge-2".parse().unwrap(), rejection.clone())]),
    };
    let filter_overview = FilterOverview {
        versions: vec![version_overview.clone()],
        desired: desired.clone(),
        changed: Some(changed.clone()),
        last_serial: 1,
    };
    let node_overview = NodeOverview {
        seen_unix_ms: 1,
        peer: Some("127.0.0.1:1".to_owned()),
        report: report.clone(),
    };
    let overview = Overview {
        generation: 1,
        now_unix_ms: 1,
        filters: BTreeMap::from([(name(), filter_overview.clone())]),
        nodes: BTreeMap::from([("edge-1".parse().unwrap(), node_overview.clone())]),
        revocations: vec![revocation.clone()],
    };
    let node: NodeName = "edge-1".parse().unwrap();
    let actions = [
        AuditAction::Uploaded { component, size: 1 },
        AuditAction::Pushed {
            filter: name(),
            number: 1,
            id,
            serial: 1,
            key_id: None,
        },
        AuditAction::Dropped {
            filter: name(),
            number: 1,
            id,
        },
        AuditAction::Activated {
            filter: name(),
            number: 1,
            id,
            percent: 100,
            before: None,
            bake_ms: 0,
        },
        AuditAction::Shadowed {
            filter: name(),
            number: None,
        },
        AuditAction::RolledBack {
            filter: name(),
            from: Some(2),
            to: Some(1),
            reason: String::new(),
            node: Some(node.clone()),
        },
        AuditAction::EnabledSet {
            filter: name(),
            enabled: true,
        },
        AuditAction::Revoked {
            kind: RevocationKind::All,
            value: String::new(),
            seconds: 1,
        },
        AuditAction::Rejected {
            node: node.clone(),
            filter: name(),
            number: 1,
            rejection: rejection.clone(),
        },
    ];
    let records = actions.map(|action| AuditRecord {
        seq: 1,
        at_unix_ms: 1,
        actor: "alice".to_owned(),
        peer: Some("127.0.0.1:1".to_owned()),
        generation: 1,
        action,
    });
    let log_line = NodeLogLine {
        position: 1,
        node,
        line: line.clone(),
    };
    let catalogue = NodeCatalogue {
        generation: 1,
        filters: BTreeMap::from([(name(), node_filter.clone())]),
        revocations: vec![revocation.clone()],
    };
    let new_version = NewVersion {
        manifest: full.clone(),
        component,
        serial: 1,
        signature: Some(signature.clone()),
    };
    let pushed = Pushed {
        number: 1,
        id,
        created: true,
        generation: 1,
        vetting: VetReport::default(),
    };
    let problem = ProblemDetails {
        kind: "about:blank".to_owned(),
        stage: Some("probe".to_owned()),
        reason: Some("why".to_owned()),
        node: Some("edge-1".to_owned()),
        changed: Some(changed.clone()),
        ..ProblemDetails::default()
    };
    let all_of_activate = Activate {
        version: VersionRef::Id(id),
        percent: Some(5),
        bake_ms: Some(1),
        if_generation: Some(1),
    };
    BTreeMap::from([
        ("Manifest", vec![value(&full), value(&sparse)]),
        (
            "VersionDocument",
            vec![value(&VersionDocument {
                component,
                manifest: sparse,
            })],
        ),
        ("NewVersion", vec![value(&new_version)]),
        ("Signature", vec![value(&signature)]),
        ("VetReport", vec![value(&VetReport::default())]),
        ("Pushed", vec![value(&pushed)]),
        (
            "BlobStored",
            vec![value(&BlobStored {
                digest: component,
                size: 1,
                created: true,
            })],
        ),
        (
            "VersionRef",
            vec![value(&VersionRef::Number(1)), value(&VersionRef::Id(id))],
        ),
        (
            "Activate",
            vec![value(&all_of_activate), value(&activate(1))],
        ),
        (
            "Shadow",
            vec![
                value(&Shadow {
                    version: Some(VersionRef::Number(1)),
                    if_generation: Some(1),
                }),
                value(&Shadow {
                    version: None,
                    if_generation: None,
                }),
            ],
        ),
        (
            "Rollback",
            vec![
                value(&Rollback {
                    reason: Some("why".to_owned()),
                    if_generation: Some(1),
                }),
                value(&Rollback::default()),
            ],
        ),
        (
            "SetEnabled",
            vec![value(&SetEnabled {
                enabled: true,
                if_generation: Some(1),
            })],
        ),
        (
            "Revoke",
            vec![value(&Revoke {
                kind: RevocationKind::Stream,
                value: "s".to_owned(),
                seconds: 1,
            })],
        ),
        (
            "RevocationKind",
            ["user", "stream", "token", "all"]
                .map(|kind| json!(kind))
                .to_vec(),
        ),
        (
            "Generation",
            vec![value(&Generation {
                generation: 1,
                changed: true,
            })],
        ),
        ("ReportTaken", vec![value(&ReportTaken { generation: 1 })]),
        ("Revocation", vec![value(&revocation)]),
        ("Canary", vec![value(&desired.canary)]),
        ("Bake", vec![value(&desired.bake)]),
        ("Desired", vec![value(&desired), value(&Desired::default())]),
        ("Changed", vec![value(&changed)]),
        ("NodeVersion", vec![value(&node_version)]),
        ("NodeFilter", vec![value(&node_filter)]),
        ("NodeCatalogue", vec![value(&catalogue)]),
        ("Rejection", vec![value(&rejection)]),
        ("VersionState", states.iter().map(value).collect()),
        ("RolledBack", vec![value(&rolled_back)]),
        ("LogLine", vec![value(&line)]),
        (
            "FilterReport",
            states
                .iter()
                .map(|state| value(&filter_report(state)))
                .collect(),
        ),
        (
            "NodeReport",
            vec![value(&report), value(&NodeReport::default())],
        ),
        ("VersionOverview", vec![value(&version_overview)]),
        ("FilterOverview", vec![value(&filter_overview)]),
        ("NodeOverview", vec![value(&node_overview)]),
        ("Overview", vec![value(&overview)]),
        ("AuditRecord", records.iter().map(value).collect()),
        (
            "AuditPage",
            vec![value(&AuditPage {
                records: records.to_vec(),
            })],
        ),
        ("NodeLogLine", vec![value(&log_line)]),
        (
            "LogPage",
            vec![value(&LogPage {
                lines: vec![log_line.clone()],
                next: 1,
            })],
        ),
        (
            "Problem",
            vec![value(&problem), value(&ProblemDetails::default())],
        ),
        ("Hook", Hook::ALL.iter().map(value).collect()),
        ("FilterName", vec![value(&name())]),
        ("NodeName", vec![value(&"edge-1")]),
        ("Sha256", vec![value(&id)]),
        ("OpenApi", vec![openapi()]),
    ])
}

#[test]
fn every_schema_is_what_serde_writes() {
    let document = openapi();
    let schemas = &document["components"]["schemas"];
    let examples = examples();
    let named: BTreeSet<&str> = schemas
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let shown: BTreeSet<&str> = examples.keys().copied().collect();
    assert_eq!(named, shown, "each schema has its example");
    for (name, values) in &examples {
        let schema = &schemas[name];
        let mut seen = BTreeSet::new();
        for value in values {
            let mut found = Vec::new();
            violations(value, schema, schemas, name, &mut found);
            assert!(found.is_empty(), "{found:#?}");
            seen.extend(
                value
                    .as_object()
                    .into_iter()
                    .flat_map(|object| object.keys().cloned()),
            );
        }
        // And nothing stands in a schema that no longer exists.
        if schema.get("additionalProperties") == Some(&json!(false)) {
            let properties = schema["properties"].as_object().unwrap();
            let unused: Vec<_> = properties
                .keys()
                .filter(|name| !seen.contains(*name))
                .collect();
            assert!(unused.is_empty(), "{name}: {unused:?}");
        }
    }
}

#[tokio::test]
async fn every_route_is_in_the_document_and_the_other_way_round() {
    let server = Server::start().await;
    let text = server
        .raw(b"GET /v1/filters/openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let served: Value = serde_json::from_str(body).unwrap();
    assert_eq!(served, openapi());
    let mut documented = BTreeSet::new();
    for (path, operations) in served["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            documented.insert((method.clone(), path.clone()));
        }
    }
    let listed: BTreeSet<(String, String)> = routes()
        .iter()
        .map(|route| (route.method.to_owned(), route.path.to_owned()))
        .collect();
    assert_eq!(documented, listed);
    assert_eq!(listed.len(), routes().len(), "none is there twice");
    // The router answers to exactly these: without a token 401 where there is something, and 405
    // where the path knows other methods only.
    let paths: BTreeSet<&String> = listed.iter().map(|(_, path)| path).collect();
    for path in paths {
        let concrete = path
            .replace("{sha256}", &Digest::of(b"x").to_string())
            .replace("{id}", &Digest::of(b"x").to_string())
            .replace("{name}", "auth")
            .replace("{node}", "edge-1");
        for method in ["get", "put", "post", "delete", "patch"] {
            let request = format!(
                "{} {concrete} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
                method.to_uppercase()
            );
            let answer = server.raw(request.as_bytes()).await;
            let known = listed.contains(&(method.to_owned(), path.clone()));
            let expected = match (known, path.as_str()) {
                (true, "/v1/filters/openapi.json") => "200",
                (true, _) => "401",
                (false, _) => "405",
            };
            let expected = format!("HTTP/1.1 {expected} ");
            assert!(answer.starts_with(&expected), "{method} {path}: {answer}");
        }
    }
}

#[test]
fn every_schema_that_a_route_names_is_there() {
    let document = openapi();
    for route in routes() {
        for content in [route.request, route.response] {
            if let Content::Json(schema) = content {
                assert!(
                    document["components"]["schemas"][schema].is_object(),
                    "{schema}"
                );
            }
        }
    }
}
