//! Messages -> any chunks, any interleaving, any reads -> the same messages.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use rtmp::chunk::{ChunkLimits, ChunkReader, Message};

use crate::client::{Mux, message};

/// One choice of the sending side.
#[derive(Clone, Debug)]
struct Choice {
    /// Which of the chunk streams that have something to send.
    stream: prop::sample::Index,
    /// Highest header type for a new message.
    format: u8,
    /// A Set Chunk Size before it, where no control message is under way.
    chunk_bytes: Option<u32>,
}

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    let size = prop::option::weighted(0.1, prop_oneof![1_u32..8, 1_u32..300, 1_u32..70_000]);
    let choice =
        (any::<prop::sample::Index>(), 0_u8..4, size).prop_map(|(stream, format, chunk_bytes)| {
            Choice {
                stream,
                format,
                chunk_bytes,
            }
        });
    prop::collection::vec(choice, 1..100)
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    let ids = prop_oneof![
        Just(3_u32),
        Just(4),
        Just(63),
        Just(64),
        Just(319),
        Just(320),
        Just(65_599)
    ];
    // Few lengths, types, streams and steps, so that the short headers are often legal.
    let length = prop_oneof![
        Just(0_usize),
        Just(5),
        Just(127),
        Just(128),
        Just(129),
        0_usize..700
    ];
    let one = (
        ids,
        prop_oneof![Just(8_u8), Just(9), Just(20)],
        0_u32..2,
        prop_oneof![
            Just(0_u32),
            Just(20),
            Just(0x00FF_FFFE),
            Just(0x00FF_FFFF),
            Just(0x0100_0000),
            any::<u32>()
        ],
        length,
        any::<u8>(),
    );
    prop::collection::vec(one, 0..30).prop_map(|parts| {
        let mut clock = BTreeMap::new();
        parts
            .into_iter()
            .map(|(id, type_id, stream_id, step, length, seed)| {
                let time = clock.entry(id).or_insert(0_u32);
                *time = time.wrapping_add(step);
                let payload: Vec<u8> = (0..length)
                    .map(|i| (i as u8).wrapping_mul(31) ^ seed)
                    .collect();
                message(id, type_id, stream_id, *time, &payload)
            })
            .collect()
    })
}

/// Sends everything; gives the bytes and the messages in the order in which they end.
fn send(mux: &mut Mux, messages: Vec<Message>, choices: &[Choice]) -> (Vec<u8>, Vec<Message>) {
    let mut queues: BTreeMap<u32, VecDeque<Message>> = BTreeMap::new();
    for message in messages {
        queues
            .entry(message.chunk_stream)
            .or_default()
            .push_back(message);
    }
    let (mut bytes, mut ended) = (Vec::new(), Vec::new());
    for choice in choices.iter().cycle() {
        queues.retain(|id, queue| !queue.is_empty() || mux.busy(*id));
        if queues.is_empty() {
            break;
        }
        if let Some(size) = choice.chunk_bytes {
            mux.set_chunk_bytes(size, &mut bytes);
        }
        let ids: Vec<u32> = queues.keys().copied().collect();
        let id = ids[choice.stream.index(ids.len())];
        ended.extend(if mux.busy(id) {
            mux.go_on(id, &mut bytes)
        } else {
            let next = queues.get_mut(&id).unwrap().pop_front().unwrap();
            mux.begin(next, choice.format, &mut bytes)
        });
    }
    (bytes, ended)
}

fn receive(bytes: &[u8], pieces: &[usize]) -> Vec<Message> {
    let mut reader = ChunkReader::new(ChunkLimits::PUBLISHER);
    let mut rest = bytes;
    let mut messages = Vec::new();
    for size in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (mut piece, after) = rest.split_at((*size).min(rest.len()));
        rest = after;
        while let Some(message) = reader.read(&mut piece).unwrap() {
            messages.push(message);
        }
        assert!(piece.is_empty());
    }
    assert_eq!(reader.buffered_bytes(), 0, "all memory is given back");
    messages
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn messages_survive_any_chunking(
        messages in messages(),
        choices in choices(),
        pieces in prop::collection::vec(prop_oneof![1_usize..4, 1_usize..2000], 1..50),
    ) {
        let (bytes, sent) = send(&mut Mux::new(), messages, &choices);
        prop_assert_eq!(receive(&bytes, &pieces), sent);
    }

    #[test]
    fn messages_survive_without_repeated_extended_timestamps(
        messages in messages(),
        choices in choices(),
        pieces in prop::collection::vec(prop_oneof![1_usize..4, 1_usize..2000], 1..50),
    ) {
        let mut mux = Mux::new();
        mux.repeats_extended = false;
        let (mut bytes, mut sent) = send(&mut mux, messages, &choices);
        // A short last chunk is told from a timestamp by what follows it.
        let last = message(6, 9, 1, 0, b"last");
        mux.set_chunk_bytes(128, &mut bytes);
        mux.send(last.clone(), &mut bytes);
        sent.push(last);
        prop_assert_eq!(receive(&bytes, &pieces), sent);
    }
}

#[test]
fn type_3_after_type_0_adds_the_absolute_time() {
    let bytes = [
        &b"\x04\x00\x00\x21\x00\x00\x01\x09\x01\x00\x00\x00a"[..],
        b"\xc4b",
        b"\x84\x00\x00\x0ac",
        b"\xc4d",
    ]
    .concat();
    let times: Vec<u32> = receive(&bytes, &[100])
        .iter()
        .map(|m| m.timestamp)
        .collect();
    assert_eq!(times, [33, 66, 76, 86]);
}

#[test]
fn abort_discards_what_has_come() {
    let bytes = [
        &b"\x04\x00\x00\x00\x00\x00\xff\x09\x01\x00\x00\x00"[..],
        &[7; 128],
        b"\x02\x00\x00\x00\x00\x00\x04\x02\x00\x00\x00\x00\x00\x00\x00\x04",
        b"\x04\x00\x00\x05\x00\x00\x02\x09\x01\x00\x00\x00ok",
    ]
    .concat();
    let messages = receive(&bytes, &[5]);
    assert_eq!(messages.len(), 1);
    assert_eq!(&messages[0].payload[..], b"ok");
}

#[test]
fn a_first_header_of_type_1_is_tolerated() {
    let messages = receive(
        b"\x42\x00\x00\x00\x00\x00\x06\x04\x00\x06\x00\x00\x00\x0d",
        &[3],
    );
    assert_eq!(messages[0].type_id, 4);
}
