//! A guard over a client's control stream.
//!
//! `h3` buffers a frame whole before it looks at its type, so a frame that announces a gigabyte
//! would be collected. The guard follows the frame lengths as the bytes pass, and refuses at the
//! announcement.

/// Payload of a frame on the control stream: SETTINGS is the largest that means anything to us.
const CONTROL_FRAME_BYTES_MAX: u64 = 16 << 10;
/// Stream type of the control stream (RFC 9114 section 6.2.1).
const CONTROL_STREAM_TYPE: u64 = 0;

/// A client's control stream announced a frame of unreasonable length.
#[derive(Debug, thiserror::Error)]
#[error("a control frame of {length} bytes, more than {CONTROL_FRAME_BYTES_MAX}")]
pub(super) struct ExcessiveControlFrame {
    length: u64,
}

/// Follows the frames of a unidirectional stream, if it is the control stream.
#[derive(Debug, Default)]
pub(super) struct ControlGuard {
    expect: Expect,
    integer: Integer,
}

#[derive(Debug, Default)]
enum Expect {
    #[default]
    StreamType,
    FrameType,
    FrameLength,
    Payload(u64),
    /// Another kind of stream: nothing of it is buffered.
    Anything,
}

impl ControlGuard {
    /// Follows the next bytes of the stream.
    pub(super) fn observe(&mut self, mut bytes: &[u8]) -> Result<(), ExcessiveControlFrame> {
        while !bytes.is_empty() {
            match self.expect {
                Expect::Anything => return Ok(()),
                Expect::Payload(length) => {
                    let step = usize::try_from(length)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len());
                    bytes = bytes.split_at(step).1;
                    // Lossless: a step is at most the length.
                    let rest = length.saturating_sub(step as u64);
                    self.expect = match rest {
                        0 => Expect::FrameType,
                        rest => Expect::Payload(rest),
                    };
                }
                Expect::StreamType | Expect::FrameType | Expect::FrameLength => {
                    let Some((byte, rest)) = bytes.split_first() else {
                        return Ok(());
                    };
                    bytes = rest;
                    if let Some(value) = self.integer.push(*byte) {
                        self.expect = self.expect.after(value)?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Expect {
    fn after(&self, value: u64) -> Result<Self, ExcessiveControlFrame> {
        Ok(match self {
            Self::StreamType if value == CONTROL_STREAM_TYPE => Self::FrameType,
            Self::FrameType => Self::FrameLength,
            Self::FrameLength if value > CONTROL_FRAME_BYTES_MAX => {
                return Err(ExcessiveControlFrame { length: value });
            }
            Self::FrameLength if value == 0 => Self::FrameType,
            Self::FrameLength => Self::Payload(value),
            Self::StreamType | Self::Payload(_) | Self::Anything => Self::Anything,
        })
    }
}

/// A variable-length integer (RFC 9000 section 16), byte by byte.
#[derive(Debug, Default)]
struct Integer {
    value: u64,
    /// Bytes still to come; 0 before the first.
    missing: u32,
}

impl Integer {
    fn push(&mut self, byte: u8) -> Option<u64> {
        if self.missing == 0 {
            self.missing = 1 << (byte >> 6);
            self.value = u64::from(byte & 0x3f);
        } else {
            self.value = self.value << 8 | u64::from(byte);
        }
        self.missing -= 1;
        (self.missing == 0).then_some(self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SETTINGS with one setting, GREASE of no length, PRIORITY_UPDATE (four-byte type).
    const GOOD: &[u8] = &[
        0x00, 0x04, 0x03, 0x06, 0x44, 0x00, 0x21, 0x00, 0x80, 0x0f, 0x07, 0x00, 0x04, 0x00, b'u',
        b'=', b'1',
    ];

    #[test]
    fn passes_ordinary_frames_in_any_pieces() {
        for size in 1..=GOOD.len() {
            let mut guard = ControlGuard::default();
            for _ in 0..2 {
                for piece in GOOD.chunks(size) {
                    guard.observe(piece).unwrap();
                }
                // The stream type comes once.
                guard.expect = Expect::StreamType;
            }
        }
    }

    #[test]
    fn refuses_a_gigabyte_when_it_is_announced() {
        let mut guard = ControlGuard::default();
        let error = guard
            .observe(&[0x00, 0x21, 0xc0, 0, 0, 0, 0x40, 0, 0, 0])
            .unwrap_err();
        assert_eq!(error.length, 1 << 30);
    }

    #[test]
    fn ignores_other_streams() {
        let mut guard = ControlGuard::default();
        guard
            .observe(&[0x02, 0x21, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
            .unwrap();
    }
}
