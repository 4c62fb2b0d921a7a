//! The schemas of the OpenAPI document (JSON Schema 2020-12). A test holds them against what serde writes.

use serde_json::{Map, Value, json};

/// Every schema, by name.
pub(super) fn all() -> Map<String, Value> {
    let mut schemas = Map::new();
    for part in [
        basics(),
        manifests(),
        requests(),
        state(),
        reports(),
        views(),
    ] {
        if let Value::Object(part) = part {
            schemas.extend(part);
        }
    }
    schemas
}

/// An object with these members only. A name that ends in `?` may be missing.
fn object(members: &[(&str, Value)]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, schema) in members {
        let optional = name.strip_suffix('?');
        if optional.is_none() {
            required.push(*name);
        }
        properties.insert(optional.unwrap_or(name).to_owned(), schema.clone());
    }
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn of(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn map(values: Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}

fn or_null(schema: Value) -> Value {
    json!({ "oneOf": [schema, { "type": "null" }] })
}

fn one_of(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn basics() -> Value {
    json!({
        "OpenApi": { "type": "object" },
        "Sha256": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
        "FilterName": { "type": "string", "pattern": "^[a-z][a-z0-9-]{0,62}$" },
        "NodeName": { "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$" },
        "VersionRef": {
            "description": "A version's number, or its id",
            "oneOf": [{ "type": "integer", "minimum": 1 }, of("Sha256")],
        },
        "Signature": object(&[("key_id", text()), ("value", text())]),
        "Problem": object(&[
            ("type", text()),
            ("title", text()),
            ("status", count()),
            ("detail", text()),
            ("stage?", text()),
            ("reason?", text()),
            ("node?", text()),
            ("changed?", of("Changed")),
        ]),
    })
}

fn manifests() -> Value {
    let free = json!({ "type": "object" });
    json!({
        "Hook": one_of(&["auth", "chat", "gifts", "http.request", "http.response"]),
        "Manifest": object(&[
            ("name", of("FilterName")),
            ("version", text()),
            ("description?", text()),
            ("hooks", list(of("Hook"))),
            ("order?", json!({ "type": "integer" })),
            ("isolation?", one_of(&["call", "pooled"])),
            ("failure?", one_of(&["closed", "open", "previous"])),
            ("disable_after?", json!({ "oneOf": [
                object(&[("failures?", count()), ("within_ms?", count())]),
                { "type": "boolean" },
            ] })),
            ("limits?", map(count())),
            ("keys?", list(text())),
            ("kv?", map(count())),
            ("actions?", list(one_of(&["play", "publish", "join", "gift", "admin"]))),
            ("routes?", list(text())),
            ("sees?", list(text())),
            ("config?", free.clone()),
            ("samples?", list(free)),
        ]),
        "VersionDocument": object(&[("component", of("Sha256")), ("manifest", of("Manifest"))]),
        "NewVersion": object(&[
            ("manifest", of("Manifest")),
            ("component", of("Sha256")),
            ("serial", count()),
            ("signature?", of("Signature")),
        ]),
        "VetReport": object(&[
            ("warnings", list(text())),
            ("samples_passed", count()),
            ("took_ms", count()),
        ]),
        "Pushed": object(&[
            ("number", count()),
            ("id", of("Sha256")),
            ("created", flag()),
            ("generation", count()),
            ("vetting", of("VetReport")),
        ]),
        "BlobStored": object(&[("digest", of("Sha256")), ("size", count()), ("created", flag())]),
    })
}

fn requests() -> Value {
    let percent = json!({ "type": "integer", "minimum": 1, "maximum": 100 });
    json!({
        "Activate": object(&[
            ("version", of("VersionRef")),
            ("percent?", percent),
            ("bake_ms?", json!({ "type": "integer", "minimum": 0, "maximum": 86_400_000 })),
            ("if_generation?", count()),
        ]),
        "Shadow": object(&[("version", or_null(of("VersionRef"))), ("if_generation?", count())]),
        "Rollback": object(&[("reason?", text()), ("if_generation?", count())]),
        "SetEnabled": object(&[("enabled", flag()), ("if_generation?", count())]),
        "Revoke": object(&[
            ("kind", of("RevocationKind")),
            ("value?", text()),
            ("seconds", json!({ "type": "integer", "minimum": 1, "maximum": 2_592_000 })),
        ]),
        "Generation": object(&[("generation", count()), ("changed", flag())]),
        "ReportTaken": object(&[("generation", count())]),
    })
}

fn state() -> Value {
    json!({
        "RevocationKind": one_of(&["user", "stream", "token", "all"]),
        "Revocation": object(&[
            ("kind", of("RevocationKind")),
            ("value", text()),
            ("at_unix_ms", count()),
            ("until_unix_ms", count()),
        ]),
        "Canary": object(&[("version", of("Sha256")), ("percent", count())]),
        "Bake": object(&[("ms", count())]),
        "Desired": object(&[
            ("active", or_null(of("Sha256"))),
            ("previous", or_null(of("Sha256"))),
            ("canary", or_null(of("Canary"))),
            ("shadow", or_null(of("Sha256"))),
            ("bake", or_null(of("Bake"))),
            ("enabled", flag()),
            ("since_generation", count()),
        ]),
        "Changed": object(&[
            ("generation", count()),
            ("by", text()),
            ("at_unix_ms", count()),
            ("what", text()),
        ]),
        "NodeVersion": object(&[
            ("id", of("Sha256")),
            ("number", count()),
            ("component", of("Sha256")),
            ("serial", count()),
            ("signature?", of("Signature")),
        ]),
        "NodeFilter": object(&[("versions", list(of("NodeVersion"))), ("desired", of("Desired"))]),
        "NodeCatalogue": object(&[
            ("generation", count()),
            ("filters", map(of("NodeFilter"))),
            ("revocations", list(of("Revocation"))),
        ]),
    })
}

fn reports() -> Value {
    let state = |state: &str| json!({ "type": "string", "const": state });
    json!({
        "Rejection": object(&[("stage", text()), ("reason", text())]),
        "VersionState": { "oneOf": [
            object(&[("state", state("preparing"))]),
            object(&[("state", state("ready"))]),
            object(&[("state", state("unavailable")), ("reason", text())]),
            object(&[("state", state("rejected")), ("stage", text()), ("reason", text())]),
        ] },
        "RolledBack": object(&[
            ("from", of("Sha256")),
            ("to", or_null(of("Sha256"))),
            ("reason", text()),
            ("since_generation", count()),
        ]),
        "LogLine": object(&[
            ("seq", count()),
            ("at_unix_ms", count()),
            ("level", text()),
            ("version?", or_null(of("Sha256"))),
            ("message", text()),
        ]),
        "FilterReport": object(&[
            ("active?", or_null(of("Sha256"))),
            ("versions?", map(of("VersionState"))),
            ("rolled_back?", or_null(of("RolledBack"))),
            ("stats?", json!({})),
            ("logs?", list(of("LogLine"))),
        ]),
        "NodeReport": object(&[
            ("generation", count()),
            ("role?", text()),
            ("filters?", map(of("FilterReport"))),
        ]),
    })
}

fn views() -> Value {
    json!({
        "VersionOverview": object(&[
            ("number", count()),
            ("id", of("Sha256")),
            ("component", of("Sha256")),
            ("size", count()),
            ("label", text()),
            ("hooks", list(of("Hook"))),
            ("pushed_by", text()),
            ("pushed_at_unix_ms", count()),
            ("serial", count()),
            ("key_id", or_null(text())),
            ("roles", list(one_of(&["active", "previous", "canary", "shadow"]))),
            ("ready_on", list(of("NodeName"))),
            ("rejected_on", map(of("Rejection"))),
        ]),
        "FilterOverview": object(&[
            ("versions", list(of("VersionOverview"))),
            ("desired", of("Desired")),
            ("changed", or_null(of("Changed"))),
            ("last_serial", count()),
        ]),
        "NodeOverview": object(&[
            ("seen_unix_ms", count()),
            ("peer", or_null(text())),
            ("report", of("NodeReport")),
        ]),
        "Overview": object(&[
            ("generation", count()),
            ("now_unix_ms", count()),
            ("filters", map(of("FilterOverview"))),
            ("nodes", map(of("NodeOverview"))),
            ("revocations", list(of("Revocation"))),
        ]),
        "AuditRecord": {
            "description": "Besides these, members that depend on the action",
            "type": "object",
            "required": ["seq", "at_unix_ms", "actor", "peer", "generation", "action"],
            "properties": {
                "seq": count(),
                "at_unix_ms": count(),
                "actor": text(),
                "peer": or_null(text()),
                "generation": count(),
                "action": one_of(&[
                    "uploaded", "pushed", "dropped", "activated", "shadowed", "rolled-back",
                    "enabled-set", "revoked", "rejected",
                ]),
            },
        },
        "AuditPage": object(&[("records", list(of("AuditRecord")))]),
        "NodeLogLine": object(&[
            ("position", count()),
            ("node", of("NodeName")),
            ("seq", count()),
            ("at_unix_ms", count()),
            ("level", text()),
            ("version?", or_null(of("Sha256"))),
            ("message", text()),
        ]),
        "LogPage": object(&[("lines", list(of("NodeLogLine"))), ("next", count())]),
    })
}
