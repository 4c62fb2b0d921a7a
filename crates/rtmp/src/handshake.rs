//! The simple handshake (spec 5.2), from the server's side.

use bytes::{BufMut, BytesMut};

/// Version byte of C0 and S0.
const VERSION: u8 = 3;
const HANDSHAKE_BYTES: usize = 1536;

/// Reads C0, C1 and C2, answers S0, S1 and S2.
///
/// A client that tries the "complex" digest handshake gets the simple answer: zeros where a server
/// that knows digests puts its version, which every client takes as "no digest". C2 is not
/// compared with S1: clients in the field echo wrongly, and the echo proves nothing.
#[derive(Debug)]
pub(crate) struct Handshake {
    /// C1, kept to be echoed; then the count of C2's bytes is all that matters.
    c1: Vec<u8>,
    step: Step,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    C0,
    C1,
    C2 { seen: usize },
}

/// C0 asked for a version that is not spoken here: not an RTMP client, or RTMPE.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnsupportedVersion(pub(crate) u8);

impl Handshake {
    pub(crate) fn new() -> Self {
        Self {
            c1: Vec::new(),
            step: Step::C0,
        }
    }

    /// Consumes from `input`; `true` once C2 is whole.
    pub(crate) fn read(
        &mut self,
        input: &mut &[u8],
        out: &mut BytesMut,
    ) -> Result<bool, UnsupportedVersion> {
        loop {
            if input.is_empty() {
                return Ok(false);
            }
            match self.step {
                Step::C0 => {
                    let version = take(input, 1).first().copied().unwrap_or_default();
                    if version != VERSION {
                        return Err(UnsupportedVersion(version));
                    }
                    self.step = Step::C1;
                }
                Step::C1 => {
                    self.c1
                        .extend_from_slice(take(input, HANDSHAKE_BYTES - self.c1.len()));
                    if self.c1.len() == HANDSHAKE_BYTES {
                        answer(&self.c1, out);
                        self.step = Step::C2 { seen: 0 };
                    }
                }
                Step::C2 { seen } => {
                    let seen = seen + take(input, HANDSHAKE_BYTES - seen).len();
                    if seen == HANDSHAKE_BYTES {
                        return Ok(true);
                    }
                    self.step = Step::C2 { seen };
                }
            }
        }
    }
}

fn answer(c1: &[u8], out: &mut BytesMut) {
    out.reserve(1 + 2 * HANDSHAKE_BYTES);
    out.put_u8(VERSION);
    // S1: time 0, version 0, then bytes that need not be random (spec 5.2.3): they only tell one
    // side's echo from the other's.
    out.put_bytes(0, 8);
    out.put_bytes(b'w', HANDSHAKE_BYTES - 8);
    // S2: the echo of C1.
    out.put_slice(c1);
}

/// Takes up to `count` bytes off the front.
pub(crate) fn take<'a>(input: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (head, tail) = input.split_at(count.min(input.len()));
    *input = tail;
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_after_c1_and_ends_after_c2() {
        let mut client = vec![VERSION];
        client.extend((0..HANDSHAKE_BYTES).map(|i| i as u8));
        client.extend(vec![0; HANDSHAKE_BYTES]);
        client.extend(b"rest");
        for piece_bytes in [1, 7, 1536, 1537, 5000] {
            let mut handshake = Handshake::new();
            let mut out = BytesMut::new();
            let mut done = false;
            let mut rest = Vec::new();
            for mut piece in client.chunks(piece_bytes) {
                done = done || handshake.read(&mut piece, &mut out).unwrap();
                rest.extend_from_slice(piece);
            }
            assert!(done);
            assert_eq!(rest, b"rest");
            assert_eq!(out.len(), 1 + 2 * HANDSHAKE_BYTES);
            assert_eq!(out[0], VERSION);
            assert_eq!(out[1 + HANDSHAKE_BYTES..], client[1..=HANDSHAKE_BYTES]);
        }
    }

    #[test]
    fn http_is_not_rtmp() {
        let mut out = BytesMut::new();
        let error = Handshake::new().read(&mut &b"GET / HTTP/1.1"[..], &mut out);
        assert!(matches!(error, Err(UnsupportedVersion(b'G'))));
        assert!(out.is_empty());
    }
}
