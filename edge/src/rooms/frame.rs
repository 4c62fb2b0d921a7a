//! Server frames of RFC 6455.
//!
//! What a room is told is the same for thousands: the frames are written here, as many at once as
//! there are, and not by the library, which would copy each of them into a buffer that stays as large
//! as the largest. The library reads, and answers pings and closes.

/// A whole text message (section 5.6).
pub const TEXT: u8 = 0x1;
/// A whole binary message.
pub const BINARY: u8 = 0x2;
/// A ping (section 5.5.2).
pub const PING: u8 = 0x9;
/// A close (section 5.5.1).
pub const CLOSE: u8 = 0x8;

const FIN: u8 = 0x80;

/// Appends a frame that is a whole message. Servers do not mask (section 5.1).
pub fn append(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(FIN | opcode);
    let length = payload.len();
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => out.push(short),
        (_, Ok(middle)) => {
            out.push(126);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(127);
            let long = u64::try_from(length).unwrap_or(u64::MAX);
            out.extend_from_slice(&long.to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Appends a close frame with its code and reason.
pub fn append_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(reason.as_bytes());
    append(out, CLOSE, &payload);
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

    use super::*;

    #[test]
    fn the_library_reads_what_is_written() {
        for length in [0, 1, 125, 126, 65_535, 65_536, 100_000] {
            let payload = vec![b'x'; length];
            let mut out = Vec::new();
            append(&mut out, BINARY, &payload);
            append(&mut out, TEXT, &payload);
            append_close(&mut out, 4008, "slow");
            let mut socket =
                WebSocket::from_raw_socket(std::io::Cursor::new(out), Role::Client, None);
            let read = [socket.read().unwrap(), socket.read().unwrap()];
            assert_eq!(read[0], Message::binary(payload.clone()));
            assert_eq!(read[1], Message::text(String::from_utf8(payload).unwrap()));
            let Message::Close(Some(close)) = socket.read().unwrap() else {
                panic!("no close");
            };
            assert_eq!((u16::from(close.code), &*close.reason), (4008, "slow"));
        }
    }
}
