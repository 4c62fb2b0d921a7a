//! An OpenTelemetry collector: takes spans by OTLP over HTTP, and keeps them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use parking_lot::Mutex;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::node::Settings;
use crate::wait;

/// Nodes send every second.
const SENT_WITHIN: Duration = Duration::from_secs(10);

/// A running collector.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
    listener: AbortHandle,
}

/// One span as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// `service.instance.id`.
    pub node: String,
    /// `GET part`.
    pub name: String,
    /// `Server` or `Client`.
    pub kind: String,
    /// In hexadecimal digits, as the rest of the ids.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// Empty: it is the root.
    pub parent: String,
    /// Attributes as text.
    pub attributes: HashMap<String, String>,
    /// Ids of the spans that it is linked to.
    pub links: Vec<String>,
    /// Names of events, in order of their time.
    pub events: Vec<String>,
}

impl Collector {
    /// Starts one.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let spans = Arc::default();
        let task = tokio::spawn(accept(listener, Arc::clone(&spans)));
        Ok(Self {
            address,
            spans,
            listener: task.abort_handle(),
        })
    }

    /// `[traces]` of a node that sends here.
    pub fn settings(&self, sample: f64, incoming: bool) -> Settings {
        Settings::default()
            .set("traces", "endpoint", format!("http://{}", self.address))
            .set("traces", "sample", sample)
            .set("traces", "incoming", incoming)
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().clone()
    }

    /// Waits until there are `count` spans that are `wanted`.
    pub async fn until(
        &self,
        count: usize,
        wanted: impl Fn(&Span) -> bool,
    ) -> anyhow::Result<Vec<Span>> {
        wait::until("the spans are sent", SENT_WITHIN, async || {
            let spans: Vec<Span> = self.spans().into_iter().filter(&wanted).collect();
            anyhow::ensure!(spans.len() >= count, "{} spans", spans.len());
            Ok(Some(spans))
        })
        .await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn accept(listener: TcpListener, spans: Arc<Mutex<Vec<Span>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let spans = Arc::clone(&spans);
        tokio::spawn(async move {
            let service = service_fn(|request| take(Arc::clone(&spans), request));
            let builder = auto::Builder::new(TokioExecutor::new());
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn take(
    spans: Arc<Mutex<Vec<Span>>>,
    request: Request<Incoming>,
) -> Result<Response<Empty<bytes::Bytes>>, Infallible> {
    let is_traces = request.uri().path() == "/v1/traces";
    let body = request.into_body().collect().await;
    let export = body.ok().and_then(|body| {
        let bytes = body.to_bytes();
        ExportTraceServiceRequest::decode(bytes).ok()
    });
    let mut response = Response::new(Empty::new());
    match export.filter(|_| is_traces) {
        Some(export) => spans.lock().extend(read(export)),
        None => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    Ok(response)
}

fn read(export: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource in export.resource_spans {
        let about = resource.resource.unwrap_or_default().attributes;
        let node = texts(about).remove("service.instance.id");
        let node = node.unwrap_or_default();
        let sent = resource.scope_spans.into_iter().flat_map(|it| it.spans);
        spans.extend(sent.map(|sent| span(&node, sent)));
    }
    spans
}

fn span(node: &str, sent: Sent) -> Span {
    let mut events = sent.events;
    events.sort_by_key(|event| event.time_unix_nano);
    Span {
        node: node.to_owned(),
        kind: format!("{:?}", sent.kind),
        name: sent.name,
        trace: hexadecimal(&sent.trace_id),
        id: hexadecimal(&sent.span_id),
        parent: hexadecimal(&sent.parent_span_id),
        attributes: texts(sent.attributes),
        links: sent
            .links
            .iter()
            .map(|link| hexadecimal(&link.span_id))
            .collect(),
        events: events.into_iter().map(|event| event.name).collect(),
    }
}

fn texts(attributes: Vec<KeyValue>) -> HashMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes
        .into_iter()
        .map(|it| (it.key, text(it.value)))
        .collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
