//! Traces across tiers: W3C Trace Context in and out, spans to an OpenTelemetry collector by
//! OTLP over HTTP.
//!
//! A request that is not traced costs a look for one field and a random number. A span that is
//! over goes into a bounded queue; nobody waits for the collector.

mod config;
mod export;

use std::fmt::Display;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_otlp::{ExporterBuildError, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use prometheus::Registry;
use tokio::runtime::Handle;

use crate::metrics::RegisterError;
pub use config::TracesConfig;
use export::Queue;

/// The field of a traced request (Trace Context 3.2).
const TRACEPARENT: &str = "traceparent";
/// Below a collector's URL (OTLP specification, "OTLP/HTTP Request").
const TRACES_PATH: &str = "/v1/traces";

/// Where traces go, and of what.
#[derive(Clone, Debug, PartialEq)]
pub struct TracesSettings {
    /// The collector's URL, without `/v1/traces`.
    pub endpoint: String,
    /// Which part of the requests that nobody traces yet is traced, 0 to 1.
    pub share: f64,
    /// Whether `traceparent` of requests counts.
    pub incoming: bool,
    /// `service.name`.
    pub service: &'static str,
    /// `service.instance.id`.
    pub instance: String,
    /// `service.version`.
    pub version: &'static str,
}

/// Why there can be no traces.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TracesError {
    /// The exporter.
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
    /// The HTTP client.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    /// A metric that is registered twice.
    #[error("metrics: {0}")]
    Metrics(#[from] RegisterError),
}

/// Makes spans, or none. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<Tracing>>);

#[derive(Debug)]
struct Tracing {
    tracer: SdkTracer,
    /// Spans end with it.
    _provider: SdkTracerProvider,
    queue: Queue,
    share: f64,
    incoming: bool,
}

/// What a span is known by elsewhere, and what is done on its behalf.
#[derive(Clone, Debug)]
pub struct Link {
    span: SpanContext,
    tracing: Arc<Tracing>,
}

/// One thing that was done, from its making until it is dropped.
#[derive(Debug)]
pub struct Span {
    span: opentelemetry_sdk::trace::Span,
    tracing: Arc<Tracing>,
}

impl Traces {
    /// None.
    pub fn off() -> Self {
        Self(None)
    }

    /// Traces that go to a collector, from a task of `runtime`.
    ///
    /// # Errors
    /// See [`TracesError`].
    pub fn start(
        settings: TracesSettings,
        registry: &Registry,
        runtime: &Handle,
    ) -> Result<Self, TracesError> {
        let client = reqwest::Client::builder()
            .timeout(export::EXPORT_WITHIN)
            .build()?;
        let endpoint = settings.endpoint.trim_end_matches('/');
        let mut exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(format!("{endpoint}{TRACES_PATH}"))
            .build()?;
        let resource = Resource::builder()
            .with_service_name(settings.service)
            .with_attributes([
                KeyValue::new("service.instance.id", settings.instance),
                KeyValue::new("service.version", settings.version),
            ])
            .build();
        opentelemetry_sdk::trace::SpanExporter::set_resource(&mut exporter, &resource);
        let (queue, processor) = export::queue(exporter, registry, runtime)?;
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(resource)
            .with_span_processor(processor)
            .build();
        Ok(Self(Some(Arc::new(Tracing {
            tracer: provider.tracer("weir"),
            _provider: provider,
            queue,
            share: settings.share,
            incoming: settings.incoming,
        }))))
    }

    /// A span for a request that came in, if it is traced. `name` is the method and what kind of
    /// thing is asked for: few names (semantic conventions, HTTP server).
    pub fn server(&self, request: &HeaderMap) -> Option<Span> {
        let tracing = self.0.as_ref()?;
        let remote = tracing.incoming.then(|| remote(request)).flatten();
        let parent = match remote {
            Some(remote) if remote.is_sampled() => Context::new().with_remote_span_context(remote),
            // Somebody in front decided against it.
            Some(_) => return None,
            None if rand::random::<f64>() < tracing.share => Context::new(),
            None => return None,
        };
        Some(start(
            tracing,
            "request".to_owned(),
            SpanKind::Server,
            &parent,
        ))
    }

    /// Sends what waits. Waits no longer than an export may take.
    pub async fn flush(&self) {
        if let Some(tracing) = &self.0 {
            tracing.queue.flush().await;
        }
    }
}

fn start(tracing: &Arc<Tracing>, name: String, kind: SpanKind, parent: &Context) -> Span {
    let builder = SpanBuilder::from_name(name).with_kind(kind);
    Span {
        span: tracing.tracer.build_with_context(builder, parent),
        tracing: Arc::clone(tracing),
    }
}

impl Span {
    /// What others call it.
    pub fn link(&self) -> Link {
        Link {
            span: self.span.span_context().clone(),
            tracing: Arc::clone(&self.tracing),
        }
    }

    /// What it is called, when that is known.
    pub fn name(&mut self, name: String) {
        self.span.update_name(name);
    }

    /// Something that is known of it.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.span.set_attribute(KeyValue::new(key, value));
    }

    /// Something happened.
    pub fn event(&mut self, name: &'static str) {
        self.span.add_event(name, Vec::new());
    }

    /// Something happened at that time.
    pub fn event_at(&mut self, name: &'static str, time: SystemTime) {
        self.span.add_event_with_timestamp(name, time, Vec::new());
    }

    /// Another span had to do with it.
    pub fn linked_to(&mut self, other: &Link) {
        self.span.add_link(other.span.clone(), Vec::new());
    }

    /// It failed.
    pub fn failed(&mut self, why: String) {
        self.span.set_status(Status::error(why));
    }
}

impl Link {
    /// A span for a request to another server on its behalf.
    pub fn client(&self, name: String) -> Span {
        let parent = Context::new().with_remote_span_context(self.span.clone());
        start(&self.tracing, name, SpanKind::Client, &parent)
    }

    /// Tells the server that a request goes to.
    pub fn inject(&self, fields: &mut HeaderMap) {
        let context = Context::new().with_remote_span_context(self.span.clone());
        let propagator = TraceContextPropagator::new();
        propagator.inject_context(&context, &mut HeaderInjector(fields));
    }

    /// The trace that it is of: 32 hexadecimal digits.
    pub fn trace_id(&self) -> impl Display {
        self.span.trace_id()
    }
}

/// What the request says of its trace, if it says that well.
fn remote(request: &HeaderMap) -> Option<SpanContext> {
    if !request.contains_key(TRACEPARENT) {
        return None;
    }
    let propagator = TraceContextPropagator::new();
    let context = propagator.extract_with_context(&Context::new(), &HeaderExtractor(request));
    let span = context.span().span_context().clone();
    span.is_valid().then_some(span)
}

#[cfg(test)]
mod tests;
