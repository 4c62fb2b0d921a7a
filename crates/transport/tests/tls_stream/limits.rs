//! What a stream holds, at most, and when it holds nothing.

use std::pin::Pin;
use std::sync::Arc;

use tokio::io::AsyncWrite;

use crate::wire::{Client, VERSIONS, client_config, poll, read, write};
use crate::{accepted, connected};

/// One record of TLS 1.2 or 1.3.
const RECORD_MAX: usize = 5 + (1 << 14) + 2048;

#[test]
fn an_idle_stream_holds_nothing() {
    for version in VERSIONS {
        let (mut client, mut stream) = connected(version);
        assert_eq!(stream.buffered(), 0, "after the handshake");
        for len in [1, 300, 5_000, 1 << 14, 60_000] {
            let bytes = vec![7; len];
            client.send(&bytes);
            let mut back = Vec::new();
            while let Some(some) = read(&mut stream, 1_000) {
                back.extend(some.unwrap());
            }
            assert!(back == bytes);
            assert_eq!(stream.buffered(), 0, "after {len} bytes read");
            assert_eq!(write(&mut stream, &bytes).unwrap().unwrap(), len);
            assert!(client.hear().unwrap() == bytes);
            assert_eq!(stream.buffered(), 0, "after {len} bytes written");
        }
    }
}

/// Also while a write goes on in between, which asks rustls with the same bytes.
#[test]
fn a_record_that_never_ends_is_bounded_by_its_length() {
    for version in VERSIONS {
        let (mut client, mut stream) = connected(version);
        client.send(&vec![7; 1 << 14]);
        let record: Vec<u8> = client
            .wire
            .lines(|lines| lines.to_server.drain(..).collect());
        let (last, all_but_last) = record.split_last().unwrap();
        for (at, byte) in all_but_last.iter().enumerate() {
            client.wire.lines(|lines| lines.to_server.push_back(*byte));
            assert!(read(&mut stream, 1 << 14).is_none());
            assert!(
                stream.buffered() <= 2 * (at + 8),
                "{} at {at}",
                stream.buffered()
            );
            if at % 1_000 < 10 {
                write(&mut stream, b"x").unwrap().unwrap();
                assert_eq!(client.hear().unwrap(), b"x");
            }
        }
        assert!(stream.buffered() <= 2 * RECORD_MAX);
        client.wire.lines(|lines| lines.to_server.push_back(*last));
        client.send(b"next");
        let next = client.wire.lines(|lines| lines.to_server.split_off(1 + 3));
        assert!(read(&mut stream, 1 << 14).unwrap().unwrap() == vec![7; 1 << 14]);
        assert!(
            stream.buffered() <= 8,
            "the memory of the long record is kept"
        );
        client.wire.lines(|lines| lines.to_server.extend(next));
        assert_eq!(read(&mut stream, 100).unwrap().unwrap(), b"next");
        assert_eq!(stream.buffered(), 0);
    }
}

#[test]
fn what_a_blocked_peer_makes_a_stream_hold_is_bounded() {
    for version in VERSIONS {
        let (mut client, mut stream) = connected(version);
        let bytes: Vec<u8> = (0..200_000_u32).map(|i| i.to_le_bytes()[1]).collect();
        client.wire.lines(|lines| lines.room = Some(0));
        let taken = write(&mut stream, &bytes).unwrap().unwrap();
        assert_eq!(taken, 64 << 10);
        for _ in 0..200 {
            assert!(write(&mut stream, &bytes[taken..]).is_none());
            assert!(poll(|cx| Pin::new(&mut stream).poll_flush(cx)).is_pending());
            assert!(
                stream.buffered() <= (64 << 10) + 4 * 300,
                "{}",
                stream.buffered()
            );
            client.wire.lines(|lines| lines.room = Some(100));
        }
        // Reading goes on meanwhile.
        client.send(b"still here");
        assert_eq!(read(&mut stream, 100).unwrap().unwrap(), b"still here");
        client.wire.lines(|lines| lines.room = None);
        assert!(poll(|cx| Pin::new(&mut stream).poll_flush(cx)).is_ready());
        assert_eq!(stream.buffered(), 0);
        assert!(client.hear().unwrap() == bytes[..taken]);
    }
}

/// A `ClientHello` in records of 32 bytes, a byte at a time, and the answer likewise.
#[test]
fn a_handshake_in_crumbs() {
    for version in VERSIONS {
        let mut config = client_config(version);
        config.max_fragment_size = Some(32);
        config.alpn_protocols = (0..200).map(|i| format!("p{i}").into_bytes()).collect();
        config.alpn_protocols.push(b"http/1.1".to_vec());
        let mut client = Client::new(Arc::new(config));
        let mut stream = accepted(&mut client).unwrap();
        client.send(&[7; 1_000]);
        let mut back = Vec::new();
        while let Some(some) = read(&mut stream, 100) {
            back.extend(some.unwrap());
        }
        assert_eq!(back, [7; 1_000]);
        assert_eq!(stream.buffered(), 0);
    }
}
