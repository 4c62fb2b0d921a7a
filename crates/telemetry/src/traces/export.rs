//! Spans on their way to the collector: a bounded queue, and a task that empties it in batches.

use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use prometheus::{IntCounter, Registry};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::metrics::{self, RegisterError};

/// Spans that wait to be sent; a further one is dropped and counted.
const QUEUE_MAX: usize = 4096;
/// Spans sent at once.
const BATCH_MAX: usize = 512;
/// A span waits so long for others.
const EXPORT_EVERY: Duration = Duration::from_secs(1);
/// A request to the collector.
pub(super) const EXPORT_WITHIN: Duration = Duration::from_secs(5);
/// Sending what waits at the end, retries of the exporter included.
const FLUSH_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug)]
enum Message {
    Span(Box<SpanData>),
    Flush(oneshot::Sender<()>),
}

/// The writing end, for who wants everything sent.
#[derive(Clone, Debug)]
pub(super) struct Queue(mpsc::Sender<Message>);

/// The writing end, for the SDK.
#[derive(Debug)]
pub(super) struct Processor {
    queue: mpsc::Sender<Message>,
    dropped: IntCounter,
}

/// Starts the task.
pub(super) fn queue<E: SpanExporter + 'static>(
    exporter: E,
    registry: &Registry,
    runtime: &Handle,
) -> Result<(Queue, Processor), RegisterError> {
    let spans = metrics::counter_vec(
        registry,
        "traces_spans_total",
        "Spans of traced requests: exported, dropped because the queue was full, dropped because the collector \
         did not take them.",
        &["outcome"],
    )?;
    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    let task = Task {
        exporter,
        exported: spans.with_label_values(&["exported"]),
        refused: spans.with_label_values(&["dropped_collector"]),
    };
    runtime.spawn(task.run(receiver));
    let processor = Processor {
        queue: sender.clone(),
        dropped: spans.with_label_values(&["dropped_queue"]),
    };
    Ok((Queue(sender), processor))
}

impl Queue {
    /// Returns when everything that was in the queue is sent or given up.
    pub(super) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        let flush = async {
            if self.0.send(Message::Flush(done)).await.is_ok() {
                let _ = flushed.await;
            }
        };
        let _ = timeout(FLUSH_WITHIN, flush).await;
    }
}

impl SpanProcessor for Processor {
    fn on_start(&self, _span: &mut Span, _context: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        if self.queue.try_send(Message::Span(Box::new(span))).is_err() {
            self.dropped.inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

struct Task<E> {
    exporter: E,
    exported: IntCounter,
    refused: IntCounter,
}

impl<E: SpanExporter> Task<E> {
    async fn run(self, mut queue: mpsc::Receiver<Message>) {
        let mut waiting = Vec::new();
        while let Some(message) = queue.recv().await {
            let mut flushes = Vec::new();
            take(message, &mut waiting, &mut flushes);
            let more = async {
                while waiting.len() < BATCH_MAX && flushes.is_empty() {
                    match queue.recv().await {
                        Some(message) => take(message, &mut waiting, &mut flushes),
                        None => break,
                    }
                }
            };
            let _ = timeout(EXPORT_EVERY, more).await;
            self.export(std::mem::take(&mut waiting)).await;
            for flush in flushes {
                let _ = flush.send(());
            }
        }
    }

    async fn export(&self, batch: Vec<SpanData>) {
        let spans = batch.len() as u64;
        if spans == 0 {
            return;
        }
        match self.exporter.export(batch).await {
            Ok(()) => self.exported.inc_by(spans),
            Err(error) => {
                tracing::warn!(%error, spans, "the collector of traces did not take spans");
                self.refused.inc_by(spans);
            }
        }
    }
}

fn take(message: Message, waiting: &mut Vec<SpanData>, flushes: &mut Vec<oneshot::Sender<()>>) {
    match message {
        Message::Span(span) => waiting.push(*span),
        Message::Flush(done) => flushes.push(done),
    }
}
