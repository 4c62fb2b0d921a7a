//! The HTTP/3 adapter against a client that we write byte by byte.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "h3/client.rs"]
mod client;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use client::{Client, Outcome, field_section, frame, headers, request};
use futures::FutureExt;
use tokio::sync::{mpsc, oneshot};
use transport::h3::{Code, Delivery, Limits, Refusal, Request, RequestBody, Server};
use transport::quic::{self, ServerOptions};
use transport::tls::{ALPN_H3, Identity};

/// What a server under test tells its test.
#[derive(Debug)]
enum Event {
    Request(Box<Request>),
    Refused(Refusal),
}

/// A server of one connection, in the test's hand.
struct Harness {
    client: Client,
    events: mpsc::UnboundedReceiver<Event>,
    goaway: Option<oneshot::Sender<()>>,
    ended: tokio::task::JoinHandle<u64>,
}

impl Harness {
    async fn start() -> Self {
        let mut limits = Limits::default();
        limits.head_timeout = Duration::from_millis(300);
        Self::start_with(limits).await
    }

    async fn start_with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::self_signed(dir.path(), &[]).unwrap();
        let tls = identity.server_config(&[ALPN_H3]).unwrap();
        let socket = quic::Socket::bind("[::1]:0".parse().unwrap(), 1 << 20).unwrap();
        assert!(socket.receive_buffer_bytes() > 0 && socket.send_buffer_bytes() > 0);
        let address = socket.address();
        let config = quic::server_config(tls, &ServerOptions::default()).unwrap();
        let endpoint = socket.listen(config).unwrap();
        let (event, events) = mpsc::unbounded_channel();
        let (goaway, told) = oneshot::channel();
        let ended = tokio::spawn(serve(endpoint, limits, event, told));
        let client = Client::connect(address, identity.authority_path().unwrap()).await;
        Self {
            client,
            events,
            goaway: Some(goaway),
            ended,
        }
    }

    async fn event(&mut self) -> Event {
        deadline(self.events.recv()).await.unwrap()
    }

    async fn request(&mut self) -> Request {
        match self.event().await {
            Event::Request(request) => *request,
            Event::Refused(reason) => panic!("refused: {reason}"),
        }
    }

    async fn refused(&mut self) -> Refusal {
        match self.event().await {
            Event::Request(request) => panic!("not refused: {request:?}"),
            Event::Refused(reason) => reason,
        }
    }

    /// Asks for something ordinary and gets it: the connection is in order.
    async fn assert_usable(&mut self) {
        let mut stream = self.client.open().await;
        stream.send(&request("/"), true).await;
        let mut served = self.request().await;
        answer(&mut served, b"fine").await;
        assert_eq!(stream.outcome().await, Outcome::Body(200, b"fine".to_vec()));
    }
}

async fn serve(
    endpoint: quinn::Endpoint,
    limits: Limits,
    event: mpsc::UnboundedSender<Event>,
    told: oneshot::Receiver<()>,
) -> u64 {
    let mut told = told.fuse();
    let connection = endpoint.accept().await.unwrap().await.unwrap();
    let mut server = Server::handshake(connection, limits).await.unwrap();
    loop {
        tokio::select! {
            Ok(()) = &mut told => server.goaway().await.unwrap(),
            incoming = server.accept() => {
                let Ok(Some(incoming)) = incoming else { return server.rejected() };
                let event = event.clone();
                tokio::spawn(async move {
                    let _ = event.send(match incoming.resolve().await {
                        Ok(request) => Event::Request(Box::new(request)),
                        Err(reason) => Event::Refused(reason),
                    });
                });
            }
        }
    }
}

async fn answer(request: &mut Request, body: &'static [u8]) {
    request
        .response
        .queue_head(http::Response::new(()))
        .unwrap();
    request
        .response
        .queue_data(Bytes::from_static(body))
        .unwrap();
    request.response.queue_finish();
    request.response.flush().await.unwrap();
}

async fn read_all(body: &mut RequestBody) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(piece) = deadline(body.read()).await.unwrap() {
        all.extend_from_slice(&piece);
    }
    all
}

async fn deadline<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future)
        .await
        .expect("no answer within 10 s")
}

#[tokio::test]
async fn a_request_with_a_body_is_answered() {
    let mut test = Harness::start().await;
    let mut stream = test.client.open().await;
    stream.send(&request("/x?y=1"), false).await;
    let mut served = test.request().await;
    assert_eq!(served.head.uri(), "https://localhost/x?y=1");
    // One byte at a time, across frames.
    for byte in [
        frame(0, b"hello "),
        frame(0x21, b"grease"),
        frame(0, b"body"),
    ]
    .concat()
    {
        stream.send(&[byte], false).await;
    }
    stream.send(&[], true).await;
    assert_eq!(read_all(&mut served.body).await, b"hello body");
    answer(&mut served, b"fine").await;
    assert_eq!(stream.outcome().await, Outcome::Body(200, b"fine".to_vec()));
    assert_eq!(
        deadline(served.response.delivery()).await,
        Delivery::Acknowledged
    );
}

#[tokio::test]
async fn a_dropped_response_is_a_reset() {
    let mut test = Harness::start().await;
    for finish in [false, true] {
        let mut stream = test.client.open().await;
        stream.send(&request("/"), true).await;
        let mut served = test.request().await;
        served.response.queue_head(http::Response::new(())).unwrap();
        served
            .response
            .queue_data(Bytes::from_static(b"half"))
            .unwrap();
        if finish {
            // Asked for, but never flushed: not all of it is on its way.
            served.response.queue_finish();
        } else {
            served.response.flush().await.unwrap();
        }
        let delivery = served.response.delivery();
        drop(served);
        assert_eq!(deadline(delivery).await, Delivery::Reset);
        let code = Code::H3_INTERNAL_ERROR.value();
        assert_eq!(stream.outcome().await, Outcome::Reset(code));
    }
    test.assert_usable().await;
}

#[tokio::test]
async fn a_client_that_stops_is_noticed() {
    let mut test = Harness::start().await;
    let mut stream = test.client.open().await;
    stream.send(&request("/"), true).await;
    let served = test.request().await;
    let delivery = served.response.delivery();
    stream.stop(0x10c);
    assert_eq!(deadline(delivery).await, Delivery::Stopped(0x10c));
    test.assert_usable().await;
}

#[tokio::test]
async fn oversized_fields_get_a_431() {
    let mut limits = Limits::default();
    limits.field_section_bytes_max = 4096;
    let mut test = Harness::start_with(limits).await;
    let big = "x".repeat(5000);
    for _ in 0..10 {
        let mut stream = test.client.open().await;
        let fields = [&request_fields()[..], &[("cookie", &big)]].concat();
        stream.send(&headers(&fields), true).await;
        assert!(matches!(
            test.refused().await,
            Refusal::FieldsTooLarge { .. }
        ));
        assert_eq!(stream.outcome().await, Outcome::Body(431, Vec::new()));
    }
    test.assert_usable().await;
}

#[tokio::test]
async fn an_endless_headers_frame_is_cut_off() {
    let mut test = Harness::start_with(Limits::default()).await;
    let mut stream = test.client.open().await;
    // HEADERS of 1 GiB: h3 would collect it.
    stream
        .send(&[0x01, 0xc0, 0, 0, 0, 0x40, 0, 0, 0], false)
        .await;
    while stream.try_send(&[0; 4096]).await.is_ok() {}
    assert!(matches!(test.refused().await, Refusal::FrameTooLarge));
    assert_eq!(
        stream.outcome().await,
        Outcome::Reset(Code::H3_EXCESSIVE_LOAD.value())
    );
    test.assert_usable().await;
}

#[tokio::test]
async fn an_endless_frame_inside_a_body_is_cut_off() {
    let mut test = Harness::start().await;
    let mut stream = test.client.open().await;
    stream.send(&request("/"), false).await;
    let mut served = test.request().await;
    stream
        .send(&[0x21, 0xc0, 0, 0, 0, 0x40, 0, 0, 0], false)
        .await;
    let pump = async { while stream.try_send(&[0; 4096]).await.is_ok() {} };
    let (_, read) = tokio::join!(deadline(pump), deadline(served.body.read()));
    assert!(read.is_err(), "{read:?}");
    drop(served);
    test.assert_usable().await;
}

#[tokio::test]
async fn malformed_requests_are_reset_and_the_connection_lives() {
    let mut test = Harness::start().await;
    let contradiction = [&request_fields()[..], &[("host", "elsewhere")]].concat();
    let upper_case = [&request_fields()[..], &[("Cookie", "x")]].concat();
    let no_path = &request_fields()[..3];
    for fields in [&contradiction, &upper_case, no_path] {
        let mut stream = test.client.open().await;
        stream.send(&headers(fields), true).await;
        test.refused().await;
        let code = Code::H3_MESSAGE_ERROR.value();
        assert_eq!(stream.outcome().await, Outcome::Reset(code), "{fields:?}");
    }
    // A stream that ends before its head does.
    let mut stream = test.client.open().await;
    stream.send(&[], true).await;
    test.refused().await;
    let code = Code::H3_REQUEST_INCOMPLETE.value();
    assert_eq!(stream.outcome().await, Outcome::Reset(code));
    test.assert_usable().await;
}

#[tokio::test]
async fn a_head_that_does_not_come_is_given_up() {
    let mut test = Harness::start().await;
    let mut stream = test.client.open().await;
    stream.send(&[0x01, 0x10], false).await;
    assert!(matches!(test.refused().await, Refusal::HeadTimeout));
    let code = Code::H3_REQUEST_INCOMPLETE.value();
    assert_eq!(stream.outcome().await, Outcome::Reset(code));
    test.assert_usable().await;
}

#[tokio::test]
async fn an_endless_control_frame_closes_the_connection() {
    let test = Harness::start().await;
    test.client
        .send_control(&[0x21, 0xc0, 0, 0, 0, 0x40, 0, 0, 0])
        .await;
    let error = deadline(test.client.closed()).await;
    let quinn::ConnectionError::ApplicationClosed(close) = error else {
        panic!("{error:?}");
    };
    assert_eq!(
        close.error_code.into_inner(),
        Code::H3_EXCESSIVE_LOAD.value()
    );
    deadline(test.ended).await.unwrap();
}

#[tokio::test]
async fn after_goaway_old_requests_complete_and_new_ones_are_rejected() {
    let mut test = Harness::start().await;
    let mut old = test.client.open().await;
    old.send(&request("/old"), true).await;
    let mut served = test.request().await;
    test.goaway.take().unwrap().send(()).unwrap();
    // The first stream that is not served: the one after the old.
    assert_eq!(deadline(test.client.goaway()).await, 4);

    let mut new = test.client.open().await;
    new.send(&request("/new"), true).await;
    let code = Code::H3_REQUEST_REJECTED.value();
    assert_eq!(new.outcome().await, Outcome::Reset(code));

    answer(&mut served, b"fine").await;
    assert_eq!(old.outcome().await, Outcome::Body(200, b"fine".to_vec()));
    test.client.close();
    assert_eq!(deadline(test.ended).await.unwrap(), 1);
}

#[tokio::test]
async fn a_large_body_shares_its_bytes_and_survives_cancelled_flushes() {
    let mut test = Harness::start().await;
    let mut stream = test.client.open().await;
    stream.send(&request("/"), true).await;
    let mut served = test.request().await;
    let part = Arc::new(vec![7_u8; 300 << 10]);
    let writer = tokio::spawn(async move {
        let response = &mut served.response;
        response.queue_head(http::Response::new(())).unwrap();
        for _ in 0..20 {
            let part = part.to_vec();
            response.queue_data(part.into()).unwrap();
        }
        response.queue_finish();
        // Cancelled over and over, as pingora's select does.
        while tokio::time::timeout(Duration::from_micros(300), response.flush())
            .await
            .is_err()
        {}
        assert!(response.is_finished() && !response.has_queued());
        deadline(response.delivery()).await
    });
    let Outcome::Body(200, body) = stream.outcome().await else {
        panic!("not a whole body");
    };
    assert_eq!(body.len(), 20 * (300 << 10));
    assert!(body.iter().all(|byte| *byte == 7));
    assert_eq!(writer.await.unwrap(), Delivery::Acknowledged);
}

fn request_fields() -> [(&'static str, &'static str); 4] {
    client::request_fields("/")
}

#[test]
fn field_sections_are_as_rfc_9204_says() {
    // RFC 9204 appendix B.1's prefix, and a literal name as its section 4.5.6 has it.
    assert_eq!(field_section(&[("a", "b")]), [0, 0, 0x21, b'a', 1, b'b']);
}
