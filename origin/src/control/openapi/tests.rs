//! The document has the routes that there are, and is one.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

/// `method /path` of what is in the document, and no edge's.
fn documented() -> BTreeSet<String> {
    let document = document("/v1");
    let paths = document["paths"].as_object().unwrap();
    let routes = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        let own = methods.filter(|(_, operation)| operation.get("x-weir-edge").is_none());
        own.map(move |(method, _)| format!("{method} {path}"))
    });
    routes.collect()
}

/// The same of the routers' source: `.route("/path", get(..).post(..))`. A path that does not begin with
/// `/v1` is below `/v1/admin`.
fn routed(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            routed(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        // This file has the pattern, too.
        if path.ends_with("openapi/tests.rs") {
            continue;
        }
        for (at, _) in text.match_indices(".route(") {
            let call = call(&text[at + ".route".len()..]);
            let mut quoted = call.split('"');
            let route = quoted.nth(1).expect("a path in quotes");
            let path = match route.strip_prefix("/v1") {
                Some(path) => path.to_owned(),
                None => format!("/admin{route}"),
            };
            let path = path.replace("{*", "{");
            let handlers: String = quoted.collect();
            for method in ["get", "post", "put", "patch", "delete"] {
                let begins = |before: Option<char>| {
                    before.is_none_or(|it| !it.is_alphanumeric() && it != '_')
                };
                let called = format!("{method}(");
                let mut calls = handlers.match_indices(&called);
                if calls.any(|(at, _)| begins(handlers[..at].chars().last())) {
                    found.insert(format!("{method} {path}"));
                }
            }
        }
    }
}

/// From the opening to the closing bracket.
fn call(text: &str) -> &str {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        if depth == 0 {
            return &text[..at];
        }
    }
    panic!("a bracket is not closed");
}

#[test]
fn every_route_is_documented_and_there() {
    let mut there = BTreeSet::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/control");
    routed(&source, &mut there);
    assert!(there.len() > 40, "{there:?}");
    let documented = documented();
    let missing: Vec<_> = there.difference(&documented).collect();
    assert!(missing.is_empty(), "add to openapi/table.rs: {missing:#?}");
    let gone: Vec<_> = documented.difference(&there).collect();
    assert!(gone.is_empty(), "remove from openapi/table.rs: {gone:#?}");
}

/// Everything that is referred to is there.
fn check_references(value: &Value, document: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            for value in fields.values() {
                check_references(value, document);
            }
        }
        Value::Array(values) => {
            for value in values {
                check_references(value, document);
            }
        }
        _ => {}
    }
}

#[test]
fn the_document_has_its_form() {
    let document = document("/api");
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], "/api");
    for field in ["title", "version"] {
        assert!(document["info"][field].is_string());
    }
    check_references(&document, &document);
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with('/'), "{path}");
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} twice");
            let answers = operation["responses"].as_object().unwrap();
            assert_eq!(answers.len(), 2, "{method} {path}");
            for (status, answer) in answers {
                assert!(
                    status == "default" || status.starts_with('2'),
                    "{path}: {status}"
                );
                assert!(answer.get("$ref").is_some() || answer["description"].is_string());
            }
            let named: Vec<_> = operation["parameters"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
                .collect();
            assert_eq!(named.len(), path.matches('{').count(), "{path}");
            assert!(named.iter().all(|name| path.contains(name)), "{path}");
            assert!(method != "get" || operation.get("requestBody").is_none());
        }
    }
    assert!(document["components"]["schemas"]["Room"]["properties"]["live"].is_object());
    assert_eq!(
        document["components"]["schemas"]["NewRoom"]["additionalProperties"],
        false
    );
}
