//! The HTTP listener: HTTP/1.1 and h2c on one port, every connection bounded, drained at the end.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::middleware::map_response;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use prometheus::IntGauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::priority;
use crate::config::HttpSettings;

/// The HTTP/2 connection preface (RFC 9113 section 3.4) has so many bytes; with as many, hyper
/// knows which version it speaks and watches the time itself.
const PREFACE_BYTES: usize = 24;
/// After a failed accept (no descriptors left), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who asks; every request has it as an extension.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Serves until `shutdown`, then lets every connection finish what it is at.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: HttpSettings,
    connections: IntGauge,
    shutdown: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(settings.connections_max));
    let builder = builder(&settings);
    // Here, and so over all that is merged into the router.
    let router = router.layer(map_response(priority::add));
    let graceful = GracefulShutdown::new();
    let mut stopped = pin!(shutdown.cancelled());
    loop {
        let accept = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accept => accepted,
            () = &mut stopped => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // A part is sent in one go: waiting for more would only delay it.
        drop(stream.set_nodelay(true));
        let io = TokioIo::new(Greeted::new(stream, settings.header_read_timeout));
        let router = router.clone().layer(Extension(Peer(peer)));
        let service = TowerToHyperService::new(router);
        let connection = builder
            .serve_connection_with_upgrades(io, service)
            .into_owned();
        let connection = graceful.watch(connection);
        let connections = connections.clone();
        tokio::spawn(async move {
            connections.inc();
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection ended with an error");
            }
            connections.dec();
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

fn builder(settings: &HttpSettings) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_read_timeout)
        .max_buf_size(settings.header_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.concurrent_streams_max)
        .max_header_list_size(u32::try_from(settings.header_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(settings.keep_alive)
        .keep_alive_timeout(settings.keep_alive);
    builder
}

/// A connection that must say something: hyper waits for the version without a timeout.
struct Greeted {
    stream: TcpStream,
    /// `None` once enough has been read.
    deadline: Option<Pin<Box<Sleep>>>,
    read: usize,
}

impl Greeted {
    fn new(stream: TcpStream, timeout: Duration) -> Self {
        Self {
            stream,
            deadline: Some(Box::pin(sleep_until(Instant::now() + timeout))),
            read: 0,
        }
    }
}

impl AsyncRead for Greeted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Some(deadline) = &mut self.deadline {
            if polled.is_pending() && deadline.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.read += buffer.filled().len() - before;
            if self.read >= PREFACE_BYTES {
                self.deadline = None;
            }
        }
        polled
    }
}

impl AsyncWrite for Greeted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
