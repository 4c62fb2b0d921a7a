//! What a stranger may send: each ends with a reason, in bounded memory.

use proptest::prelude::*;
use rtmp::chunk::{ChunkError, message_type};
use rtmp::{Blame, Event, ProtocolError, ServerSession, limits};

use crate::client::{self, Mux, connect, handshake, message, number, text};

fn connected() -> (ServerSession, Mux) {
    let mut session = ServerSession::new();
    let mut mux = Mux::new();
    let mut bytes = handshake();
    connect(&mut mux, "live", &mut bytes);
    session.handle_input(&bytes).unwrap();
    (session, mux)
}

fn publishing() -> (ServerSession, Mux) {
    let mut session = ServerSession::new();
    let mut mux = Mux::new();
    let bytes = client::publish(&mut mux, "live", "k");
    session.handle_input(&bytes).unwrap();
    session.accept().unwrap();
    while session.poll_event().is_some() {}
    (session, mux)
}

#[track_caller]
fn check(session: &mut ServerSession, bytes: &[u8], reason: &str) -> ProtocolError {
    let error = session.handle_input(bytes).unwrap_err();
    assert_eq!(error.reason(), reason);
    assert_eq!(error.blame(), Blame::PeerMisbehaved);
    assert!(session.buffered_bytes() <= limits::COMMAND_REASSEMBLY_BYTES_MAX);
    assert_eq!(session.handle_input(b"more"), Err(ProtocolError::Ended));
    error
}

#[test]
fn another_protocol() {
    let error = ServerSession::new()
        .handle_input(b"GET / HTTP/1.1\r\n")
        .unwrap_err();
    assert_eq!(error, ProtocolError::UnsupportedVersion(b'G'));
    assert_eq!(error.blame(), Blame::PeerUnsupported);
}

#[test]
fn garbage_after_the_handshake() {
    let mut session = ServerSession::new();
    session.handle_input(&handshake()).unwrap();
    check(&mut session, &[0xFF; 4096], "bad_chunk");
}

#[test]
fn chunk_size_of_2_gib() {
    for size in [0, 0x0100_0000, 0x7FFF_FFFF, 0x8000_0000, u32::MAX] {
        let (mut session, mut mux) = connected();
        let mut bytes = Vec::new();
        mux.send(
            message(2, message_type::SET_CHUNK_SIZE, 0, 0, &size.to_be_bytes()),
            &mut bytes,
        );
        let error = check(&mut session, &bytes, "bad_chunk_size");
        assert_eq!(error, ChunkError::InvalidChunkSize(size).into());
        assert_eq!(session.buffered_bytes(), 0);
    }
}

#[test]
fn huge_message_before_and_after_publish() {
    let header = b"\x04\x00\x00\x00\xff\xff\xff\x09\x01\x00\x00\x00";
    let (mut session, _) = connected();
    check(&mut session, header, "message_too_long");
    let (mut session, _) = publishing();
    check(&mut session, header, "message_too_long");
    assert_eq!(session.buffered_bytes(), 0);
}

#[test]
fn many_half_messages() {
    // Before a publish: few strangers' bytes are held.
    let (mut session, _) = connected();
    let mut bytes = Vec::new();
    for id in 4_u8..40 {
        bytes.extend_from_slice(&[id, 0, 0, 0, 0, 0xFF, 0xFF, 9, 1, 0, 0, 0]);
        bytes.extend_from_slice(&[0; 128]);
    }
    check(&mut session, &bytes, "reassembly_full");
    // After it: an accepted publisher is bounded as well.
    let (mut session, _) = publishing();
    let mut error = None;
    for id in 4_u8..34 {
        let mut bytes = vec![id, 0, 0, 0, 0x3F, 0xFF, 0xFF, 9, 1, 0, 0, 0];
        bytes.extend_from_slice(&[0; 128]);
        for _ in 0..4096 {
            bytes.push(0xC0 | id);
            bytes.extend_from_slice(&[0; 128]);
        }
        error = session.handle_input(&bytes).err();
        assert!(session.buffered_bytes() <= limits::REASSEMBLY_BYTES_MAX);
        if error.is_some() {
            break;
        }
    }
    assert_eq!(error.unwrap().reason(), "reassembly_full");
}

#[test]
fn many_chunk_streams() {
    let (mut session, _) = connected();
    let mut bytes = Vec::new();
    for id in 3_u8..63 {
        bytes.extend_from_slice(&[id, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0]);
    }
    check(&mut session, &bytes, "too_many_chunk_streams");
}

#[test]
fn interrupted_message_and_missing_header() {
    let (mut session, _) = connected();
    let header = b"\x04\x00\x00\x00\x00\xff\xff\x09\x01\x00\x00\x00";
    let bytes = [&header[..], &[0; 128], header].concat();
    check(&mut session, &bytes, "bad_chunk");
    let (mut session, _) = connected();
    let error = check(&mut session, &[0xC9], "bad_chunk");
    let expected = ChunkError::MissingHeader {
        chunk_stream: 9,
        format: 3,
    };
    assert_eq!(error, expected.into());
}

#[test]
fn deep_amf() {
    let (mut session, mut mux) = connected();
    let payload = [b"\x02\x00\x01x".to_vec(), b"\x03\x00\x01a".repeat(1000)].concat();
    let mut bytes = Vec::new();
    let command = message(3, message_type::COMMAND_AMF0, 0, 0, &payload);
    mux.send(command, &mut bytes);
    // Where the transaction id is due stands the object: it is decoded first, and is too deep.
    check(&mut session, &bytes, "amf_limit");
}

#[test]
fn media_without_publish() {
    let (mut session, mut mux) = connected();
    let mut bytes = Vec::new();
    mux.send(message(4, 9, 1, 0, b"\x17\x00\x00\x00\x00"), &mut bytes);
    let error = check(&mut session, &bytes, "media_before_publish");
    assert_eq!(error, ProtocolError::MediaBeforePublish);
}

#[test]
fn flood_while_undecided() {
    let mut session = ServerSession::new();
    let mut mux = Mux::new();
    session
        .handle_input(&client::publish(&mut mux, "live", "k"))
        .unwrap();
    let flood = vec![0; limits::PENDING_INPUT_BYTES_MAX];
    session.handle_input(&flood).unwrap();
    let error = check(&mut session, b"x", "media_before_publish");
    assert_eq!(error, ProtocolError::PendingInputFull);
}

#[test]
fn short_control_messages_and_commands() {
    for (type_id, reason) in [
        (1, "bad_chunk"),
        (2, "bad_chunk"),
        (4, "bad_control"),
        (5, "bad_control"),
    ] {
        let (mut session, mut mux) = connected();
        let mut bytes = Vec::new();
        mux.send(message(2, type_id, 0, 0, b"\0"), &mut bytes);
        check(&mut session, &bytes, reason);
    }
    for values in [
        &[number(1)][..],
        &[text("createStream"), text("x")],
        &[text("connect"), number(1)],
        &[text("publish"), number(0), number(0), number(0)],
    ] {
        let (mut session, mut mux) = connected();
        let mut bytes = Vec::new();
        mux.command(1, values, &mut bytes);
        check(&mut session, &bytes, "bad_command");
    }
}

#[test]
fn aggregates_are_bounded() {
    for (payload, reason) in [
        (b"\x09\x00\x00\xff\0\0\0\0\0\0\0".to_vec(), "bad_aggregate"),
        (
            b"\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0".repeat(2000),
            "bad_aggregate",
        ),
    ] {
        let (mut session, mut mux) = publishing();
        let mut bytes = Vec::new();
        mux.send(
            message(4, message_type::AGGREGATE, 1, 0, &payload),
            &mut bytes,
        );
        check(&mut session, &bytes, reason);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_end_or_go_on_in_bounded_memory(
        published: bool,
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..20),
    ) {
        let (mut session, _) = if published { publishing() } else { connected() };
        for piece in pieces {
            if session.handle_input(&piece).is_err() {
                break;
            }
            while let Some(event) = session.poll_event() {
                if let Event::Publish { .. } = event {
                    let _ = session.accept();
                }
            }
            prop_assert!(session.buffered_bytes() <= limits::REASSEMBLY_BYTES_MAX);
        }
    }
}
