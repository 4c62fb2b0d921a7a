//! Peers that break off, break the rules, or send noise.

use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use transport::tls::accept;

use crate::wire::{Client, VERSIONS, Wire, client_config, poll, read, server_config, write};
use crate::{accepted, connected, records};

const ALERT: u8 = 21;

/// What `accept` says to `bytes` and the end of the connection.
fn accept_error(bytes: &[u8]) -> (ErrorKind, Wire) {
    let wire = Wire::default();
    wire.lines(|lines| {
        lines.to_server.extend(bytes);
        lines.is_closed = true;
    });
    let accept = pin!(accept(server_config(), wire.clone()));
    let Poll::Ready(Err(error)) = poll(|cx| accept.poll(cx)) else {
        panic!("accepted, or waits for a closed connection");
    };
    (error.kind(), wire)
}

#[test]
fn garbage_gets_an_alert_and_an_error() {
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        &[0; 100],
        &[22, 3, 1, 0xff, 0xff],
    ] {
        let (kind, wire) = accept_error(garbage);
        assert_eq!(kind, ErrorKind::InvalidData);
        assert_eq!(records(&wire), [(ALERT, 2)]);
    }
}

#[test]
fn a_client_that_leaves_in_the_handshake() {
    for version in VERSIONS {
        let mut client = Client::new(Arc::new(client_config(version)));
        client.say();
        let hello: Vec<u8> = client
            .wire
            .lines(|lines| lines.to_server.drain(..).collect());
        for len in [0, 1, 4, 5, 6, hello.len() / 2, hello.len() - 1, hello.len()] {
            let (kind, _) = accept_error(&hello[..len]);
            assert_eq!(kind, ErrorKind::UnexpectedEof, "after {len} bytes");
        }
    }
}

#[test]
fn a_handshake_message_that_never_ends_is_bounded() {
    // A ClientHello of 65,535 bytes in records of one byte each: too much before it is complete.
    let record = |byte| [22, 3, 1, 0, 1, byte];
    let header = [1, 0, 0xff, 0xff].map(record).concat();
    let crumbs = [header, record(0).repeat(20_000)].concat();
    assert_eq!(accept_error(&crumbs).0, ErrorKind::InvalidData);
    // Larger than rustls takes: refused at its header.
    let (kind, wire) = accept_error(&[22, 3, 1, 0, 4, 1, 1, 0, 0]);
    assert_eq!(kind, ErrorKind::InvalidData);
    assert!(records(&wire).len() <= 1);
}

#[test]
fn a_fatal_alert_is_an_abort() {
    for version in VERSIONS {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trusts_nobody = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let mut client = Client::new(Arc::new(trusts_nobody));
        let error = accepted(&mut client).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted, "{error}");
    }
}

#[test]
fn a_forged_record_is_an_error_after_what_came_before_it() {
    for version in VERSIONS {
        let (mut client, mut stream) = connected(version);
        client.send(b"genuine");
        client.send(b"forged");
        client
            .wire
            .lines(|lines| *lines.to_server.back_mut().unwrap() ^= 1);
        assert_eq!(read(&mut stream, 3).unwrap().unwrap(), b"gen");
        assert_eq!(read(&mut stream, 100).unwrap().unwrap(), b"uine");
        for _ in 0..3 {
            let error = read(&mut stream, 100).unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            let error = write(&mut stream, b"x").unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
        }
        assert_eq!(records(&client.wire).len(), 1);
        let error = client.hear().unwrap_err();
        assert!(matches!(error, rustls::Error::AlertReceived(_)), "{error}");
    }
}

/// Whatever is changed in what a client sends: errors at most, and bounded memory.
#[test]
fn mutated_records_do_no_harm() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut established = 0;
    for round in 0..1_500 {
        let mut client = Client::new(Arc::new(client_config(VERSIONS[round % 2])));
        let wire = client.wire.clone();
        let mut accept = pin!(accept(server_config(), wire.clone()));
        let mut stream = None;
        let rate = [0.0, 0.1, 0.5][rng.random_range(0..3)];
        for _ in 0..5 {
            client.say();
            mutate(&wire, &mut rng, rate);
            match poll(|cx| accept.as_mut().poll(cx)) {
                Poll::Pending => {}
                Poll::Ready(Ok(accepted)) => {
                    stream = Some(accepted);
                    break;
                }
                Poll::Ready(Err(_)) => break,
            }
            let _ = client.hear();
        }
        let Some(mut stream) = stream else { continue };
        established += 1;
        let _ = client.hear();
        for _ in 0..8 {
            let _ = client.tls.refresh_traffic_keys();
            client.send(&vec![7; rng.random_range(0..40_000)]);
            mutate(&wire, &mut rng, 0.5);
            // Data, an error, or nothing yet; and the same once more after an error.
            for _ in 0..12 {
                let _ = read(&mut stream, rng.random_range(1..20_000));
                assert!(stream.buffered() <= 160 << 10, "{}", stream.buffered());
            }
            let _ = write(&mut stream, b"answer");
        }
    }
    assert!(established > 300, "{established}");
}

fn mutate(wire: &Wire, rng: &mut StdRng, rate: f64) {
    wire.lines(|lines| {
        let len = lines.to_server.len();
        if len == 0 || !rng.random_bool(rate) {
            return;
        }
        // Headers and the first bytes of messages are where decisions are made.
        let near = if rng.random_bool(0.5) {
            len.min(16)
        } else {
            len
        };
        let at = rng.random_range(0..near);
        match rng.random_range(0..5) {
            0 => lines.to_server.truncate(at),
            1 => lines.to_server.insert(at, rng.random()),
            2 => drop(lines.to_server.remove(at)),
            3 => {
                let copy: Vec<u8> = lines.to_server.iter().copied().collect();
                lines.to_server.extend(copy);
            }
            _ => lines.to_server[at] ^= 1 << rng.random_range(0..8),
        }
    });
}
