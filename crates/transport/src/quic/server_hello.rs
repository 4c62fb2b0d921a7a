//! What our own `ServerHello` says (RFC 8446 section 4.1.3): quinn keeps it to itself.
//!
//! Reads what rustls wrote, not what came from outside; what is not understood is `None`.

use rustls::NamedGroup;

/// `HandshakeType` (RFC 8446 section 4).
const SERVER_HELLO: u8 = 2;
/// `ExtensionType` (RFC 8446 section 4.2).
const PRE_SHARED_KEY: u16 = 41;
const KEY_SHARE: u16 = 51;
/// The random of a `HelloRetryRequest` (RFC 8446 section 4.1.3) begins so.
const RETRY_RANDOM: [u8; 8] = [0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11];
/// After the legacy version.
const RANDOM_LEN: usize = 32;

/// How a client and this server agreed on keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agreed {
    /// The group of the key exchange.
    pub group: NamedGroup,
    /// Whether a session was resumed.
    pub resumed: bool,
}

impl Agreed {
    /// Of handshake messages, if they begin with a `ServerHello` that is no `HelloRetryRequest`.
    pub(super) fn by_server_hello(messages: &[u8]) -> Option<Self> {
        let mut rest = messages;
        if take(&mut rest, 1)? != [SERVER_HELLO] {
            return None;
        }
        let [high, mid, low] = *take(&mut rest, 3)? else {
            return None;
        };
        let length = u32::from_be_bytes([0, high, mid, low]);
        let mut hello = take(&mut rest, usize::try_from(length).ok()?)?;
        take(&mut hello, 2)?;
        if take(&mut hello, RANDOM_LEN)?.starts_with(&RETRY_RANDOM) {
            return None;
        }
        let session_id = usize::from(*take(&mut hello, 1)?.first()?);
        // Then the cipher suite and the compression.
        take(&mut hello, session_id + 3)?;
        take(&mut hello, 2)?;
        let (mut group, mut resumed) = (None, false);
        while !hello.is_empty() {
            let kind = number(&mut hello)?;
            let length = number(&mut hello)?;
            let mut content = take(&mut hello, usize::from(length))?;
            match kind {
                KEY_SHARE => group = Some(NamedGroup::from(number(&mut content)?)),
                PRE_SHARED_KEY => resumed = true,
                _ => {}
            }
        }
        Some(Self {
            group: group?,
            resumed,
        })
    }
}

fn take<'a>(from: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(count)?;
    *from = rest;
    Some(taken)
}

fn number(from: &mut &[u8]) -> Option<u16> {
    let bytes = take(from, 2)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(random: u8, extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([random; 32]);
        body.extend([0, 0x13, 0x02, 0]);
        let extensions: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, content)| {
                let length = u16::try_from(content.len()).unwrap();
                let head = [kind.to_be_bytes(), length.to_be_bytes()].concat();
                [&head[..], content].concat()
            })
            .collect();
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[2], &length[1..], &body].concat()
    }

    const SHARE: (u16, &[u8]) = (51, &[0x11, 0xec, 0, 1, 7]);

    #[test]
    fn group_and_resumption() {
        let agreed = |resumed| Agreed {
            group: NamedGroup::X25519MLKEM768,
            resumed,
        };
        let versions: (u16, &[u8]) = (43, &[3, 4]);
        let fresh = hello(7, &[versions, SHARE]);
        assert_eq!(Agreed::by_server_hello(&fresh), Some(agreed(false)));
        let more = [&fresh[..], &[8, 0, 0, 0]].concat();
        assert_eq!(Agreed::by_server_hello(&more), Some(agreed(false)));
        let resumed = hello(7, &[SHARE, (41, &[0, 0])]);
        assert_eq!(Agreed::by_server_hello(&resumed), Some(agreed(true)));
    }

    #[test]
    fn anything_else_is_none() {
        let good = hello(7, &[SHARE]);
        for end in 0..good.len() {
            assert_eq!(Agreed::by_server_hello(&good[..end]), None, "{end}");
        }
        let mut retry = good.clone();
        retry[6..14].copy_from_slice(&RETRY_RANDOM);
        assert_eq!(Agreed::by_server_hello(&retry), None);
        assert_eq!(Agreed::by_server_hello(&hello(7, &[])), None);
        let mut other = good;
        other[0] = 1;
        assert_eq!(Agreed::by_server_hello(&other), None);
    }
}
