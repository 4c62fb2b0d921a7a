//! A host with versions of the guest `all-hooks`, which says in its answers which version it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use wasm_filters::contract::auth::CredentialSource;
use wasm_filters::host::{
    AuthAnswer, AuthCall, CallInfo, ChatAnswer, ChatVerdict, Client, Credential, FilterRouting,
    Host, HostOptions, HttpCall, RequestAnswer, ResponseAnswer, ResponseCall,
};
use wasm_filters::keys::KeyRing;
use wasm_filters::manifest::{Action, Digest, FilterName, Hook, Manifest, VersionDocument};
use wasm_filters::rollout::RequestPin;
use wasm_filters::table::Table;
use wasm_filters::version::LoadedVersion;

use crate::support::{NOW_MS, guest, message, options};

pub(crate) const TOKEN: &str = "open-sesame";

pub(crate) struct Node {
    pub(crate) host: Host,
    pub(crate) registry: prometheus::Registry,
    wasm: Bytes,
}

impl Node {
    pub(crate) fn new() -> Self {
        // The machine may be busy with other tests: no call is to fail for that.
        let mut options = HostOptions {
            chain_budget: Duration::from_secs(30),
            ..options()
        };
        (options.caps.cpu_ms, options.caps.deadline_ms) = (1000, 30_000);
        let registry = prometheus::Registry::new();
        let host = Host::new(options, Arc::new(KeyRing::default()), &registry).unwrap();
        Self {
            host,
            registry,
            wasm: guest("all-hooks"),
        }
    }

    /// A version of the filter `f` that calls itself `label`.
    pub(crate) async fn version(&self, label: &str, config: Value) -> Arc<LoadedVersion> {
        self.version_with(label, config, |_| {}).await
    }

    pub(crate) async fn version_with(
        &self,
        label: &str,
        mut config: Value,
        change: impl FnOnce(&mut Manifest),
    ) -> Arc<LoadedVersion> {
        config["label"] = label.into();
        config["tokens"][TOKEN] = "ada".into();
        let mut manifest = Manifest::new(name(), label, Hook::ALL.to_vec());
        manifest.config = config;
        manifest.limits.cpu_ms = 1000;
        manifest.limits.deadline_ms = 30_000;
        change(&mut manifest);
        let document = VersionDocument {
            component: Digest::of(&self.wasm),
            manifest,
        };
        self.host
            .prepare(document, self.wasm.clone())
            .await
            .unwrap()
    }

    pub(crate) fn apply(&self, routing: FilterRouting) {
        self.host
            .apply(BTreeMap::from([(name(), routing)]), Instant::now());
    }

    /// Metrics, as text.
    pub(crate) fn metrics(&self) -> String {
        prometheus::TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap()
    }

    /// Calls of all versions at a hook.
    pub(crate) fn calls(&self, hook: Hook) -> u64 {
        let status = self.host.status();
        let versions = status.filters.values().flat_map(|filter| &filter.versions);
        let hooks = versions.flat_map(|version| &version.hooks);
        hooks
            .filter(|each| each.hook == hook)
            .map(|each| each.calls)
            .sum()
    }
}

pub(crate) fn name() -> FilterName {
    "f".parse().unwrap()
}

pub(crate) fn none() -> Value {
    json!({})
}

pub(crate) fn active(version: &Arc<LoadedVersion>, activation: u64) -> FilterRouting {
    FilterRouting {
        enabled: true,
        active: Some(Arc::clone(version)),
        activation,
        ..FilterRouting::default()
    }
}

pub(crate) fn info(pin: RequestPin) -> CallInfo<'static> {
    CallInfo {
        request_id: "r1",
        tenant: "default",
        room: "demo",
        now_unix_ms: NOW_MS,
        pin,
        attrs: &[],
    }
}

pub(crate) fn anybody() -> RequestPin {
    RequestPin::of(b"anybody")
}

fn client() -> Client<'static> {
    Client {
        ip: [192, 0, 2, 7].into(),
        country: None,
        protocol: "h3",
        tls: true,
    }
}

pub(crate) fn credential(token: &str) -> [Credential<'_>; 1] {
    [Credential {
        source: CredentialSource::Bearer,
        value: token,
    }]
}

pub(crate) fn auth_call<'a>(
    credentials: &'a [Credential<'a>],
    headers: &'a HeaderMap,
    pin: RequestPin,
) -> AuthCall<'a> {
    AuthCall {
        info: info(pin),
        action: Action::Play,
        app: "live",
        stream: "demo",
        credentials,
        query: "",
        headers,
        client: client(),
    }
}

pub(crate) async fn authorize(
    host: &Host,
    table: &Table,
    token: &str,
    pin: RequestPin,
) -> AuthAnswer {
    let headers = HeaderMap::new();
    host.authorize(table, auth_call(&credential(token), &headers, pin))
        .await
}

/// The label of the version that granted.
pub(crate) fn granted_by(answer: &AuthAnswer) -> String {
    match answer {
        AuthAnswer::Granted(granted) => granted.user.attrs[0].value.clone(),
        other => panic!("not granted: {other:?}"),
    }
}

pub(crate) fn http_call<'a>(
    path: &'a str,
    headers: &'a HeaderMap,
    pin: RequestPin,
) -> HttpCall<'a> {
    HttpCall {
        info: info(pin),
        method: "GET",
        host: "edge.example",
        path,
        query: "",
        headers,
        client: client(),
    }
}

/// The label of the version that rewrote `/old/a`.
pub(crate) async fn rewritten_by(host: &Host, table: &Table, pin: RequestPin) -> String {
    let headers = HeaderMap::new();
    match host
        .on_request(table, http_call("/old/a", &headers, pin))
        .await
    {
        RequestAnswer::Edited(edits) => {
            assert_eq!(edits.path.as_deref(), Some("/a"));
            edits.fields.set[0].1.to_str().unwrap().to_owned()
        }
        other => panic!("not rewritten: {other:?}"),
    }
}

/// The label of the version that set a field of the response.
pub(crate) async fn marked_by(host: &Host, table: &Table, pin: RequestPin) -> String {
    let headers = HeaderMap::new();
    let call = ResponseCall {
        request: http_call("/a", &headers, pin),
        status: http::StatusCode::OK,
        headers: &headers,
    };
    match host.on_response(table, call).await {
        ResponseAnswer::Edits(edits) => {
            let mut headers = HeaderMap::new();
            edits.apply(&mut headers);
            headers["x-filter"].to_str().unwrap().to_owned()
        }
        other => panic!("not marked: {other:?}"),
    }
}

pub(crate) async fn say(host: &Host, table: &Table, text: &str, pin: RequestPin) -> ChatAnswer {
    let message = message(text);
    host.on_message(table, info(pin), message).await
}

/// What a message became.
pub(crate) async fn said(host: &Host, table: &Table, text: &str, pin: RequestPin) -> String {
    match say(host, table, text, pin).await.verdict {
        ChatVerdict::Deliver(message) => message.text,
        other => panic!("not delivered: {other:?}"),
    }
}
