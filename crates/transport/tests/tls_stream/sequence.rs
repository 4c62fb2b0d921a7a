//! What happens in which order: handshakes, resumption, new keys, ends.

use std::io::{ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;

use rustls::{HandshakeKind, ProtocolVersion};
use tokio::io::AsyncWrite;
use transport::tls::{ALPN_HTTP1, accept};

use crate::wire::{Client, VERSIONS, client_config, poll, read, server_config, write};
use crate::{accepted, connected, records};

#[test]
fn a_client_resumes_and_what_it_sends_with_its_finished_is_read() {
    for version in VERSIONS {
        let config = Arc::new(client_config(version));
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut client = Client::new(Arc::clone(&config));
            // rustls' client holds this until its Finished, and sends both at once.
            std::io::Write::write_all(&mut client.tls.writer(), b"early bird").unwrap();
            let mut stream = accepted(&mut client).unwrap();
            assert_eq!(stream.handshake_kind(), Some(kind));
            assert_eq!(stream.alpn_protocol(), Some(ALPN_HTTP1));
            assert_eq!(stream.protocol_version(), Some(version.version));
            assert!(stream.negotiated_cipher_suite().is_some());
            client.say();
            assert_eq!(read(&mut stream, 100).unwrap().unwrap(), b"early bird");
            assert_eq!(stream.buffered(), 0);
        }
    }
}

#[test]
fn early_data_are_refused_by_configuration() {
    let mut config = (*server_config()).clone();
    config.max_early_data_size = 1;
    let mut client = Client::new(Arc::new(client_config(VERSIONS[1])));
    let wire = client.wire.clone();
    let error = client
        .handshake(accept(Arc::new(config), wire))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// The answer to a request for new keys goes before the next data (RFC 8446 section 4.6.3).
#[test]
fn new_keys_are_used_and_answered() {
    const KEY_UPDATE_LEN: usize = 5 + 1 + 16;
    let (mut client, mut stream) = connected(VERSIONS[1]);
    for round in 0..100 {
        client.tls.refresh_traffic_keys().unwrap();
        client.send(b"under new keys");
        assert_eq!(read(&mut stream, 100).unwrap().unwrap(), b"under new keys");
        assert_eq!(stream.buffered(), 0);
        write(&mut stream, b"answer").unwrap().unwrap();
        assert_eq!(records(&client.wire)[0], (23, KEY_UPDATE_LEN), "{round}");
        assert_eq!(client.hear().unwrap(), b"answer");
    }
    client.tls.refresh_traffic_keys().unwrap();
    client.say();
    assert!(read(&mut stream, 100).is_none());
    assert!(shutdown(&mut stream));
    assert_eq!(records(&client.wire).len(), 2);
    client.hear().unwrap();
}

fn shutdown(stream: &mut (impl AsyncWrite + Unpin)) -> bool {
    poll(|cx| Pin::new(stream).poll_shutdown(cx))
        .map(Result::unwrap)
        .is_ready()
}

#[test]
fn a_close_notify_is_the_end_and_what_follows_is_ignored() {
    for version in VERSIONS {
        let (mut client, mut stream) = connected(version);
        client.send(b"last words");
        client.tls.send_close_notify();
        client.say();
        client
            .wire
            .lines(|lines| lines.to_server.extend(b"rubbish"));
        assert_eq!(read(&mut stream, 4).unwrap().unwrap(), b"last");
        assert_eq!(read(&mut stream, 100).unwrap().unwrap(), b" words");
        for _ in 0..3 {
            assert_eq!(read(&mut stream, 100).unwrap().unwrap(), b"");
        }
        assert_eq!(stream.buffered(), 0);
        // The other direction is still open.
        write(&mut stream, b"good bye").unwrap().unwrap();
        assert!(shutdown(&mut stream));
        assert!(shutdown(&mut stream));
        let kinds: Vec<_> = records(&client.wire).into_iter().map(|r| r.0).collect();
        assert_eq!(
            kinds.len(),
            2,
            "one record of data, one close_notify: {kinds:?}"
        );
        assert_eq!(client.hear().unwrap(), b"good bye");
        let error = write(&mut stream, b"more").unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(read(&mut stream, 100).unwrap().unwrap(), b"");
    }
}

/// The peer may go on after the server has closed its direction.
#[test]
fn a_closed_stream_still_reads() {
    for version in VERSIONS {
        let (mut client, mut stream) = connected(version);
        assert!(shutdown(&mut stream));
        client.send(b"wait for me");
        assert_eq!(read(&mut stream, 100).unwrap().unwrap(), b"wait for me");
        assert!(read(&mut stream, 100).is_none());
    }
}

#[test]
fn an_end_without_close_notify_is_an_error() {
    for version in VERSIONS {
        let (mut client, mut stream) = connected(version);
        client.send(b"all there is");
        client.wire.lines(|lines| lines.is_closed = true);
        assert_eq!(read(&mut stream, 100).unwrap().unwrap(), b"all there is");
        for _ in 0..3 {
            let error = read(&mut stream, 100).unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        }
    }
}

#[test]
fn slices_share_a_record_and_bulk_fills_records() {
    let overhead = |version| match version {
        ProtocolVersion::TLSv1_3 => 1 + 16,
        _ => 8 + 16,
    };
    for version in VERSIONS {
        let (mut client, mut stream) = connected(version);
        let overhead = overhead(version.version);
        assert!(stream.is_write_vectored());

        let slices = ["", "one ", "two ", "", "three"].map(|s| IoSlice::new(s.as_bytes()));
        let count = poll(|cx| Pin::new(&mut stream).poll_write_vectored(cx, &slices));
        assert_eq!(
            count.map(Result::unwrap).map(|n| n == 13),
            std::task::Poll::Ready(true)
        );
        assert_eq!(records(&client.wire), [(23, 13 + overhead)]);
        assert_eq!(client.hear().unwrap(), b"one two three");

        let (small, large) = ([1; 100], vec![2; 100_000]);
        let slices = [IoSlice::new(&small), IoSlice::new(&large)];
        let count = poll(|cx| Pin::new(&mut stream).poll_write_vectored(cx, &slices));
        assert_eq!(
            count.map(Result::unwrap).map(|n| n == 1 << 14),
            std::task::Poll::Ready(true)
        );
        assert_eq!(records(&client.wire), [(23, (1 << 14) + overhead)]);
        let heard = client.hear().unwrap();
        assert!(heard[..100] == small && heard[100..] == large[..(1 << 14) - 100]);

        assert_eq!(write(&mut stream, &large).unwrap().unwrap(), 64 << 10);
        assert_eq!(records(&client.wire), [(23, (1 << 14) + overhead); 4]);
        assert!(client.hear().unwrap() == large[..64 << 10]);

        let slices = [IoSlice::new(&large), IoSlice::new(&small)];
        let count = poll(|cx| Pin::new(&mut stream).poll_write_vectored(cx, &slices));
        assert_eq!(
            count.map(Result::unwrap).map(|n| n == 64 << 10),
            std::task::Poll::Ready(true)
        );
        assert!(client.hear().unwrap() == large[..64 << 10]);
        assert_eq!(stream.buffered(), 0);

        assert_eq!(write(&mut stream, b"").unwrap().unwrap(), 0);
        let count = poll(|cx| Pin::new(&mut stream).poll_write_vectored(cx, &[]));
        assert_eq!(count.map(Result::unwrap), std::task::Poll::Ready(0));
        assert_eq!(records(&client.wire), []);
    }
}
