//! The front end against real clients: HTTP/3 above all, and HTTP/1.1 and HTTP/2 beside it on the
//! same port and the same pipeline.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "frontend_h3/harness.rs"]
mod harness;
#[path = "frontend_h3/keys.rs"]
mod keys;

use bytes::Bytes;
use harness::{End, Frontend, deadline, end, head};
use http::{Method, Request, StatusCode};
use transport::h3::Code;
use transport::tls::{ALPN_H2, ALPN_HTTP1};

fn whole(body: &str) -> End {
    End::Whole(body.to_owned())
}

fn broken() -> End {
    End::Broken(Code::H3_INTERNAL_ERROR.value())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_port_and_one_pipeline_for_three_protocols() {
    let test = Frontend::start().await;
    let (status, body) = test.get_over_tcp(ALPN_HTTP1, "/echo?a=1").await;
    assert!(
        status == StatusCode::OK && body.starts_with("GET "),
        "{status} {body}"
    );
    let (status, body) = test.get_over_tcp(ALPN_H2, "/echo?a=1").await;
    assert!(
        status == StatusCode::OK && body.starts_with("GET "),
        "{status} {body}"
    );
    let mut client = test.h3().await;
    let mut stream = client.get("/echo?a=1").await;
    assert_eq!(head(&mut stream).await.headers()["x-protocol"], "h3");
    let End::Whole(body) = end(&mut stream).await else {
        panic!("broken")
    };
    assert!(body.contains("host: localhost"), "{body}");
    for protocol in ["h1", "h2", "h3"] {
        assert_eq!(
            test.metrics.connections_total(protocol).get(),
            1,
            "{protocol}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_the_hop_are_stripped_and_a_date_is_made() {
    let test = Frontend::start().await;
    let mut client = test.h3().await;
    let mut stream = client.get("/echo").await;
    let head = head(&mut stream).await;
    for name in ["connection", "x-hop", "transfer-encoding"] {
        assert!(!head.headers().contains_key(name), "{name}");
    }
    let date = head.headers()["date"].to_str().unwrap();
    let date = httpdate::parse_http_date(date).unwrap();
    assert!(date.elapsed().unwrap_or_default().as_secs() < 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_arrives_piece_by_piece() {
    let test = Frontend::start().await;
    let mut client = test.h3().await;
    let mut stream = client.get("/pieces").await;
    head(&mut stream).await;
    for piece in ["one", "two", "three"] {
        // Nothing can come before the gate opens: each wait proves one piece.
        test.gate.add_permits(1);
        let mut got = Vec::new();
        while got.len() < piece.len() {
            let mut data = deadline(stream.recv_data()).await.unwrap().unwrap();
            let length = bytes::Buf::remaining(&data);
            got.extend_from_slice(&bytes::Buf::copy_to_bytes(&mut data, length));
        }
        assert_eq!(got, piece.as_bytes());
    }
    assert_eq!(end(&mut stream).await, whole(""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_response_never_ends_with_a_fin() {
    let test = Frontend::start().await;
    let mut client = test.h3().await;
    for path in ["/broken", "/broken-length", "/short"] {
        let mut stream = client.get(path).await;
        // The reset may overtake the head.
        let outcome = match deadline(stream.recv_response()).await {
            Ok(_) => end(&mut stream).await,
            Err(::h3::error::StreamError::RemoteTerminate { code, .. }) => {
                End::Broken(code.value())
            }
            Err(e) => panic!("{path}: {e}"),
        };
        assert_eq!(outcome, broken(), "{path}");
    }
    let mut stream = client.get("/echo").await;
    assert_eq!(head(&mut stream).await.status(), 200);
    test.assert_no_leak().await;
    assert_eq!(test.metrics.h3_resets.get(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_to_an_origin_with_their_host_and_their_framing() {
    let test = Frontend::start().await;
    let mut client = test.h3().await;
    let mut stream = client.get("/origin").await;
    assert_eq!(head(&mut stream).await.status(), 200);
    let got = end(&mut stream).await;
    assert_eq!(got, whole("GET /origin host=localhost te=none body=0"));

    // A FIN that comes late is not a body. The delay is the input under test, not a wait.
    let mut stream = client.open(Request::get("/late")).await;
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    stream.finish().await.unwrap();
    head(&mut stream).await;
    let got = end(&mut stream).await;
    assert_eq!(got, whole("GET /late host=localhost te=none body=0"));

    let mut stream = client.open(Request::post("/sent")).await;
    for _ in 0..50 {
        stream
            .send_data(Bytes::from(vec![1; 10_000]))
            .await
            .unwrap();
    }
    stream.finish().await.unwrap();
    head(&mut stream).await;
    let got = end(&mut stream).await;
    assert_eq!(
        got,
        whole("POST /sent host=localhost te=chunked body=500000")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_request_gets_a_head() {
    let test = Frontend::start().await;
    let mut client = test.h3().await;
    let head_request = Request::builder().method(Method::HEAD);
    let mut stream = client.send(head_request.uri("/short")).await;
    let head = head(&mut stream).await;
    assert_eq!(head.headers()["content-length"], "100");
    assert_eq!(end(&mut stream).await, whole(""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posted_body_must_be_as_long_as_announced() {
    let test = Frontend::start().await;
    let mut client = test.h3().await;
    let post = |length: &str| Request::post("/post").header("content-length", length.to_owned());
    for (length, good) in [("10", true), ("11", false), ("9", false)] {
        let mut stream = client.open(post(length)).await;
        // The server may refuse before all is sent.
        let _ = stream.send_data(Bytes::from_static(b"12345")).await;
        let _ = stream.send_data(Bytes::from_static(b"67890")).await;
        let _ = stream.finish().await;
        let answer = deadline(stream.recv_response()).await;
        if good {
            assert_eq!(answer.unwrap().status(), 200);
            assert_eq!(end(&mut stream).await, whole("10 bytes of Some(49)"));
        } else {
            assert!(
                !answer.is_ok_and(|answer| answer.status().is_success()),
                "{length}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_noticed_at_once() {
    let mut test = Frontend::start().await;
    let mut client = test.h3().await;
    let mut stream = client.get("/hold").await;
    test.held(true, 1).await;
    stream.stop_sending(Code::H3_REQUEST_CANCELLED);
    test.held(false, 1).await;

    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(client.get("/hold").await);
    }
    test.held(true, 20).await;
    client.connection.close(0x100_u32.into(), b"");
    test.held(false, 20).await;
    test.assert_no_leak().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_get_a_400() {
    let test = Frontend::start().await;
    let mut client = test.h3().await;
    let requests = [
        Request::get("https://user@localhost/echo"),
        Request::get("/echo").header("transfer-encoding", "chunked"),
        Request::get("/echo").header("te", "gzip"),
        Request::get("/echo").header("content-length", "nine"),
        Request::get("/echo").header("content-length", "9"),
    ];
    for request in requests {
        let what = format!("{request:?}");
        let mut stream = client.send(request).await;
        assert_eq!(head(&mut stream).await.status(), 400, "{what}");
        assert_eq!(end(&mut stream).await, whole(""));
    }
    let mut stream = client.get("/echo").await;
    assert_eq!(head(&mut stream).await.status(), 200);
    test.assert_no_leak().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_requests_are_held_on_one_connection() {
    const REQUESTS: usize = 2000;
    let mut test = Frontend::start_with(|options| {
        options.transport.bidi_streams_max = 4096;
    })
    .await;
    let mut client = test.h3().await;
    let mut streams = Vec::new();
    for _ in 0..REQUESTS {
        streams.push(client.get("/hold").await);
    }
    test.held(true, REQUESTS).await;
    assert_eq!(test.metrics.h3_in_progress.get(), 2000);
    test.gate.add_permits(REQUESTS);
    for mut stream in streams {
        assert_eq!(head(&mut stream).await.status(), 200);
        assert_eq!(end(&mut stream).await, whole("held"));
    }
    test.assert_no_leak().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_is_refused() {
    let test = Frontend::start_with(|options| options.connections_max = 1).await;
    let mut first = test.h3().await;
    assert!(test.try_quic().await.is_err());
    let mut stream = first.get("/echo").await;
    assert_eq!(head(&mut stream).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_can_be_asked_to_show_their_address() {
    let test = Frontend::start_with(|options| options.unvalidated_handshakes_max = 0).await;
    let mut client = test.h3().await;
    let mut stream = client.get("/echo").await;
    assert_eq!(head(&mut stream).await.status(), 200);
    let asked = test.metrics.h3_refused.with_label_values(&["unvalidated"]);
    assert_eq!(asked.get(), 1);
    // Also one whose hello takes two packets, with a token in both.
    let agreed = test.metrics.handshakes_total("quic", "x25519mlkem768");
    assert_eq!(agreed.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_lets_the_held_finish_and_turns_the_new_away() {
    let mut test = Frontend::start().await;
    let mut client = test.h3().await;
    let mut held = client.get("/hold").await;
    test.held(true, 1).await;
    test.shut_down();
    // The client learns of the GOAWAY: it opens no more streams.
    let refused = deadline(async {
        loop {
            let request = Request::get("https://localhost/echo").body(()).unwrap();
            match client.client.send_request(request).await {
                Err(e) => return e.to_string(),
                Ok(mut stream) => {
                    // Sent before the GOAWAY came: rejected, not dropped.
                    if let Err(e) = stream.recv_response().await {
                        return e.to_string();
                    }
                }
            }
        }
    })
    .await;
    assert!(!refused.is_empty());
    assert!(test.try_quic().await.is_err());
    test.gate.add_permits(1);
    assert_eq!(head(&mut held).await.status(), 200);
    assert_eq!(end(&mut held).await, whole("held"));
    test.drained().await;
    let closed = deadline(client.connection.closed()).await;
    let quinn::ConnectionError::ApplicationClosed(close) = closed else {
        panic!("{closed}");
    };
    assert_eq!(close.error_code.into_inner(), Code::H3_NO_ERROR.value());
    deadline(client.driver).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_is_bounded() {
    let mut test = Frontend::start_with(|options| {
        options.drain_timeout = std::time::Duration::from_millis(200).into();
    })
    .await;
    let mut client = test.h3().await;
    let _held = client.get("/hold").await;
    test.held(true, 1).await;
    test.shut_down();
    test.drained().await;
    test.held(false, 1).await;
}
