use proptest::prelude::*;

use super::*;
use crate::{
    rng::Rng,
    schema::{Act, Body, ClientMessage, EventFrame, FromEdge, ServerMessage, ToEdge},
};

/// Both forms, there and back; and that no beginning of the binary form is a message.
macro_rules! round_trips {
    ($($name:ident: $type:ty),*) => {
        proptest! {
            $(#[test]
            fn $name(seed: u64) {
                let message = <$type>::any(&mut Rng::new(seed));
                let bytes = message.to_binary();
                prop_assert_eq!(&<$type>::from_binary(&bytes).unwrap(), &message);
                for end in 0..bytes.len() {
                    prop_assert!(<$type>::from_binary(&bytes[..end]).is_err());
                }
                let json = message.to_json();
                prop_assert_eq!(&<$type>::from_json(&json).unwrap(), &message);
            })*
        }
    };
}

round_trips!(
    client_messages: ClientMessage,
    server_messages: ServerMessage,
    messages_of_edges: FromEdge,
    messages_of_hubs: ToEdge
);

proptest! {
    /// Whatever the bytes: an answer, and what decodes encodes to what decodes to the same.
    #[test]
    fn nonsense_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut versioned = vec![SCHEMA_VERSION];
        versioned.extend(&bytes);
        for bytes in [&bytes, &versioned] {
            if let Ok(message) = ServerMessage::from_binary(bytes) {
                let again = ServerMessage::from_binary(&message.to_binary()).unwrap();
                prop_assert_eq!(again, message);
            }
            let _ = ToEdge::from_binary(bytes);
            let _ = FromEdge::from_binary(bytes);
            let _ = ClientMessage::from_binary(bytes);
        }
    }

    /// One byte changed: an answer all the same.
    #[test]
    fn damage_is_survived(seed: u64, at: prop::sample::Index, byte: u8) {
        let mut bytes = ToEdge::any(&mut Rng::new(seed)).to_binary().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = ToEdge::from_binary(&bytes);
    }

    #[test]
    fn numbers(value: u64) {
        prop_assert_eq!(decode::<u64>(&encode(&value)).unwrap(), value);
    }
}

#[test]
fn lengths_are_checked_before_memory_is_taken() {
    // A string of 2^63 bytes; a list of 2^40 attributes.
    let long = encode(&(1_u64 << 63));
    assert!(matches!(decode::<String>(&long), Err(DecodeError::End)));
    let many = encode(&(1_u64 << 40));
    assert!(matches!(
        decode::<Vec<u64>>(&many),
        Err(DecodeError::Length(_))
    ));
    let few = encode(&1_000_u64);
    assert!(matches!(decode::<Vec<u64>>(&few), Err(DecodeError::End)));
}

#[test]
fn each_error_has_its_name() {
    let message = ClientMessage::Like { count: 1 }.to_binary();
    let with = |at: usize, byte: u8| {
        let mut bytes = message.to_vec();
        bytes[at] = byte;
        ClientMessage::from_binary(&bytes).unwrap_err().to_string()
    };
    assert_eq!(with(0, 9), "version 9, and 1 is what is spoken here");
    assert_eq!(with(1, 99), "unknown case 99");
    assert_eq!(with(2, 0x80), "the message ends too early");
    let mut rest = message.to_vec();
    rest.push(0);
    let rest = ClientMessage::from_binary(&rest).unwrap_err();
    assert_eq!(rest.to_string(), "1 bytes are left over");
    let eleven = [&[SCHEMA_VERSION][..], &[0xFF; 10], &[0]].concat();
    assert!(matches!(decode::<u64>(&eleven), Err(DecodeError::Number)));
    assert!(matches!(
        decode::<u32>(&encode(&(1_u64 << 32))),
        Err(DecodeError::Number)
    ));
    let bad = [SCHEMA_VERSION, 1, 0xFF];
    assert!(matches!(decode::<String>(&bad), Err(DecodeError::Utf8)));
}

#[test]
fn frames_that_no_hub_makes_are_refused() {
    let event = |seq| {
        Arc::new(crate::schema::Event {
            seq,
            at_ms: 5,
            media_ms: None,
            body: Body::Moderation(crate::schema::Moderation {
                actor: String::new(),
                reason: String::new(),
                act: Act::Clear,
            }),
        })
    };
    let frame = |first, last, seqs: &[u64]| EventFrame {
        epoch: 1,
        at_ms: 5,
        first,
        last,
        dropped: 0,
        events: seqs.iter().copied().map(event).collect(),
    };
    for bad in [
        frame(0, 1, &[1]),
        frame(3, 2, &[]),
        frame(1, 3, &[2, 2]),
        frame(1, 3, &[4]),
        frame(2, 3, &[1]),
    ] {
        let message = ServerMessage::Events(bad);
        assert!(ServerMessage::from_binary(&message.to_binary()).is_err());
        assert!(ServerMessage::from_json(&message.to_json()).is_err());
    }
    // A client may get less than all, a window may not.
    let part = frame(1, 3, &[1, 3]);
    let to_client = ServerMessage::Events(part.clone());
    assert!(ServerMessage::from_binary(&to_client.to_binary()).is_ok());
    let to_edge = ToEdge::Frame(Arc::new(part));
    assert!(ToEdge::from_binary(&to_edge.to_binary()).is_err());
}
