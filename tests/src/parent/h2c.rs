//! The parent over HTTP/2 with prior knowledge.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::script::Before;
use super::{Cut, Exchange, Reply, State, Step};

/// More than any test asks for at once.
const STREAMS_MAX: u32 = 10_000;

type BodyFrame = Result<Frame<Bytes>, io::Error>;
type Body = StreamBody<ReceiverStream<BodyFrame>>;

/// Serves requests until the other side leaves or a script ends the connection.
pub(super) async fn serve(first: Vec<u8>, stream: TcpStream, state: Arc<State>) {
    let hang_up = Arc::new(Notify::new());
    let for_requests = Arc::clone(&hang_up);
    let service = service_fn(move |request: Request<Incoming>| {
        answer(request, Arc::clone(&state), Arc::clone(&for_requests))
    });
    let connection = Builder::new(TokioExecutor::new())
        .max_concurrent_streams(STREAMS_MAX)
        .serve_connection(TokioIo::new(Prefixed { first, stream }), service);
    tokio::select! {
        // Errors are the other side's going away.
        _ = connection => {}
        () = hang_up.notified() => {}
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
    hang_up: Arc<Notify>,
) -> Result<Response<Body>, Infallible> {
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str())
        .to_owned();
    let reply = state.reply(&target);
    let exchange = state.begin(&target, format!("{request:?}"));
    if matches!(reply.before, Before::HangUp) {
        exchange.finish();
        hang_up.notify_one();
        return std::future::pending().await;
    }
    match &reply.before {
        Before::Nothing => {}
        Before::Wait(gate) => gate.passed().await,
        Before::Pause(delay) => tokio::time::sleep(*delay).await,
        Before::Silence | Before::HangUp => std::future::pending().await,
    }
    let (frames, body) = mpsc::channel(1);
    let mut response = Response::new(StreamBody::new(ReceiverStream::new(body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or_default();
    let length = reply
        .length
        .map(|n| ("content-length".to_owned(), n.to_string()));
    for (name, value) in reply.headers.iter().chain(&length) {
        // A field that HTTP does not allow is left out; no script has one.
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    tokio::spawn(play(reply, frames, exchange, hang_up));
    Ok(response)
}

async fn play(
    reply: Reply,
    frames: mpsc::Sender<BodyFrame>,
    exchange: Exchange,
    hang_up: Arc<Notify>,
) {
    for step in reply.steps {
        let sent = match step {
            Step::Send(data) => frames.send(Ok(Frame::data(data))).await.is_ok(),
            Step::Wait(gate) => while_wanted(&frames, gate.passed()).await,
            Step::Pause(delay) => while_wanted(&frames, tokio::time::sleep(delay)).await,
            Step::Cut(Cut::Reset) => {
                let _ = frames.send(Err(io::ErrorKind::Other.into())).await;
                break;
            }
            Step::Cut(Cut::Close) => {
                hang_up.notify_one();
                break;
            }
        };
        if !sent {
            return;
        }
    }
    exchange.finish();
}

/// Waits for `event`; false when the stream is reset first.
async fn while_wanted(frames: &mpsc::Sender<BodyFrame>, event: impl Future<Output = ()>) -> bool {
    tokio::select! {
        () = event => true,
        () = frames.closed() => false,
    }
}

/// A socket whose first bytes have been read already.
struct Prefixed {
    first: Vec<u8>,
    stream: TcpStream,
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let count = self.first.len().min(buffer.remaining());
        buffer.put_slice(&self.first.drain(..count).collect::<Vec<u8>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
