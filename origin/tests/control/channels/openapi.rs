//! The document of the API, and whether what it says is there.

use http::Method;
use serde_json::json;

use crate::harness::{Origin, call, get, operator};

#[tokio::test]
async fn whatever_is_documented_is_answered() {
    let origin = Origin::start().await;
    let document = origin
        .operate(operator(Method::GET, "/v1/openapi.json"))
        .await
        .is(200);
    assert_eq!(document.text("/servers/0/url"), "/v1");
    let public = origin.ask(get("/v1/openapi.json")).await.is(200);
    assert_eq!(public.text("/servers/0/url"), "/api");
    assert_eq!(public.body["paths"], document.body["paths"]);
    for (path, methods) in document.body["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if operation["x-weir-edge"] == true {
                continue;
            }
            let filled = path.replace(['{', '}'], "");
            let method: Method = method.to_uppercase().parse().unwrap();
            let path = format!("/v1{filled}");
            let answer = if path.starts_with("/v1/admin/") {
                origin
                    .operate(operator(method.clone(), &path).json(json!({})))
                    .await
            } else {
                origin
                    .ask(call(method.clone(), &path).json(json!({})))
                    .await
            };
            let status = answer.status.as_u16();
            assert_ne!(status, 405, "{method} {path}");
            // A page that is not there has no code.
            let is_problem = answer.body["code"].is_string();
            assert!(status < 400 || is_problem, "{method} {path}: {answer:?}");
        }
    }
}
